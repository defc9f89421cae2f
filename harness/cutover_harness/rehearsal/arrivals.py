"""When each generation of the cutover file was written, seen by each instance, and carried out there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from cutover_shim.channel import FILE

from cutover_harness.channels.document import generation_in
from cutover_harness.judge.model import Arrival, Reach
from cutover_harness.judge.spread import spread
from cutover_harness.periodic import Periodic
from cutover_harness.plan.fleet import Fleet

INTERVAL_S = 0.025
Role = Literal["producer", "consumer"]


@dataclass
class _Client:
    """One process of an instance: the generation that it started with, and those that have reached it since.

    seen: the moment and the channel of each. applied: the moment at which each was carried out.
    """

    pid: int
    role: Role
    first_ns: int
    newest: int
    seen: dict[int, tuple[int, str]] = field(default_factory=dict)
    applied: dict[int, int] = field(default_factory=dict)

    def read(self, status: Mapping[str, Any]) -> None:
        """Note what a later status of the process shows."""
        updated_ns = round(float(status["updated"]) * 1e9)
        generation = int(status["seen_generation"])
        if generation > self.newest:
            self.newest = generation
            seen = status.get("seen") or {}
            known = seen.get("generation") == generation
            at_ns = round(float(seen["at"]) * 1e9) if known else updated_ns
            self.seen[generation] = at_ns, _kind(str(seen["channel"])) if known else "file"
        done = min((int(route["generation"]) for route in status["routes"].values()), default=-1)
        for each in self.seen:
            if each <= done:
                self.applied.setdefault(each, updated_ns)

    def arrivals(self, instance: str, written: Mapping[int, int], until_ns: int | None) -> list[Arrival]:
        """Return the arrival of each generation that was written while the process ran, up to `until_ns`.

        A generation that a later one overtook is left out.
        """
        found = []
        for generation, written_ns in written.items():
            if generation in self.seen:
                seen_ns, channel = self.seen[generation]
                done_ns = self.applied.get(generation)
                found.append(Arrival(generation, instance, self.role, written_ns, channel, seen_ns, done_ns))
            elif generation > self.newest and written_ns > self.first_ns and written_ns < (until_ns or written_ns + 1):
                found.append(Arrival(generation, instance, self.role, written_ns))
        return found


def _kind(channel: str) -> str:
    """Return the channel without what differs from instance to instance: the path of its file."""
    return "file" if channel.startswith(FILE) else channel


class ArrivalSampler(Periodic):
    """Reads the cutover file and the statuses in a thread of its own until the context is left.

    The time of a generation is the moment at which the file was replaced by it, for all channels: the conductor writes
    the control topics after it. Not the journal's time: a conductor that is killed after the write has no entry for it.
    The generation that an instance has when it starts did not arrive, and is left out.
    """

    def __init__(self, file: Path, statuses: Path) -> None:
        super().__init__(self.look, INTERVAL_S, "arrival-sampler")
        self._file = file
        self._statuses = statuses
        self._written: dict[int, int] = {}
        self._clients: dict[str, _Client] = {}
        self._past: list[Arrival] = []
        self._stats: dict[Path, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        self.look()
        return super().__enter__()

    def stop(self) -> None:
        """End the thread, and read what has changed since its last look."""
        super().stop()
        self.look()

    def reach(self, fleet: Fleet) -> Reach:
        """Return how the file reached the instances of a fleet of this shape."""
        arrivals = list(self._past)
        for instance, client in sorted(self._clients.items()):
            arrivals += client.arrivals(instance, self._written, None)
        arrivals.sort(key=lambda each: (each.generation, each.instance))
        delay = fleet.file_delay
        return Reach(
            channel=fleet.channel,
            least_s=None if delay is None else delay.least_s,
            most_s=None if delay is None else delay.most_s,
            arrivals=arrivals,
            spread=spread(arrivals),
        )

    def look(self) -> None:
        """Read what has changed."""
        if self._changed(self._file):
            self._read_file()
        for file in sorted(self._statuses.glob("*.json")):
            if self._changed(file):
                self._read_status(file)

    def _changed(self, file: Path) -> bool:
        try:
            found = file.stat()
        except OSError:
            return False
        before, self._stats[file] = self._stats.get(file), (found.st_ino, found.st_mtime_ns)
        return before != self._stats[file]

    def _read_file(self) -> None:
        try:
            # The time of the change of its inode is that of the rename that put it there.
            written_ns, generation = self._file.stat().st_ctime_ns, generation_in(self._file.read_bytes())
        except OSError:
            return
        if generation is not None:
            self._written.setdefault(generation, written_ns)

    def _read_status(self, file: Path) -> None:
        try:
            self._read(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            self._stats.pop(file, None)  # being replaced, or not a status

    def _read(self, status: Mapping[str, Any]) -> None:
        instance, pid = str(status["instance"]), int(status["pid"])
        client = self._clients.get(instance)
        if client is None or client.pid != pid:
            first_ns = round(float(status["updated"]) * 1e9)
            if client is not None:
                self._past += client.arrivals(instance, self._written, first_ns)
            role: Role = "producer" if status["role"] == "producer" else "consumer"
            self._clients[instance] = _Client(pid, role, first_ns, int(status["seen_generation"]))
        else:
            client.read(status)
