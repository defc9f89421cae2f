"""What is explored: a path, a fleet, the bounds of the world, and the gates that are left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cutover_harness.plan.path import PathStep
from cutover_harness.procedure.context import StepContext
from cutover_harness.procedure.gates import Gate
from cutover_harness.procedure.names import StepName

Fleet = Literal["shim", "restart", "restarted-producer", "restarted-group", "restarted", "mixed"]
"""shim: all clients are on it. restart: the rehearsal stops and starts all. The others: one producer, or the group, or
both, is stopped and started by a person or a command, and the others are on the shim. mixed: each partition has a group
of its own; one producer and one group are moved by commands, which the conductor requests after it has moved those on
the shim."""

FAULTS = {
    "mirror-away": "Connect is away for a while",
    "mirror-fails": "the mirror fails on a record",
    "mirror-hangs": "the mirror is RUNNING and copies nothing",
    "mirror-repeats": "the mirror restarts and copies a record again",
    "source-retention": "retention on the source removes a record that was read",
    "target-retention": "retention on the target removes a record",
    "recreated": "the source topic is deleted and created again",
    "cluster-away": "a cluster is away for a while",
    "client-dies": "a client dies, and comes back or does not",
    "foreign-record": "somebody has written a record to the target before the mirror",
    "foreign-offset": "the group has an offset on the target that nobody of this batch has set",
    "straggler": "a producer that is no client of the route writes to the source after the others have left it",
    "early-writer": "a producer that is no client of the route writes to the target before the others are there",
    "stray-member": "a member of the group that is not the application reads the target",
    "take-over": "the conductor is suspended when it is about to write, another one takes over, and it wakes up",
}
"""Faults of the world, in words. A client that is late, or never follows, needs no fault: its delay has no limit."""
STRANGERS = ("straggler", "early-writer")
"""Faults that exist only in the run of a plan: a rehearsal has no clients except those that it starts."""


@dataclass(frozen=True)
class Bounds:
    """How small the world is: partitions, records of each, how many faults at most and which.

    crashes: whether conductors are killed, and operators resume or roll back. depth, states, seconds: where the search
    ends before it is complete; None for nowhere.
    """

    partitions: int = 1
    records: int = 3
    faults: int = 1
    kinds: tuple[str, ...] = tuple(FAULTS)
    crashes: bool = True
    depth: int | None = None
    states: int | None = None
    seconds: float | None = None


LOCK, GENERATION, BROKEN = "one conductor at a time", "generation of the cutover file", "mirror is not broken"
BYPASS, LEASE = "nobody bypasses the route", "lease is looked at before each write"
"""Guards that are no gates of one step."""


@dataclass(frozen=True)
class Removed:
    """A gate that is left out: of one step, before (False) or after (True) its action; step None: one of the guards."""

    gate: str
    step: StepName | None = None
    after: bool = False

    def __str__(self) -> str:
        return self.gate if self.step is None else f"{self.step}/{'after' if self.after else 'before'}/{self.gate}"


@dataclass(frozen=True)
class Case:
    """One exploration. `substitute`: replaces a gate, as in a test with a gate as it once was."""

    name: str
    path: Sequence[PathStep]
    fleet: Fleet = "shim"
    bounds: Bounds = field(default_factory=Bounds)
    without: frozenset[Removed] = frozenset()
    planned: bool = False
    """Whether it is the run of a plan, which compares all records before the mirror is deleted."""
    substitute: Callable[[Gate, StepContext], Gate] | None = None

    def lacks(self, guard: str) -> bool:
        """Whether this guard is left out."""
        return any(each.step is None and each.gate == guard for each in self.without)

    @property
    def takes_over(self) -> bool:
        """Whether a conductor may be suspended, and another one take over."""
        return "take-over" in self.bounds.kinds and self.bounds.faults > 0 and not self.lacks(LOCK)

    @property
    def counts(self) -> bool:
        """Whether generations of the cutover file are counted: otherwise that would make equal states different."""
        return self.lacks(LOCK) or (self.takes_over and self.lacks(LEASE))

    @property
    def is_exact(self) -> bool:
        """Whether the path promises that the group reads nothing again when it moves to the target."""
        return StepName.SET_EXACT_OFFSETS in [step.step for step in self.path]

    @property
    def overlaps(self) -> bool:
        """Whether old and new members of the group read at the same time."""
        return StepName.OVERLAP_CONSUMERS in [step.step for step in self.path]

    @property
    def requests(self) -> bool:
        """Whether clients that are restarted wait until the conductor has requested it."""
        return self.fleet == "mixed"

    def restarted(self, role: str, number: int) -> bool:
        """Whether this client is stopped and started, and reports no status."""
        if self.fleet == "restart":
            return True
        if role == "producer":
            return self.fleet in ("restarted-producer", "restarted", "mixed") and number == 0
        return self.fleet == "restarted-group" or (self.fleet in ("restarted", "mixed") and number == 0)

    @property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """The partitions that each group reads, by its name."""
        numbers = tuple(range(self.bounds.partitions))
        return {f"g{n}": (n,) for n in numbers} if self.fleet == "mixed" else {"g": numbers}

    def group_of(self, number: int) -> str:
        """Return the group that reads a partition."""
        return next(group for group, numbers in self.groups.items() if number in numbers)
