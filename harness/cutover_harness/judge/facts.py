"""What a run knows about itself, besides what its processes logged: the judge's second input."""

from dataclasses import dataclass, field
from typing import Any, Literal

from cutover_harness.judge.jsonable import Jsonable

SOURCE, TARGET = "source", "target"

#: Why a record reached a group more than once; `judge.duplicates` has the definitions.
CAUSES = ("re_read", "re_read_across", "mirrored_twice", "producer_retry")


@dataclass(frozen=True)
class Mark(Jsonable):
    """Something on the run's time line. Times are wall clock UTC in nanoseconds; `end_ns` where it lasted."""

    time_ns: int
    kind: Literal["stage", "gate", "act", "fault", "phase"]
    name: str
    stage: int | None = None
    detail: str = ""
    end_ns: int | None = None


@dataclass(frozen=True)
class LagSample(Jsonable):
    """Mirror lag at one moment: records that the target misses, and the age of the oldest in ms where known."""

    time_ns: int
    records: int
    ms: float | None = None


@dataclass(frozen=True)
class DrainProof(Jsonable):
    """Whether the group is proven to have read all there is on the cluster where it ended, and by what evidence."""

    group: str
    held: bool
    evidence: str


@dataclass(frozen=True)
class Guard(Jsonable):
    """A condition without which the run proves nothing, such as "the switch happened mid-traffic"."""

    name: str
    held: bool
    evidence: str


@dataclass(frozen=True)
class Cut(Jsonable):
    """One switch of producers (group None) or of a group's consumers, from the first step to the last.

    route: the route that switched, where the run has several.
    """

    time_ns_from: int
    time_ns_to: int
    role: Literal["producer", "consumer"]
    group: str | None
    from_cluster: str
    to_cluster: str
    route: str | None = None


@dataclass(frozen=True)
class Copied(Jsonable):
    """Records that the mirror is proven to have copied: offsets `[start, end)` of one partition's log on `cluster`."""

    cluster: str
    topic: str
    partition: int
    start: int
    end: int


@dataclass(frozen=True)
class Destroyed(Jsonable):
    """What a fault destroyed on purpose: all that `topic` held on `cluster` until it was deleted, before `until_ns`."""

    cluster: str
    topic: str
    until_ns: int
    fault: str


@dataclass(frozen=True)
class Expectation(Jsonable):
    """What a run may cost. A number is the most that is allowed, None allows any.

    duplicated: the most per cause; a cause that is not named is allowed in any number.
    must_fail: names of the measures that a negative control has to violate (a count's name, a cause, or "blackout").
    documented: the documented cost in words.
    max_blackout_ms: the longest blackout of any cut.
    """

    lost: int | None = 0
    disordered: int | None = 0
    phantom: int | None = 0
    stranded: int | None = 0
    aborted_read: int | None = 0
    log_order: int | None = None
    offset_regression: int | None = None
    gap_unexplained: int | None = None
    duplicated: dict[str, int | None] = field(default_factory=dict)
    must_fail: tuple[str, ...] = ()
    documented: str = ""
    max_blackout_ms: float | None = None


@dataclass(frozen=True)
class RunFacts(Jsonable):
    """All that the conductor hands to the judge; `run.json` beside `ledger/`.

    groups: the topics that each group should have had.
    routes: the topics of each route, where the run has several; a producers' cut is then felt on those of its route.
    cluster_left: the clusters that the producers finally left; what they acknowledged alone there may be stranded.
    topic_left: the same for topics of which other clusters were left, or none.
    copied: what the mirror is proven to have copied; without it the judge infers it from what was read.
    destroyed: what faults destroyed on purpose; these records are counted apart from those that are lost.
    completed, failure: whether the path was walked to its end and, if not, why the conductor stopped.
    """

    run: int
    scenario: str
    title: str = ""
    path: list[str] = field(default_factory=list)
    route: str = ""
    groups: dict[str, list[str]] = field(default_factory=dict)
    started_ns: int = 0
    finished_ns: int = 0
    marks: list[Mark] = field(default_factory=list)
    lag: list[LagSample] = field(default_factory=list)
    drain: list[DrainProof] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    expectation: Expectation = field(default_factory=Expectation)
    testbed: dict[str, str] = field(default_factory=dict)
    capture: dict[str, Any] = field(default_factory=dict)
    speed: float = 1.0
    seed: int = 0
    cuts: list[Cut] = field(default_factory=list)
    routes: dict[str, list[str]] = field(default_factory=dict)
    cluster_left: list[str] = field(default_factory=list)
    topic_left: dict[str, list[str]] = field(default_factory=dict)
    copied: list[Copied] = field(default_factory=list)
    destroyed: list[Destroyed] = field(default_factory=list)
    completed: bool = True
    failure: str | None = None
    format: int = 1
