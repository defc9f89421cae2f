"""The scenario: a path, a fleet, faults and what is expected, as one YAML file describes them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cutover_harness.plan.batch import STAYS, WHOLE, Batch, Group, Growth
from cutover_harness.plan.fault import Fault
from cutover_harness.plan.path import Act, ImpossibleActError, RouteState, walk
from cutover_harness.plan.topic_names import problem
from cutover_harness.plan.traffic import TopicName, TopicTraffic
from cutover_harness.replay.config import Transactions

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=80)]
Cause = Literal["re_read", "re_read_across", "mirrored_twice", "producer_retry"]
Precondition = Literal["lag", "behind", "ahead", "read"]
"""What has to be so at an act for the run to prove something; `Scenario` says it as lag_at, behind_at and so on."""
Measure = Literal["lost", "phantom", "disordered", "stranded"] | Cause


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(_Model):
    """One act of the path; a plain string in YAML where only the act is given."""

    act: Act
    safety: bool = Field(
        default=True,
        description="Whether the gates that make the act safe are waited for; a negative control switches them off.",
    )
    dwell_s: float = Field(default=1.5, ge=0, le=3600, description="Seconds of traffic after the act, before the next.")
    deadline_s: float | None = Field(
        default=None, gt=0, le=86_400, description="Deadline of the gates before the act, instead of gates.deadline_s."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"act": value} if isinstance(value, str) else value


class Fleet(_Model):
    """The shape of the app fleet."""

    producers: int = Field(default=2, ge=1, le=64)
    groups: dict[Group, Annotated[int, Field(ge=1, le=64)]] = Field(
        default={"billing": 2, "audit": 1}, min_length=1, description="Members per consumer group."
    )
    apps: Literal["shim", "restart"] = Field(
        default="shim", description="Apps that follow the cutover file, or apps that are stopped and started elsewhere."
    )
    work_ms: float = Field(default=0, ge=0, le=10_000, description="Time that a consumer takes for each record.")
    commit: Literal["manual", "auto"] = Field(default="manual", description="How consumers commit, once a second.")
    producer: dict[str, str | int | float | bool] = Field(
        default={}, description="librdkafka properties of the producers."
    )
    consumer: dict[str, str | int | float | bool] = Field(
        default={}, description="librdkafka properties of the consumers."
    )

    transactions: Transactions | None = Field(
        default=None, description="Producers send in transactions; some are aborted on purpose."
    )

    @field_validator("producer", "consumer")
    @classmethod
    def _no_endpoint(cls, value: dict[str, object]) -> dict[str, object]:
        for key in ("bootstrap.servers", "metadata.broker.list", "group.id"):
            if key in value:
                raise ValueError(f"{key} is set by the rehearsal: leave it out")
        return value


class Expect(_Model):
    """What the run must show; a figure is the largest allowed, null allows any."""

    lost: int | None = Field(default=0, ge=0)
    phantom: int | None = Field(default=0, ge=0)
    disordered: int | None = Field(default=0, ge=0)
    stranded: int | None = Field(default=0, ge=0)
    duplicated: dict[Cause, Annotated[int, Field(ge=0)] | None] = Field(
        default={"re_read": 0, "mirrored_twice": 0, "producer_retry": 0},
        description="Largest number of duplicates by cause; a cause that is left out is allowed and counted.",
    )
    ends: Literal["walked", "turned-back", "stopped"] = Field(
        default="walked", description="How the path ends: to its end, brought back after a missed gate, or left there."
    )
    max_blackout_ms: float | None = Field(default=None, gt=0)
    must_fail: tuple[Measure, ...] = Field(
        default=(), description="A negative control: the measures that have to be violated."
    )


class Gates(_Model):
    """Bars and deadlines of the gates."""

    lag_bar: int = Field(default=500, ge=0, description="Largest mirror lag, in records, that counts as synchronised.")
    deadline_s: float = Field(
        default=60.0,
        gt=0,
        le=86_400,
        description="How long any gate is waited for without progress. Rehearsals on AutoMQ: longer unless it is set.",
    )
    progress_wait_s: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="How long consumer progress is waited for where not proved earlier (documented: 60 s).",
    )
    settle_s: float = Field(
        default=4.0,
        gt=0,
        le=3600,
        description="Consumer progress that did not move for so long has settled: several intervals of the mirror.",
    )

    def on(self, deadline_s: float) -> Gates:
        """Return these gates with the deadline that the target needs, unless the scenario sets its own."""
        return self if "deadline_s" in self.model_fields_set else self.model_copy(update={"deadline_s": deadline_s})


class Scenario(_Model):
    """One scenario file."""

    name: Name
    title: str = Field(min_length=1, max_length=200)
    documented: str = Field(default="", description="The cost that the documentation gives for this path.")
    default: bool = Field(default=False, description="Whether `rehearse` without arguments walks it.")
    path: tuple[Step, ...] = Field(min_length=1)
    batches: dict[Name, Batch] = Field(
        default={}, description="What moves together, in the order in which it moves; empty: everything at once."
    )
    growth: Growth | None = Field(default=None, description="A topic and partitions that appear half-way.")
    traffic: dict[TopicName, TopicTraffic] = Field(
        default={}, description="Topics and records that the scenario brings along; empty: those of the capture."
    )
    fleet: Fleet = Fleet()
    faults: tuple[Fault, ...] = ()
    on_missed: Literal["stop", "rollback"] = Field(
        default="stop", description="What a gate's missed deadline means: stop there, or bring everything back."
    )
    gates: Gates = Gates()
    lag_at: tuple[Act, ...] = Field(
        default=(),
        description="Acts that need a mirror that lags: waited for right before the act, or the run proves nothing "
        "(INCONCLUSIVE).",
    )
    behind_at: tuple[Act, ...] = Field(
        default=(), description="Acts that need every group to be a second behind: waited for in the same way."
    )
    ahead_at: tuple[Act, ...] = Field(
        default=(),
        description="Acts that need every group to have read records that are not on the target: waited for in the "
        "same way.",
    )
    read_at: tuple[Act, ...] = Field(
        default=(),
        description="Acts that need every group to have read all that is on the source, once producers have left it: "
        "waited for in the same way.",
    )
    expect: Expect = Expect()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        acts = [step.act for step in self.path]
        state = RouteState()
        for number, act in enumerate(acts, start=1):
            try:
                state = state.after(act)
            except ImpossibleActError as why:
                raise ValueError(f"path: step {number} ({act}) is impossible: {why}") from None
        for place in (state.consumers, state.producers):
            if place == "hold":
                raise ValueError("path: ends with clients on hold, so nothing that is held can be accounted for")
        return self

    @model_validator(mode="after")
    def _about_the_traffic(self) -> Self:
        new = [] if self.growth is None else [self.growth.topic]
        if (why := problem([*self.traffic, *new])) is not None:
            raise ValueError(f"traffic: {why}")
        return self

    @model_validator(mode="after")
    def _about_the_batches(self) -> Self:
        owner: dict[str, str] = {}
        for name, batch in self.batches.items():
            if name in (STAYS, WHOLE):
                raise ValueError(f"batches: {name} is what the rest is called: choose another name")
            for group in batch.groups:
                if group not in self.fleet.groups:
                    raise ValueError(f"batches: {name}: {group} is not among fleet.groups")
                if owner.setdefault(group, name) != name:
                    raise ValueError(f"batches: {group} is in {owner[group]} and in {name}: a group moves once")
        if self.growth is not None:
            if self.growth.at not in [step.act for step in self.path]:
                raise ValueError(f"growth: at {self.growth.at}, which is not in the path")
            if not any(batch.has(self.growth.topic) and batch.has(self.growth.like) for batch in self.batches.values()):
                raise ValueError(f"growth: no batch has both {self.growth.like} and {self.growth.topic}")
        if self.fleet.apps == "restart" and (self.batches or self.growth is not None):
            raise ValueError("fleet.apps: batches and growth need apps on the shim")
        return self

    @model_validator(mode="after")
    def _about_the_path(self) -> Self:
        acts = [step.act for step in self.path]
        if Act.OVERLAP_CONSUMERS in acts and self.fleet.apps == "shim":
            raise ValueError("fleet.apps: overlap-consumers starts new apps beside the old ones: it needs restart")
        if self.behind_at and self.batches:
            raise ValueError("behind_at: with batches it is not known what each group has to read")
        if any(fault.kind == "compact" for fault in self.faults) and not any(
            t.compacted for t in self.traffic.values()
        ):
            raise ValueError("faults: compact needs a topic with cleanup.policy compact in traffic")
        return self

    @model_validator(mode="after")
    def _about_faults(self) -> Self:
        acts = [step.act for step in self.path]
        for fault in self.faults:
            if fault.of in ("cutover-file", "group") and self.fleet.apps == "restart":
                raise ValueError(f"faults: {fault.kind} {fault.of} is for apps with the shim (fleet.apps)")
            if fault.at not in acts:
                raise ValueError(f"faults: at {fault.at}, which is not in the path")
            if fault.until not in (None, "missed") and fault.until not in acts[acts.index(fault.at) :]:
                raise ValueError(f"faults: until {fault.until}, which does not come after {fault.at} in the path")
        for name in ("lag_at", "behind_at", "ahead_at", "read_at"):
            for act in getattr(self, name):
                if act not in acts:
                    raise ValueError(f"{name}: {act} is not in the path")
        return self

    @property
    def preconditions(self) -> dict[Precondition, tuple[Act, ...]]:
        """The acts of each precondition."""
        return {"lag": self.lag_at, "behind": self.behind_at, "ahead": self.ahead_at, "read": self.read_at}

    def states(self) -> list[RouteState]:
        """Return the state of the route after each step."""
        return walk(step.act for step in self.path)
