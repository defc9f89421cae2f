"""The fleet that a scenario describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cutover_harness.plan.batch import ResolvedBatch
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.connectors.account import Account
from cutover_harness.rehearsal.connectors.moving import connectors_on
from cutover_harness.rehearsal.migration import Migration
from cutover_harness.rehearsal.replay_input import ReplayInput
from cutover_harness.replay.config import ReplayOptions
from cutover_harness.replay.fleet import Fleet
from cutover_harness.replay.shape import FleetShape, Following, ProducerSet
from cutover_harness.testbed import Testbed

__all__ = ["Account", "new_account", "new_fleet", "producer_sets"]


def new_account(testbed: Testbed, migration: Migration, folder: Path, number: int, patience_s: float) -> Account | None:
    """Return the account of the file connectors, which write to `folder`; None without any. Raises UsageError."""
    found = connectors_on(testbed, migration.moving, folder, number, patience_s)
    return Account(found, migration.endpoints, number) if found else None


def new_fleet(
    scenario: Scenario,
    migration: Migration,
    replay: ReplayInput,
    *,
    folder: Path,
    number: int,
    mount: Callable[[str], Path] | None,
    prefix: str = "",
) -> Fleet:
    """Return the fleet, not started, which writes its ledgers below `folder`. `number` marks its records.

    mount: returns the copy of the cutover file that an instance follows; None: all follow the one file. prefix: of the
    names that its clients have on the clusters.
    """
    shape, batches = scenario.fleet, migration.batches
    connectors = {group for each in batches if each.connectors is not None for group in each.connectors.groups}
    return Fleet(
        FleetShape(
            producers=shape.producers,
            groups={group: members for group, members in shape.groups.items() if group not in connectors},
            producer_client=shape.producer,
            consumer_client=shape.consumer,
            group_topics={group: _subscription(scenario, batch, group) for batch in batches for group in batch.groups},
            work_ms=shape.work_ms,
            commit=shape.commit,
            transactions=shape.transactions,
            sets=producer_sets(scenario, batches),
            restarts={group for batch in batches if batch.restarts is not None for group in batch.restarts.groups},
        ),
        ReplayOptions(
            capture=replay.capture.absolute(),
            topics=dict(replay.written),
            speed=replay.speed,
            loop=True,
            clock_ms=replay.clock_ms,
        ),
        folder=folder,
        run=number,
        topics=[topic for batch in batches for topic in batch.topics],
        follows=_following(migration, mount) if shape.apps == "shim" else None,
        endpoints=migration.endpoints,
        prefix=prefix,
    )


def producer_sets(scenario: Scenario, batches: Sequence[ResolvedBatch]) -> list[ProducerSet]:
    """Return the producers of each batch that has its own, in their order, then those of all other topics.

    Empty if no batch has its own: then all producers send to all topics.
    """
    own = [batch for batch in batches if batch.producers is not None]
    if not own:
        return []
    sets = [
        ProducerSet(batch.producers or 0, batch.topics, 0 if batch.restarts is None else batch.restarts.producers)
        for batch in own
    ]
    others = [topic for batch in batches if batch.producers is None for topic in batch.topics]
    return [*sets, ProducerSet(scenario.fleet.producers, others)] if others else sets


def _following(migration: Migration, mount: Callable[[str], Path] | None) -> Following:
    """Return how documents reach the instances; each reads all channels that the conductor writes."""
    channel = ",".join(migration.channels) or None
    return Following(migration.cutover_file, mount, channel, migration.key_file)


def _subscription(scenario: Scenario, batch: ResolvedBatch, group: str) -> list[str]:
    """Return the subscription of a batch's group: its topics, and by a pattern the one that appears later."""
    growth = scenario.growth
    if growth is None or not batch.has(growth.topic):
        return batch.read_by(group, batch.topics)
    return [*batch.topics, f"^{growth.topic.replace('.', '[.]')}$"]
