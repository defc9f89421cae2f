"""The scenario: path, fleet, faults and expectations, as one YAML file describes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cutover_harness.faults.base import LastingFault, Rehearsed
from cutover_harness.faults.union import AnyFault
from cutover_harness.plan.batch import STAYS, WHOLE, Batch, Growth
from cutover_harness.plan.expect import Expect
from cutover_harness.plan.fleet import Fleet
from cutover_harness.plan.path import Gates, PathStep
from cutover_harness.plan.topic_names import problem
from cutover_harness.plan.traffic import TopicName, TopicTraffic
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.path import states_after
from cutover_harness.procedure.state import ImpossibleStepError, RouteState
from cutover_harness.procedure.steps import step_of
from cutover_harness.types import MOST_BROKERS

__all__ = ["Gates", "MirrorSettings", "Name", "PathStep", "PreconditionKind", "Scenario"]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=80)]
PreconditionKind = Literal["lag", "behind", "ahead", "read"]
"""What must hold at a step for the run to prove something; the fields lag_at, behind_at and so on of `Scenario`."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MirrorSettings(_Model):
    """Settings of the mirror."""

    compare_rate: float | None = Field(
        default=None,
        gt=0,
        description="Bytes of records per second that the comparison of both clusters' logs reads at most "
        "(default: unlimited).",
    )


