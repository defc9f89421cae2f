"""Breaking the cutover file: torn, deleted, or an old one put back. The conductor's next write makes it good again."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from pathlib import Path

from cutover_harness.conductor.statuses import read_statuses
from cutover_harness.faults.proof import Proof
from cutover_harness.plan.fault import Fault

REFUSED_WITHIN_S = 30.0
"""How long clients are waited for; they look at the file five times a second, and say so once a second."""
_POLL_S = 0.1
_OLD = "old"


class BrokenFile:
    """The cutover file `path` as a victim; `statuses` is where its clients say what they make of it.

    The file as it is now is what `rewind` puts back later, as someone would who restores a copy.
    """

    def __init__(self, path: Path, statuses: Path, route: str) -> None:
        self._path = path
        self._statuses = statuses
        self._route = route
        self._first = path.read_bytes()

    def __call__(self, fault: Fault) -> Callable[[], Proof]:
        """Break the file, and leave it so until all clients refuse it, `fault.seconds` at least; the path waits."""
        good = self._path.read_bytes()
        generation = tomllib.loads(good.decode())["generation"]
        begin = time.monotonic()
        self._break(fault.kind, good)
        time.sleep(fault.seconds)
        while True:
            broken = not self._path.exists() or self._path.read_bytes() != good
            proof = self._proof(generation, broken=broken)
            if proof.held or time.monotonic() - begin > max(fault.seconds, REFUSED_WITHIN_S):
                return lambda: proof
            time.sleep(_POLL_S)

    def _break(self, kind: str, good: bytes) -> None:
        if kind == "delete":
            self._path.unlink()
        elif kind == "tear":
            # In place, as an editor or a full disk does it; up to the middle of a string, where it cannot be read.
            self._path.write_bytes(good[: good.rindex(b'"', 0, len(good) // 2)])
        else:
            other = self._path.with_name(f".{self._path.name}.{_OLD}")
            other.write_bytes(self._first)
            other.replace(self._path)

    def _proof(self, generation: int, *, broken: bool) -> Proof:
        """Every client has to refuse what is there, and to keep the last good generation."""
        statuses = list(read_statuses(self._statuses, self._route).values())
        refusing = [s for s in statuses if s.rejected is not None and s.generation == generation]
        why = "; ".join(sorted({str(s.rejected) for s in refusing}))
        return Proof(
            held=broken and bool(statuses) and len(refusing) == len(statuses),
            evidence=f"{len(refusing)} of {len(statuses)} clients refuse it and keep generation {generation}: {why}",
        )
