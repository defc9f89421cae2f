"""The migration that a scenario describes, on running clusters: topics, batches and the cutover file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.admin import Admin
from cutover_harness.capture.format import TopicInfo
from cutover_harness.channels.names import TopicName
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.errors import UsageError
from cutover_harness.plan.batch import ResolvedBatch, resolve
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal import control_topic
from cutover_harness.rehearsal.replay_input import ReplayInput
from cutover_harness.rehearsal.topics import create, words
from cutover_harness.testbed import Testbed
from cutover_harness.types import ClusterName


@dataclass(frozen=True)
class Migration:
    """Topics on the source, and who moves together.

    topics: what each was created with; left_out: properties that they were created without, in lines. batches: those
    that move, in their order, then the one that stays, if any. endpoints: librdkafka properties of both clusters.
    channels: where documents are written besides the cutover file. key_file: the key that they are signed with.
    """

    source: Admin
    target: Admin
    endpoints: Mapping[ClusterName, Mapping[str, str]]
    topics: Mapping[str, TopicInfo]
    left_out: Sequence[str]
    batches: Sequence[ResolvedBatch]
    cutover_file: Path
    channels: Sequence[str]
    key_file: Path | None

    @property
    def key(self) -> str | None:
        """The reference to the key, as in `cutover.key`."""
        return None if self.key_file is None else f"${{file:{self.key_file}}}"

    @property
    def moving(self) -> Sequence[ResolvedBatch]:
        """The batches that move, in their order."""
        return [batch for batch in self.batches if batch.moves]

    @property
    def stays(self) -> ResolvedBatch | None:
        """Topics and groups that are in no batch and stay on the source."""
        return next((batch for batch in self.batches if not batch.moves), None)


def set_up(
    scenario: Scenario, testbed: Testbed, replay: ReplayInput, folder: Path, note: Callable[[str], None]
) -> Migration:
    """Create the topics on the source, and the cutover file in `folder`.

    Raises UsageError if topics or batches do not fit.
    """
    endpoints: dict[ClusterName, dict[str, str]] = {
        "source": testbed.source.client_config(),
        "target": testbed.target.client_config(),
    }
    source = Admin(endpoints["source"])
    topics, left = create(source, replay.topics, f"capture {replay.capture}")
    left_out = words(left)
    for line in left_out:
        note(line)
    batches = resolve(scenario.batches, topics, scenario.fleet.groups)
    if scenario.fleet.apps == "restart" and any(not batch.moves for batch in batches):
        raise UsageError("fleet.apps: restart moves the producers of all topics: put every topic into the batch")
    locations = {batch.name: RouteLocations(list(batch.patterns), list(batch.groups)) for batch in batches}
    clusters = {str(name): config for name, config in endpoints.items()}
    folder = folder.absolute()
    by_topic = scenario.fleet.channel == "kafka"
    migration = Migration(
        source=source,
        target=Admin(endpoints["target"]),
        endpoints=endpoints,
        topics=topics,
        left_out=left_out,
        batches=batches,
        cutover_file=folder / "cutover.toml",
        channels=[str(TopicName(testbed.prefix + control_topic.NAME, None))] if by_topic else [],
        key_file=control_topic.new_key(folder / "cutover.key") if by_topic else None,
    )
    writer = CutoverFileWriter(
        migration.cutover_file, clusters, locations, channels=migration.channels, key=migration.key
    )
    with contextlib.closing(writer):
        writer.write()
    return migration
