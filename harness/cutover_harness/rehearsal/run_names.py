"""Names of a run on clusters that others use, too: everything that the run creates begins with its prefix."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cutover_harness.errors import UsageError
from cutover_harness.plan.batch import Batch, Growth
from cutover_harness.plan.scenario import Scenario
from cutover_harness.plan.topic_names import problem
from cutover_harness.rehearsal.replay_input import ReplayInput

LONGEST_GROUP = 249


@dataclass(frozen=True)
class RunNames:
    """Puts `prefix` before the names of topics and groups of a scenario and its traffic; an empty one changes nothing.

    A glob with the prefix matches nothing that others have.
    """

    prefix: str

    def scenario(self, scenario: Scenario) -> Scenario:
        """Return the scenario with the names that its run creates. Raises UsageError if a group's name is too long."""
        if not self.prefix:
            return scenario
        if too_long := [name for name in self.all(scenario.fleet.groups) if len(name) > LONGEST_GROUP]:
            raise UsageError(
                f"fleet.groups: {too_long[0]} has more than {LONGEST_GROUP} characters with the testbed's prefix: "
                f"choose a shorter prefix"
            )
        fleet = scenario.fleet.model_copy(
            update={"groups": {self.prefix + group: members for group, members in scenario.fleet.groups.items()}}
        )
        return scenario.model_copy(
            update={
                "fleet": fleet,
                "batches": {name: self._batch(batch) for name, batch in scenario.batches.items()},
                "growth": None if scenario.growth is None else self._growth(scenario.growth),
            }
        )

    def replay(self, replay: ReplayInput) -> ReplayInput:
        """Return the input with the names that are written. Raises UsageError if no cluster can have such topics."""
        if not self.prefix:
            return replay
        topics = {self.prefix + name: info for name, info in replay.topics.items()}
        if (why := problem(topics)) is not None:
            raise UsageError(f"capture {replay.capture}: with the testbed's prefix {why}")
        return replace(replay, topics=topics, written={name: self.prefix + name for name in replay.topics})

    def all(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the names, or globs, with the prefix."""
        return tuple(self.prefix + name for name in names)

    def _batch(self, batch: Batch) -> Batch:
        its = {field: self.all(getattr(batch, field)) for field in ("topics", "exclude", "groups")}
        reads = {self.prefix + group: self.all(topics) for group, topics in batch.reads.items()}
        restarts = batch.restarts
        if restarts is not None:
            restarts = restarts.model_copy(update={"groups": self.all(restarts.groups)})
        connectors = batch.connectors
        if connectors is not None:
            written = {name: self.prefix + topic for name, topic in connectors.producers.items()}
            update = {"groups": self.all(connectors.groups), "producers": written}
            connectors = connectors.model_copy(update=update)
        return batch.model_copy(update={**its, "reads": reads, "restarts": restarts, "connectors": connectors})

    def _growth(self, growth: Growth) -> Growth:
        return growth.model_copy(update={"like": self.prefix + growth.like, "topic": self.prefix + growth.topic})
