"""Facts about a run that its processes did not log: the judge's second input."""

from dataclasses import dataclass, field
from typing import Any, Literal, Self

from cutover_harness.judge import earlier
from cutover_harness.judge.jsonable import Jsonable
from cutover_harness.judge.measures import BY_NAME
from cutover_harness.judge.planned import Planned

SOURCE, TARGET = "source", "target"


@dataclass(frozen=True)
class Mark(Jsonable):
    """Something on the run's time line. Times are wall clock UTC in nanoseconds; `end_ns` if it lasted."""

    time_ns: int
    kind: Literal["stage", "gate", "step", "fault", "phase"]
    name: str
    stage: int | None = None
    detail: str = ""
    end_ns: int | None = None


@dataclass(frozen=True)
class LagSample(Jsonable):
    """Mirror lag at one moment: records that the target misses, and the age of the oldest in ms if known."""

    time_ns: int
    records: int
    ms: float | None = None


@dataclass(frozen=True)
class DrainProof(Jsonable):
    """Whether the group is proven to have read all of the cluster on which it ended, with the evidence."""

    group: str
    held: bool
    evidence: str


@dataclass(frozen=True)
class Precondition(Jsonable):
    """A condition without which the run proves nothing, such as "the switch happened mid-traffic"."""

    name: str
    held: bool
    evidence: str


@dataclass(frozen=True)
class Cut(Jsonable):
    """One switch of producers (group None) or of a group's consumers, from the first step to the last.

    route: the route that switched, if the run has several.
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
    """Records that a fault destroyed on purpose: all of `topic` on `cluster` until its deletion before `until_ns`."""

    cluster: str
    topic: str
    until_ns: int
    fault: str


@dataclass(frozen=True)
class Arrival(Jsonable):
    """One generation of the cutover file at one instance: when it was written, seen and carried out there.

    channel: what brought it, such as `file` or `kafka:cutover-control@source`; None if the instance never saw it.
    """

    generation: int
    instance: str
    role: Literal["producer", "consumer"]
    written_ns: int
    channel: str | None = None
    seen_ns: int | None = None
    applied_ns: int | None = None


@dataclass(frozen=True)
class Spread(Jsonable):
    """How long generations took to arrive by one channel, in milliseconds since they were written.

    arrivals: pairs of a generation and an instance. *_ms: the median, the 99th percentile and the longest time, until a
    generation was seen and until it was carried out.
    """

    channel: str
    arrivals: int
    seen_p50_ms: float
    seen_p99_ms: float
    seen_max_ms: float
    applied_p50_ms: float | None = None
    applied_p99_ms: float | None = None
    applied_max_ms: float | None = None


@dataclass(frozen=True)
class Reach(Jsonable):
    """How the cutover file reached the instances.

    channel: `fleet.channel` of the scenario. least_s, most_s: how late the instances' copies of the file were; None if
    all of them followed the file itself. arrivals: of each generation that the conductor wrote. spread: by channel.
    """

    channel: str = "file"
    least_s: float | None = None
    most_s: float | None = None
    arrivals: list[Arrival] = field(default_factory=list)
    spread: list[Spread] = field(default_factory=list)


@dataclass(frozen=True)
class Expectation(Jsonable):
    """Limits of a run.

    limits: the most that is allowed of a count or a cause, by the measure's name; None allows any number. A measure
        that is not named has its default limit.
    must_fail: names of the measures that a negative control has to violate.
    documented: the documented cost in words.
    max_blackout_ms: the longest blackout of any cut.
    """

    limits: dict[str, int | None] = field(default_factory=dict)
    must_fail: tuple[str, ...] = ()
    documented: str = ""
    max_blackout_ms: float | None = None

    def limit(self, name: str) -> int | None:
        """Return the most of a count or a cause that is allowed, None for any number.

        Without a limit, a measure that a control has to violate is violated from the first record on.
        """
        most = self.limits.get(name, BY_NAME[name].limit)
        return 0 if most is None and name in self.must_fail else most

    def blackout_limit_ms(self) -> float | None:
        """Return the longest blackout that is allowed, None for any."""
        if self.max_blackout_ms is None and "blackout" in self.must_fail:
            return 0.0
        return self.max_blackout_ms

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Build from JSON, also with the names of an earlier version."""
        return super().from_json(earlier.expectation(data))


@dataclass(frozen=True)
class RunFacts(Jsonable):
    """All that the conductor hands to the judge; `run.json` next to `ledger/`.

    path: the steps that were taken, with several batches those of the last one. paths: those of each batch, if the run
    has several; a batch that was never started is missing.
    groups: the topics that each group should have had.
    routes: the topics of each route, if the run has several; a producers' blackout is then that of its route's topics.
    cluster_left: the clusters that the producers finally left; records acknowledged only there may be stranded.
    topic_left: the same for topics of which other clusters were left, or none.
    copied: offsets that the mirror is proven to have copied; without them the judge infers them from deliveries.
    destroyed: records that faults destroyed on purpose; they are counted separately from lost ones.
    reach: how the cutover file reached the instances; None if they follow none.
    plan: the part of a plan that was rehearsed; None without a plan.
    completed, failure: whether the path was completed and, if not, why the conductor stopped.
    """

    run: int
    scenario: str
    title: str = ""
    path: list[str] = field(default_factory=list)
    paths: dict[str, list[str]] = field(default_factory=dict)
    route: str = ""
    groups: dict[str, list[str]] = field(default_factory=dict)
    started_ns: int = 0
    finished_ns: int = 0
    marks: list[Mark] = field(default_factory=list)
    lag: list[LagSample] = field(default_factory=list)
    drain: list[DrainProof] = field(default_factory=list)
    preconditions: list[Precondition] = field(default_factory=list)
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
    reach: Reach | None = None
    plan: Planned | None = None
    completed: bool = True
    failure: str | None = None
    format: int = 1

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Build from JSON, also with the names of an earlier version."""
        return super().from_json(earlier.facts(data))
