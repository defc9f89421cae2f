"""The lease of a fleet's documents: who may write them now. Pure functions.

A lease is written again and again, with growing numbers. What is in force follows from the order of the records: a
renewal has to follow the record before it, and a lease of somebody else has to name the one that it replaces. So of two
operators who take over at the same time only the first one gets it, and a holder that was suspended cannot renew what
somebody else has taken over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol, Self

KEY = b"cutover-lease"
"""Key of the records on a control topic. Clients read only those with the key `cutover`."""
FORMAT = 1


@dataclass(frozen=True)
class Holder:
    """A command that writes documents. folder: its run's. machine, started: what identifies its process on its host."""

    who: str
    pid: int
    command: str
    batch: str
    folder: str
    machine: str | None = None
    started: int | None = None


@dataclass(frozen=True)
class Lease:
    """A lease, or its end. Times are seconds since 1970. replaces: the version that it takes the place of."""

    id: str
    number: int
    holder: Holder
    since: float
    until: float
    lasts_s: float
    replaces: str | None = None
    ended: bool = False

    @property
    def version(self) -> str:
        """What a lease that takes its place names."""
        return f"{self.id}/{self.number}"

    def follows(self, current: Lease | None) -> bool:
        """Whether it counts if `current` is in force."""
        if current is None:
            return True
        if self.id == current.id:
            return self.number > current.number and not current.ended
        # Compaction can leave an older record of the one that is replaced, never a newer one.
        replaced, _, number = (self.replaces or "").rpartition("/")
        return replaced == current.id and number.isdecimal() and int(number) >= current.number

    def renewed(self, now: float) -> Lease:
        """Return the lease for longer."""
        return replace(self, number=self.number + 1, until=now + self.lasts_s)

    def end(self, now: float) -> Lease:
        """Return the end of the lease."""
        return replace(self, number=self.number + 1, until=now, ended=True)

    def is_ahead(self, now: float) -> bool:
        """Whether it lasts for longer than a lease can, so that the clock of its holder is ahead of this one."""
        return self.until - now > self.lasts_s

    @property
    def words(self) -> str:
        """The holder and the times, in words."""
        its = self.holder
        return (
            f"{its.who} (kafka-cutover {its.command}, process {its.pid}, batch {its.batch}, run {its.folder}) holds "
            f"the lease since {moment(self.since)}"
        )

    def to_text(self) -> str:
        """Return the record's content."""
        return json.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """Return the lease in a record, None if it is none that can be understood."""
        try:
            found = json.loads(text)
            if found.pop("format") != FORMAT:
                return None
            return cls(**_typed(found))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError, OSError):
            return None


def is_newer(text: str) -> bool:
    """Return whether a record is a lease of a later version of kafka-cutover, which has to be kept, too."""
    try:
        number = json.loads(text)["format"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    return isinstance(number, int) and number > FORMAT


def _typed(found: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with their types. Raises what a value of another type raises."""
    its = found["holder"]
    for value, kinds in (
        (found["ended"], bool),
        (found["replaces"], str | None),
        (its["machine"], str | None),
        (its["started"], int | None),
    ):
        if not isinstance(value, kinds):  # a text would count as an end, and a number as a process that has ended
            raise TypeError
    holder = Holder(
        who=str(its["who"]),
        pid=int(its["pid"]),
        command=str(its["command"]),
        batch=str(its["batch"]),
        folder=str(its["folder"]),
        machine=its["machine"],
        started=its["started"],
    )
    numbers = {name: float(found[name]) for name in ("since", "until", "lasts_s")}
    for name in ("since", "until"):
        moment(numbers[name])  # it has to be one that can be shown
    if not (math.isfinite(numbers["lasts_s"]) and numbers["lasts_s"] > 0):
        raise ValueError
    rest = {"id": str(found["id"]), "number": int(found["number"]), "holder": holder}
    return {**found, **numbers, **rest}


class LeaseStore(Protocol):
    """A place that keeps the lease. One thread at a time uses it."""

    @property
    def name(self) -> str:
        """The place, in messages."""
        ...

    @property
    def hidden(self) -> bool:
        """Whether what was read last may hide a lease: it is no lease, and nothing before it is there any more."""
        ...

    def read(self) -> Lease | None:
        """Return the lease in force, None if there is none. Raises UsageError if that cannot be read now."""
        ...

    def offer(self, lease: Lease) -> Lease | None:
        """Write a lease; return the one in force after that, which another one may be. Raises UsageError."""
        ...

    def close(self) -> None:
        """Close connections; more than once is harmless."""
        ...


def in_force(leases: Iterable[Lease], current: Lease | None = None) -> Lease | None:
    """Return the lease in force after these, in the order of their records; `current`: the one before them.

    The first one counts, as compaction may have removed those before it.
    """
    for lease in leases:
        if lease.follows(current):
            current = lease
    return current


def refusal(current: Lease | None, now: float, *, take_over: bool, gone: bool, same_run: bool) -> str | None:
    """Return why a lease cannot be taken now, None if it can.

    gone: whether its holder's process is known to have ended. same_run: whether it was this very run.
    """
    if current is None or current.ended or (gone and same_run):
        return None
    expired = now >= current.until
    if (expired or current.is_ahead(now)) and take_over:
        return None  # it is watched first
    if expired:
        return (
            f"{current.words}, and it has expired at {moment(current.until)}: make sure that this run has ended, then "
            f"repeat with --take-over"
        )
    if current.is_ahead(now):
        return (
            f"{current.words}, until {moment(current.until)} by a clock that is ahead of this machine's: make sure "
            f"that this run has ended, then repeat with --take-over, which watches it for {current.lasts_s:.0f} s first"
        )
    elsewhere = f"its process has ended, so continue in {current.holder.folder}; " if gone else ""
    if take_over:
        return f"{current.words}: {elsewhere}--take-over works when it has expired, at {moment(current.until)}"
    return (
        f"{current.words}, until {moment(current.until)}: {elsewhere or 'wait for its end; '}if that run is lost, "
        f"--take-over takes it over after that time"
    )


def moment(at: float) -> str:
    """Return a time in words."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
