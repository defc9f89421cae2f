"""Messages to webhooks, and the meaning of their answers. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.resume import reached
from cutover_harness.cutover.bypassing import is_news
from cutover_harness.masking import masked

Event = Literal["step", "gate-missed", "bypass", "approval-wanted", "end"]
FORMAT = 1
_OF_BYPASS = ("role", "cluster", "what", "standing", "count", "members", "words")
_MOST_TEXT = 3000
"""Slack cuts a text after 4,000 characters."""


@dataclass(frozen=True)
class Message:
    """One message. plan, digest: the plan's name and hash."""

    event: Event
    at: str
    plan: str
    digest: str
    batch: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Approval:
    """An answer to a request for approval."""

    approved: bool
    by: str


def event_of(entry: Entry, entries: Sequence[Entry]) -> tuple[Event, dict[str, Any]] | None:
    """Return what an entry of the journal is reported as, None if it is not. entries: the journal up to it."""
    if entry.kind == "missed":
        return "gate-missed", {"gate": entry.name, "why": entry.detail.get("why")}
    if entry.kind == "bypass" and is_news(entry, entries):
        return "bypass", {"kind": entry.detail["bypass"], **{name: entry.detail[name] for name in _OF_BYPASS}}
    if entry.kind in ("step", "done") and entry.step >= 0:
        state = reached(entries)
        where = {"stage": state.stage, "producers": state.producers, "consumers": state.consumers}
        begun = "begun" if entry.kind == "step" else "done"
        return "step", {"step": entry.name, "number": entry.step + 1, "state": begun, **where}
    return None


def body(message: Message, form: Literal["generic", "slack"]) -> dict[str, Any]:
    """Return the JSON to send."""
    if form == "slack":
        return {"text": _slack(message)}
    head = {"format": FORMAT, "event": message.event, "at": message.at}
    head |= {"plan": message.plan, "hash": message.digest, "batch": message.batch}
    return {**head, **{name: _shown(value) for name, value in message.detail.items()}}


def approval_in(content: bytes) -> Approval | None:
    """Return the approval in an answer; None if it is none: a service may answer anything."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("approved"), bool):
        return None
    by = found.get("by")
    if not isinstance(by, str) or not (shown := "".join(c for c in by if c.isprintable()).strip()):
        return None
    return Approval(found["approved"], shown[:200])


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    return [_shown(each) for each in value] if isinstance(value, list) else value


def _slack(message: Message) -> str:
    detail = {name: _shown(value) for name, value in message.detail.items()}
    head = f"{message.plan}, batch {message.batch}: "
    match message.event:
        case "step":
            text = f"{head}{detail['step']} {detail['state']} (stage {detail['stage']})"
        case "gate-missed":
            text = f"{head}stopped: {detail['why']}"
        case "bypass":
            text = f"{head}bypass: {detail['words']}"
        case "approval-wanted":
            text = "\n".join(
                [f"{head}{detail['step']} waits for approval: {detail['answer_with']}", *detail["figures"]]
            )
        case "end":
            text = f"{head}ended: {detail['result']}"
    for mark, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(mark, escaped)
    return text[:_MOST_TEXT]
