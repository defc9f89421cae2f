"""A mirror in one direction: its connectors, the comparison of both logs, and the conclusions from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from cutover_harness.closing import Closing
from cutover_harness.mirror.assessment import Assessment
from cutover_harness.mirror.compression import any_compressed
from cutover_harness.mirror.connectors import Configure, Connectors
from cutover_harness.mirror.copy_settings import copy_settings
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.gaps import Gap
from cutover_harness.mirror.lag import Lag, LagEstimator
from cutover_harness.mirror.log_comparer import LogComparer
from cutover_harness.mirror.log_reader import LogReader, answering
from cutover_harness.mirror.mm2_topics import InternalTopics, OffsetSync
from cutover_harness.mirror.spec import MirrorSpec
from cutover_harness.types import PartitionId


class OneWayMirror(Closing):
    """A mirror from `spec.source` to `spec.target`, on a Connect cluster.

    `configure` returns the configurations of its connectors. `starts` returns the source and target offsets at which
    the comparison begins, of the partitions in which it does not begin with the logs. Methods raise MirrorError (a
    UsageError) if Connect or a cluster refuses or does not answer. Not thread-safe: use one instance
    in each.
    """

    def __init__(
        self,
        spec: MirrorSpec,
        configure: Configure,
        *,
        starts: Callable[[], Mapping[PartitionId, tuple[int, int]]] = dict,
    ) -> None:
        self.spec = spec
        self.batch = batch = spec.batch
        self.connectors = Connectors(spec, configure)
        self._compressed: bool | None = None
        self._lag = LagEstimator(batch, spec.source, spec.target, self.connectors.stored_offsets, self.offset_syncs)
        self.source, self.target = self._lag.source, self._lag.target
        self.internal_log = LogReader(spec.target, "target")
        self.internal_topics = InternalTopics(batch, self.target, self.internal_log)
        self.comparer = LogComparer(spec, starts=starts)
        self._assessment = Assessment(
            self._lag,
            self.comparer,
            self.connectors.glance,
            copying=batch.source_connector,
            translating=batch.checkpoint_connector if batch.groups else None,
            stall_s=spec.stall_s,
            reason=self.reason,
        )

    def close(self) -> None:
        """Close clients and connections; the connectors stay as they are."""
        self.comparer.close()
        self._lag.close()
        self.internal_log.close()
        self.connectors.close()

    def exists(self) -> bool:
        """Return whether any of the connectors exists."""
        return self.connectors.exists()

    def delete(self) -> None:
        """Stop and delete the connectors that exist. Offsets stay, so that a recreated batch resumes from them."""
        self.connectors.delete()

    def stop(self) -> None:
        """Stop the connectors and end their tasks (KIP-875); stored offsets can then be changed."""
        self.connectors.stop()

    def watch(self) -> None:
        """Compare both clusters' logs in the background from now on, so that a later look compares only the rest."""
        self.comparer.start()

    def running(self) -> list[str]:
        """Return, in words, what is not RUNNING yet; empty if everything is."""
        try:
            return self.connectors.running(needs_task=bool(self._lag.topics()))
        except MirrorError as error:
            return [str(error)]

    def broken(self) -> str | None:
        """Return what waiting does not heal, None if there is nothing of the kind.

        That is a connector or task that FAILED (with Connect's reason), a record that is missing although later ones
        are there, and a mirror that is RUNNING but has copied nothing for `spec.stall_s` although records wait.
        """
        return self._assessment.broken()

    def stalled(self) -> str | None:
        """Return that nothing has been copied for some seconds although records wait, and why if that is known."""
        return self._assessment.stalled()

    def reason(self) -> str | None:
        """Return the last WARN or ERROR about the connectors in the workers' logs.

        None if there is none within the last minute, or if the logs cannot be read here. Connect keeps a task RUNNING
        while its producer retries forever, so this may be the only explanation of a lag that does not shrink. The
        reason of a task that FAILED is in `broken`, because Connect's REST interface returns it.
        """
        return self.connectors.reason()

    def topics(self) -> list[str]:
        """Return the source topics that match the batch now; new ones may appear at any time."""
        return sorted(self._lag.topics())

    def lag(self) -> Lag:
        """Return the source records that are not on the target yet, by comparing records.

        Works without Connect, too. If the target does not answer, records are counted from the offset that Connect
        stored last. Before the mirror is created the lag is everything that the source has.
        """
        return self._assessment.lag()

    def estimated_lag(self) -> Lag:
        """Return the lag by the last records alone, which compares nothing: for somebody who only watches."""
        return self._lag.lag()

    def gaps(self, *, look: bool = True) -> list[Gap]:
        """Return what retention removed from the source before it was mirrored.

        A gap can be seen only until MirrorMaker 2 has continued behind it; this instance remembers what it has seen.
        Every look at lag or progress finds gaps, too; without `look` only those are returned.
        """
        return self._lag.gaps(look=look)

    def drained(self) -> tuple[bool, str]:
        """Return whether the target has all records of the source, with the evidence or with what is missing.

        Every record is compared, and the mirror has to be running. Never raises: a cluster that does not answer is
        evidence of nothing.
        """
        return self._assessment.drained()

    def offset_syncs(self) -> list[OffsetSync]:
        """Return the offset pairs that MirrorMaker 2 has written, oldest first."""
        with answering("target"):
            return self.internal_topics.offset_syncs()

    def tune(self, topics: Mapping[str, int], unknown: Collection[str] = ()) -> None:
        """Configure the connectors by the topics' limits on the target and by the compression of the source's records.

        `topics`: name -> partitions; `unknown`: see `forward_configs`. Sends nothing to Connect.
        """
        with answering("target"):
            configs = self.target.topic_configs(self.target.partitions(topics))
            broker = self.target.broker_config()
        if self._compressed is None and topics:
            with answering("source"):
                starts, ends = self.source.start_offsets(topics), self.source.end_offsets(topics)
            by_producer = [name for name, each in configs.items() if each.get("compression.type") == "producer"]
            self._compressed = any_compressed(self.source.config, by_producer, starts, ends)
        self.connectors.configure(copy_settings(configs, broker, compressed_on_source=bool(self._compressed)), unknown)
