"""What the audit log of a run shows: people, plan, the cost of going back, clients on the wrong cluster. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.resume import reached, turned_back
from cutover_harness.masking import masked
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import NO_WAY_BACK

from cutover_reports.performed.model import Bypass, CommandLine, GoingBack, Limit
from cutover_reports.performed.reading import Line
from cutover_reports.performed.times import of_ns

_LEASE = "lease taken"
_OF_PEOPLE = {
    "route": "wrote the route",
    "begin": "began the batch",
    "continue": "continued it",
    "resume": "resumed it",
    "rollback": "turned it back",
    "approval": "answered a request for approval",
    "again": "began it again, after it came back",
    "mirror forgotten": "removed what an earlier mirror had left, to copy from the start",
    _LEASE: "took over the lease of a run that was lost",
    "end": "ended",
}
_OF_LINE = frozenset(("at", "who", "command", "plan", "event", "batch", "entry", "happened"))
_BYPASS = "bypass"


def plan_of(lines: Sequence[Line]) -> str | None:
    """Return the hash of the plan that the last command worked with."""
    found = [line["plan"] for line in lines if line.get("event") in ("begin", "continue", "resume", "rollback")]
    return str(found[-1]) if found else None


def lost_lease(lines: Sequence[Line]) -> list[str]:
    """Return that another run has taken the batch over, of which the rest is in another folder."""
    leases = [line for line in lines if str(line.get("event")).startswith("lease ")]
    if not leases or leases[-1]["event"] != "lease lost":
        return []
    return [masked(f"its lease was lost, so the rest may be in the folder of another run: {leases[-1].get('why')}")]


def people(lines: Sequence[Line]) -> list[CommandLine]:
    """Return who did what."""
    found = []
    for line in lines:
        event = str(line.get("event"))
        if event not in _OF_PEOPLE or (event == _LEASE and not line.get("replaced")):
            continue
        detail = ""
        if event == "approval":
            answer = "approved" if line.get("approved") is True else "declined"
            asked = str(line.get("step") or line.get("request")).removeprefix("approve ")
            detail = f"{asked}: {answer} by {line.get('by')} ({line.get('how')})"
        elif event == "end":
            result = line.get("result")
            detail = "stopped before the end" if isinstance(result, int) else str(result)
        batch = line.get("batch")
        found.append(
            CommandLine(
                at=str(line["at"]),
                who=str(line.get("who") or "not recorded"),
                command=str(line.get("command") or "not recorded"),
                batch=None if batch is None else str(batch),
                event=_OF_PEOPLE[event],
                detail=masked(detail),
            )
        )
    return found


def going_back(lines: Sequence[Line], entries: Sequence[Entry]) -> GoingBack:
    """Return what going back costs, as it was recorded last: when it was decided, or with a request for approval."""
    state = reached(entries)
    deleted = [e for e in entries if e.kind == "done" and e.name == StepName.DELETE_TASK]
    if state.stage == NO_WAY_BACK and not turned_back(entries):
        at = of_ns(deleted[-1].time_ns) if deleted else None
        words = "the mirror is deleted: records that were written to the target since are not on the source"
        return GoingBack(recorded=at, possible=False, costs=[words], limits=[], problem=None)
    if turned_back(entries):
        back = [line for line in lines if line.get("event") == "rollback"]
        shown = [masked(str(each)) for line in back[-1:] for each in line.get("costs") or ()]
        at = str(back[-1]["at"]) if back else None
        problem = None if shown else "its cost was not recorded"
        return GoingBack(recorded=at, possible=True, costs=shown, limits=[], problem=problem)
    asked = [line for line in lines if line.get("event") == "approval wanted"]
    if not asked or not isinstance(asked[-1].get("going_back"), dict):
        why = "no request for approval has recorded it"
        return GoingBack(recorded=None, possible=True, costs=[], limits=[], problem=why)
    line, found = asked[-1], asked[-1]["going_back"]
    begun = {(e.step, e.name) for e in entries if e.kind == "doing"}
    side = "after" if (line.get("number"), line.get("step")) in begun else "before"
    limits = [
        Limit(at=str(each.get("at")), what=masked(str(each.get("what"))))
        for each in found.get("limits") or ()
        if isinstance(each, dict)
    ]
    problem = found.get("problem")
    return GoingBack(
        recorded=str(line["at"]),
        possible=True,
        costs=[masked(str(each)) for each in found.get(side) or ()],
        limits=limits,
        problem=None if problem is None else masked(str(problem)),
    )


def bypasses(lines: Sequence[Line], entries: Sequence[Entry]) -> list[Bypass]:
    """Return what was found of clients on the wrong cluster, whatever form its record has."""
    found = [
        Bypass(at=of_ns(entry.time_ns), words=_words({"": entry.name, **entry.detail}))
        for entry in entries
        if str(entry.kind) == _BYPASS
    ]
    if found:
        return found  # the audit log repeats them
    return [
        Bypass(at=str(line["at"]), words=_words({key: value for key, value in line.items() if key not in _OF_LINE}))
        for line in lines
        if line.get("event") == _BYPASS
    ]


def _words(detail: dict[str, Any]) -> str:
    parts = []
    for key, value in detail.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        parts.append(f"{key}: {shown}" if key else shown)
    return masked("; ".join(parts))