class Scenario(_Model):
    """One scenario file."""

    name: Name
    title: str = Field(min_length=1, max_length=200)
    documented: str = Field(default="", description="The cost that the documentation gives for this path.")
    default: bool = Field(default=False, description="Whether `rehearse` without arguments runs it.")
    path: tuple[PathStep, ...] = Field(min_length=1)
    batches: dict[Name, Batch] = Field(
        default={},
        description="Topics and groups that move together, in their order; empty: everything moves together.",
    )
    growth: Growth | None = Field(default=None, description="A topic and partitions that appear half-way.")
    traffic: dict[TopicName, TopicTraffic] = Field(
        default={}, description="Topics and records of the scenario; empty: those of the capture."
    )
    fleet: Fleet = Fleet()
    brokers: int = Field(
        default=1, ge=1, le=MOST_BROKERS, description="Brokers of each cluster, unless `--brokers` is given."
    )
    faults: tuple[AnyFault, ...] = ()
    on_missed: Literal["stop", "rollback"] = Field(
        default="stop", description="If a gate misses its deadline: stop there, or roll everything back."
    )
    gates: Gates = Gates()
    mirror: MirrorSettings = MirrorSettings()
    lag_at: tuple[StepName, ...] = Field(
        default=(),
        description="Steps that need a lagging mirror: the conductor waits for it right before the step; without it "
        "the run is INCONCLUSIVE.",
    )
    behind_at: tuple[StepName, ...] = Field(
        default=(), description="Steps that need every group to be a second behind, in the same way."
    )
    ahead_at: tuple[StepName, ...] = Field(
        default=(),
        description="Steps that need every group to have read records that are not on the target, in the same way.",
    )
    read_at: tuple[StepName, ...] = Field(
        default=(),
        description="Steps that need every group to have read all of the source, in the same way; for producers that "
        "have left it.",
    )
    expect: Expect = Expect()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name, batch in self.batches.items():
            if batch.path is not None:
                _check_path(batch.path, f"batches: {name}: path")
        _check_path(self.path, "path")
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
                raise ValueError(f"batches: {name} is reserved for topics of no batch: choose another name")
            for group in batch.groups:
                if group not in self.fleet.groups:
                    raise ValueError(f"batches: {name}: {group} is not among fleet.groups")
                if owner.setdefault(group, name) != name:
                    raise ValueError(f"batches: {group} is in {owner[group]} and in {name}: a group moves once")
        if self.fleet.apps == "restart" and (len(self.batches) > 1 or self.growth is not None):
            raise ValueError("fleet.apps: several batches and growth need apps on the shim")
        return self

    @model_validator(mode="after")
    def _about_growth(self) -> Self:
        if self.growth is not None:
            if self.growth.at not in [step.step for step in self.path]:
                raise ValueError(f"growth: at {self.growth.at}, which is not in the path")
            if not any(batch.has(self.growth.topic) and batch.has(self.growth.like) for batch in self.batches.values()):
                raise ValueError(f"growth: no batch has both {self.growth.like} and {self.growth.topic}")
            if any(batch.connectors is not None for batch in self.batches.values()):
                raise ValueError("growth: a sink connector reads the topics that it began with: leave connectors out")
        return self

    @model_validator(mode="after")
    def _about_the_path(self) -> Self:
        steps = [step.step for step in self.path]
        if StepName.OVERLAP_CONSUMERS in steps and self.fleet.apps == "shim":
            raise ValueError("fleet.apps: overlap-consumers starts new apps next to the old ones: it needs restart")
        if self.fleet.apps == "restart" and any(batch.restarts is not None for batch in self.batches.values()):
            raise ValueError("fleet.apps: restarts of a batch are for a fleet on the shim: leave one of them out")
        if self.fleet.apps == "restart" and any(batch.connectors is not None for batch in self.batches.values()):
            raise ValueError("fleet.apps: connectors of a batch are for a fleet on the shim: leave one of them out")
        if self.behind_at and len(self.batches) > 1:
            raise ValueError("behind_at: is not available with several batches: leave it out")
        return self

    @model_validator(mode="after")
    def _about_faults(self) -> Self:
        steps = [step.step for step in self.path]
        rehearsed = Rehearsed(
            apps=self.fleet.apps,
            compacted=any(topic.compacted for topic in self.traffic.values()),
            mounted=self.fleet.file_delay is not None,
            channel=self.fleet.channel,
        )
        for fault in self.faults:
            if (why := fault.unfit(rehearsed)) is not None:
                raise ValueError(f"faults: {why}")
            if fault.least_brokers > self.brokers:
                raise ValueError(
                    f"faults: {fault.name} needs {fault.least_brokers} brokers a cluster, and brokers is "
                    f"{self.brokers}: set brokers: {fault.least_brokers}"
                )
            if fault.at not in steps:
                raise ValueError(f"faults: at {fault.at}, which is not in the path")
            until = fault.until if isinstance(fault, LastingFault) else None
            if until not in (None, "missed") and until not in steps[steps.index(fault.at) :]:
                raise ValueError(f"faults: until {until}, which does not come after {fault.at} in the path")
        for name in ("lag_at", "behind_at", "ahead_at", "read_at"):
            for step in getattr(self, name):
                if step not in steps:
                    raise ValueError(f"{name}: {step} is not in the path")
        return self

    @property
    def preconditions(self) -> dict[PreconditionKind, tuple[StepName, ...]]:
        """The steps of each precondition."""
        return {"lag": self.lag_at, "behind": self.behind_at, "ahead": self.ahead_at, "read": self.read_at}

    def states(self) -> list[RouteState]:
        """Return the state of the route after each step."""
        return states_after(step.step for step in self.path)


def _check_path(path: Sequence[PathStep], where: str) -> None:
    """Raise ValueError if the steps are not possible in this order, or leave clients on hold."""
    state = RouteState()
    for number, planned in enumerate(path, start=1):
        step, place = step_of(planned.step), f"{where}: step {number} ({planned.step})"
        if planned.safety and (never := step.never_opens(state)) is not None:
            raise ValueError(
                f"{place} waits for ever: {never}: put consumers-to-target before it, or, for a negative control, set "
                "safety: false"
            )
        try:
            state = step.after(state)
        except ImpossibleStepError as why:
            raise ValueError(f"{place} is impossible: {why}") from None
    for location in (state.consumers, state.producers):
        if location == "hold":
            raise ValueError(f"{where}: ends with clients on hold, so held records cannot be accounted for")
