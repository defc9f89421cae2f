"""Remembers what a channel of the shim calls."""

from __future__ import annotations

import threading

from tests.waiting import wait_until

Call = tuple[str, object]


class Heard:
    """A receiver; every call has the same channel name, or `names` has more than one."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.names: set[str] = set()
        self._lock = threading.Lock()

    def begins(self, channel: str) -> None:
        self._note(channel, "begins", None)

    def document(self, channel: str, content: bytes) -> None:
        self._note(channel, "document", content)

    def complete(self, channel: str) -> None:
        self._note(channel, "complete", None)

    def failed(self, channel: str, why: str, *, final: bool) -> None:
        self._note(channel, "final" if final else "failed", why)

    def works(self, channel: str) -> None:
        self._note(channel, "works", None)

    def _note(self, channel: str, kind: str, what: object) -> None:
        with self._lock:
            self.names.add(channel)
            self.calls.append((kind, what))

    @property
    def documents(self) -> list[bytes]:
        return [what for kind, what in list(self.calls) if kind == "document" and isinstance(what, bytes)]

    def failure(self, why: str, *, final: bool = False, after: int = 0) -> str:
        """Wait for a failure whose reason contains `why`, behind the first `after` calls, and return the reason."""
        kind = "final" if final else "failed"

        def found() -> str:
            return next((str(what) for k, what in self.calls[after:] if k == kind and why in str(what)), "")

        return wait_until(found, 60, state=lambda: self.calls)

    def wait(self, kind: str, what: object = None, *, after: int = 0, seconds: float = 60) -> Call:
        """Wait for a call of this kind, with this content unless it is None, that comes behind the first `after`."""

        def found() -> Call | None:
            return next((c for c in self.calls[after:] if c[0] == kind and what in {None, c[1]}), None)

        return wait_until(found, seconds, state=lambda: self.calls) or ("", None)
