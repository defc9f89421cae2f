"""The forward mirror of a batch: topics on the target, group offsets, and what groups would skip."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cutover_harness.mirror import health
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.connector_configs import forward_configs
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.group_progress import GroupProgress, group_progress
from cutover_harness.mirror.log_reader import LogReader, answering
from cutover_harness.mirror.one_way import OneWayMirror
from cutover_harness.mirror.secret_files import SHOWN
from cutover_harness.mirror.skip_finder import SkipFinder
from cutover_harness.mirror.skipped import Skipped
from cutover_harness.mirror.spec import MirrorSpec
from cutover_harness.mirror.target_topics import TargetTopics
from cutover_harness.mirror.topic_settings import Difference, Harm, differences
from cutover_harness.types import PartitionId

_FOLLOW_S = 1.0


class Mirror(OneWayMirror):
    """MirrorMaker 2 for one batch, on a Connect cluster that writes to the target. See `OneWayMirror`."""

    def __init__(self, spec: MirrorSpec) -> None:
        super().__init__(spec, forward_configs)
        self._reverse_connect = Connect(spec.reverse.connect_url, access=spec.access)
        self._target_topics = TargetTopics(self.source, self.target)
        self.fence: Callable[[], object] = lambda: None
        """Called before a look writes something (offsets, new topics); raises if somebody else conducts the batch."""
        self._notes: list[str] = []
        self._follows = False
        self._followed_at = 0.0
        self._skips = SkipFinder(
            self.source,
            self.target,
            LogReader(spec.source, "source"),
            self.internal_log,
            self.offset_syncs,
            self.connectors.stored_offsets,
        )

    def close(self) -> None:
        """Close clients and connections; the connectors stay as they are."""
        super().close()
        self._skips.source_log.close()
        self._reverse_connect.close()

    def create(self) -> None:
        """Create the connectors, or update their configurations; they begin to work a second later.

        Topics that the target lacks are created first, with the source's properties in force; from then on `running`
        looks for new ones. Raises MirrorError while the batch's reverse mirror runs, because records would go in a
        cycle.
        """
        self._refuse_cycle()
        topics = self._lag.topics()
        self._target_topics.follow(topics)
        self.tune(topics, self._target_topics.unknown)
        self._follows = True
        self.connectors.put()
        self.connectors.restart_failed()
        self._notes = self._find_notes()

    def forget(self) -> list[str]:
        """Remove what deleted connectors have left, so that new ones copy from the logs' starts; return it in words.

        That is the offsets which Connect has stored, and MirrorMaker 2's own topics. Raises MirrorError.
        """
        forgotten = [f"stored offsets of {name}" for name in self.connectors.forget()]
        with answering("target"):
            own = (self.batch.offset_syncs_topic, self.batch.checkpoints_topic)
            if topics := sorted(self.target.partitions(own)):
                self.target.delete_topics(topics)
        return [*forgotten, *(f"topic {topic}" for topic in topics)]

    def pause(self) -> None:
        """Pause the connectors and wait for their tasks. Nothing is copied from then on."""
        self.connectors.pause()

    def resume(self) -> None:
        """Resume after `pause` or `stop` and wait until the tasks run. Raises MirrorError as `create` does."""
        self._refuse_cycle()
        self.connectors.resume(self.running)

    def stop_translating(self) -> None:
        """Stop MirrorMaker 2 from syncing group offsets: stop the checkpoint connector."""
        name = self.batch.checkpoint_connector
        status = self.connectors.connect.status(name)
        if status is not None and {status.connector, *status.tasks} != {"STOPPED"}:
            self.connectors.stop([name])

    def resume_translating(self) -> None:
        """Resume after `stop_translating` and wait until the connector runs."""
        self.connectors.resume(self.running, [self.batch.checkpoint_connector])

    def running(self) -> list[str]:
        """Return, in words, what is not RUNNING yet; if everything is, create topics that have appeared."""
        waits = super().running()
        if not waits:
            try:
                self._follow()
            except MirrorError as error:
                return [str(error)]
        return waits

    def translating(self) -> list[str]:
        """Return, in words, which of the connectors that copy records and translate group offsets is not RUNNING."""
        try:
            names = [self.batch.source_connector, self.batch.checkpoint_connector]
            return health.waits(health.states(self.connectors.glance, names), names)
        except MirrorError as error:
            return [str(error)]

    @property
    def notes(self) -> Sequence[str]:
        """Warnings about the mirror that was created, a line each."""
        return self._notes

    def differences(self) -> dict[str, list[Difference]]:
        """Return the properties in force that differ, of each topic that both clusters have; see `Difference.harm`."""
        topics = self._lag.topics()
        with answering("target"):
            there = self.target.topic_configs(self.target.partitions(topics))
        with answering("source"):
            here = self.source.topic_configs(there)
        found = {topic: differences(here[topic], there[topic]) for topic in sorted(there)}
        return {topic: different for topic, different in found.items() if different}

    def group_progress(self, group: str) -> list[GroupProgress]:
        """Return the group's offsets on both sides, a row for each partition that it has committed on the source."""
        with answering("source"):
            committed = {p: at for p, at in self.source.committed(group).items() if self.batch.mirrors(p[0])}
            topics = {topic for topic, _ in committed}
            ends = self.source.end_offsets(topics)
        with answering("target"):
            translated = self.target.committed(group, topics)
            return group_progress(committed, translated, self.internal_topics.checkpoints(group), ends)

    def mirrored_partitions(self) -> set[PartitionId]:
        """Return the partitions of which this batch has mirrored records, now or before it was recreated."""
        return {(sync.topic, sync.partition) for sync in self.offset_syncs()}

    def skipped(self, groups: Sequence[str], *, offsets: bool = True) -> list[Skipped]:
        """Return what each group would skip if it resumed on the target now; empty proves that it would skip nothing.

        Without `offsets` only what the target has removed counts, because the groups' offsets are about to be set.
        """
        return self._skips.find(groups, self.topics(), offsets=offsets)

    def _follow(self) -> None:
        """Create new topics with the source's properties, and adapt the connectors to them."""
        if not self._follows or time.monotonic() - self._followed_at < _FOLLOW_S:
            return
        topics = self._lag.topics()
        self.fence()
        if self._target_topics.follow(topics):
            before = self.connectors.configs
            self.tune(topics, self._target_topics.unknown)
            self.connectors.put([name for name, config in self.connectors.configs.items() if config != before[name]])
        self._followed_at = time.monotonic()

    def _find_notes(self) -> list[str]:
        harmful = [
            f"topic {topic}, which the target had before, may lose records or stop the mirror: {each}"
            for topic, found in self.differences().items()
            for each in found
            if each.harm != Harm.BEHAVIOUR
        ]
        shown = [SHOWN] if self.connectors.show_secrets else []
        return [*self._target_topics.notes, *harmful, *shown]

    def _refuse_cycle(self) -> None:
        name = self.batch.reverse.source_connector
        if (status := self._reverse_connect.status(name)) is not None and status.connector != "STOPPED":
            raise MirrorError(f"{name} is {status.connector}: end the reverse mirror first, or records go in a cycle")
