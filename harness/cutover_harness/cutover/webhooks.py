"""Webhooks of a plan: what a run reports to other services, and a service's answer to a request for approval.

Sent in threads with time limits, so that a service that hangs never delays the conductor. A resolved address is in no
message: the whole URL may be a secret.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from cutover_harness.conductor.journal import Entry
from cutover_harness.cutover.audit import Audit
from cutover_harness.cutover.webhook_messages import Approval, Event, Message, approval_in, body, event_of
from cutover_harness.errors import UsageError, in_one_line
from cutover_harness.planning.model import Webhook
from cutover_harness.planning.read import ReadPlan

Answer = Callable[[Entry, Approval], bool]
"""Takes an answer to a request for approval; returns whether it counts: another one may have been first."""
_JSON = {"Content-Type": "application/json"}
_TRIES = 3
_PAUSE_S = 1.0
_CLOSE_S = 5.0
_MOST_WAITING = 1000
_MOST_ANSWER = 64 << 10


class Webhooks:
    """Sends a run's messages to the webhooks of its plan.

    answer: takes an answer to a request for approval. pause_s: before the first retry, twice that before the second.
    """

    def __init__(self, plan: ReadPlan, batch: str, audit: Audit, answer: Answer, *, pause_s: float = _PAUSE_S) -> None:
        self._plan, self._batch, self._audit, self._answer = plan, batch, audit, answer
        self._senders = [
            _Sender(hook, url, pause_s, self._failed)
            for hook, url in zip(plan.plan.webhooks, addresses(plan), strict=True)
        ]

    def send(self, event: Event, **detail: Any) -> None:
        """Send a message to the webhooks that want it; returns immediately."""
        message = self._message(event, detail)
        for sender in self._senders:
            if event in sender.hook.on:
                sender.put(message)

    def follower(self, known: Sequence[Entry]) -> Callable[[Entry], None]:
        """Return a function that reports each new entry of the journal. known: the entries from before."""
        seen = list(known)

        def saw(entry: Entry) -> None:
            seen.append(entry)
            if (found := event_of(entry, seen)) is not None:
                self.send(found[0], **found[1])

        return saw

    def ask(self, asked: Entry, step: str, figures: list[str], command: str) -> None:
        """Send a request for approval. An answer that arrives when another one was given is ignored."""
        detail = {"step": step, "request": asked.id, "figures": figures, "answer_with": command}
        message = self._message("approval-wanted", detail)
        for sender in self._senders:
            if "approval-wanted" in sender.hook.on:
                # A thread of its own: the service may wait for a person, and later messages must not wait for it.
                work = threading.Thread(target=self._ask_one, args=(sender, message, asked), daemon=True)
                work.start()

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        deadline = time.monotonic() + _CLOSE_S
        for sender in self._senders:
            sender.close(max(0.0, deadline - time.monotonic()))

    def _message(self, event: Event, detail: Mapping[str, Any]) -> Message:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return Message(event, now, self._plan.plan.name, self._plan.digest, self._batch, dict(detail))

    def _ask_one(self, sender: _Sender, message: Message, asked: Entry) -> None:
        response = sender.post(message)
        found = None if response is None else approval_in(response)
        if found is None:
            return
        try:
            if not self._answer(asked, found):
                self._audit.write("webhook ignored", **sender.facts(message), by=found.by, approved=found.approved)
        except UsageError as why:
            self._failed(sender, message, str(why))
        except Exception as why:  # noqa: BLE001 - an answer that had no effect must not be lost with this thread
            self._failed(sender, message, f"its answer could not be taken: {in_one_line(why)}")

    def _failed(self, sender: _Sender, message: Message, why: str) -> None:
        try:
            self._audit.write("webhook failed", **sender.facts(message), why=why)
        except UsageError:
            return  # the run itself stops at its next line


class _Sender:
    """Sends to one webhook, one message after the other."""

    def __init__(
        self, hook: Webhook, url: str, pause_s: float, failed: Callable[[_Sender, Message, str], None]
    ) -> None:
        self.hook = hook
        self._url, self._pause_s, self._failed = url, pause_s, failed
        # It follows no redirect: figures go nowhere else.
        self._client = httpx.Client(timeout=hook.timeout_s)
        self._waiting: queue.Queue[Message | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._work, name="webhook", daemon=True)
        self._thread.start()

    def facts(self, message: Message) -> dict[str, Any]:
        """Return what a line of the audit log says of a message; the address as the plan has it."""
        return {"batch": message.batch, "webhook": self.hook.url, "message": message.event}

    def put(self, message: Message) -> None:
        """Send a message when those before it are sent."""
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            self._failed(self, message, f"{_MOST_WAITING} messages wait already")

    def close(self, within_s: float) -> None:
        """Send what waits, for `within_s` seconds at most."""
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(within_s)
        while self._thread.is_alive():
            try:
                left = self._waiting.get_nowait()
            except queue.Empty:
                return
            if left is not None:
                self._failed(self, left, "not sent before the run ended")

    def post(self, message: Message) -> bytes | None:
        """Send a message now, with retries; return the answer, None if there was none."""
        why = ""
        for number in range(_TRIES):
            if number:
                time.sleep(self._pause_s * number)
            try:
                return self._post(message)
            except _RetryableError as found:
                why = str(found)
            except _FinalError as found:
                why = str(found)
                break
        self._failed(self, message, why)
        return None

    def _post(self, message: Message) -> bytes:
        deadline = time.monotonic() + self.hook.timeout_s
        content = b""
        try:
            # Not `json=`: it fails for names of files that are no UTF-8, and with it the thread.
            text = json.dumps(body(message, self.hook.form))
            with self._client.stream("POST", self._url, content=text, headers=_JSON) as response:
                if response.status_code in (408, 429) or response.status_code >= 500:
                    raise _RetryableError(f"answered {response.status_code}")
                if not response.is_success:
                    raise _FinalError(f"answered {response.status_code}")
                for part in response.iter_raw():
                    content += part
                    if time.monotonic() > deadline or len(content) > _MOST_ANSWER:  # the limit of httpx is per read
                        raise _FinalError(f"its answer was not complete after {self.hook.timeout_s:g} s, or too large")
        except httpx.TimeoutException:
            raise _RetryableError(f"did not answer within {self.hook.timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as found:
            raise _RetryableError(f"could not be reached ({type(found).__name__})") from None
        return content

    def _work(self) -> None:
        while (message := self._waiting.get()) is not None:
            try:
                self.post(message)
            except Exception as why:  # noqa: BLE001 - the messages after it must not be lost with this thread
                self._failed(self, message, f"{type(why).__name__}: {in_one_line(why)}")


class _RetryableError(Exception):
    """A message that was not taken, and may be later."""


class _FinalError(Exception):
    """A message that will not be taken."""


def addresses(plan: ReadPlan) -> list[str]:
    """Return the addresses of a plan's webhooks, references resolved. Raises UsageError."""
    return [_address(plan, number, hook) for number, hook in enumerate(plan.plan.webhooks)]


def _address(plan: ReadPlan, number: int, hook: Webhook) -> str:
    """Return the address of a webhook. Raises UsageError."""
    found = plan.secret(hook.url)
    try:
        url = httpx.URL(found)
        good = url.scheme in ("http", "https") and bool(url.host)
    except httpx.InvalidURL:
        good = False
    if not good:
        raise UsageError(f"{plan.path}: webhooks.{number}.url: {hook.url}: its value is no http(s) URL: correct it")
    return found
