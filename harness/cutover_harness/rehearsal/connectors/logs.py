"""Identities of the records in both clusters' logs, read while the path runs: retention may remove them later."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress

from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.errors import UsageError
from cutover_harness.mirror.log_reader import LogReader, Record
from cutover_harness.rehearsal.connectors.configs import FROM, Place
from cutover_harness.rehearsal.connectors.ledgers import Identity, Written
from cutover_harness.replay.consumer import NO_SEQUENCE, identity
from cutover_harness.types import ClusterName, PartitionId


class Logs:
    """The records of some topics. run: marks the records of this run. streams: those of source connectors."""

    def __init__(
        self, clusters: Mapping[ClusterName, Admin], run: int, topics: Collection[str], streams: Collection[int]
    ) -> None:
        self.identities: dict[Place, Identity] = {}
        self.written: dict[int, list[Written]] = {stream: [] for stream in streams}
        self._clusters, self._run, self._topics = clusters, run, topics
        self._readers = {name: LogReader(admin.config, name) for name, admin in clusters.items()}
        self._next: dict[ClusterName, dict[PartitionId, int]] = {name: {} for name in clusters}

    def close(self) -> None:
        """Close the connections."""
        for reader in self._readers.values():
            reader.close()

    def read_on(self) -> None:
        """Read what is new. Raises UsageError or KafkaException if a cluster does not answer."""
        for name, admin in self._clusters.items():
            at = self._next[name]
            ends = admin.end_offsets(self._topics)
            new = {partition: at.get(partition, 0) for partition, end in ends.items() if end > at.get(partition, 0)}
            if new:
                self._readers[name].scan(new, lambda partition, record, name=name: self._keep(name, partition, record))  # type: ignore[misc]

    def read_on_if_possible(self) -> None:
        """Read what is new if the clusters answer: faults of a scenario may stop them for a while."""
        with suppress(UsageError, KafkaException):
            self.read_on()

    def _keep(self, cluster: ClusterName, partition: PartitionId, record: Record) -> bool:
        topic, number = partition
        self._next[cluster][partition] = record.offset + 1
        headers = [(name, value) for name, value in record.headers if value is not None]
        stream, sequence = identity(headers, self._run)
        if sequence != NO_SEQUENCE:
            place = Place(cluster, topic, number, record.offset)
            self.identities[place] = stream, sequence
            if stream in self.written and (FROM, cluster.encode()) in headers:
                self.written[stream].append(Written(sequence, place, record.timestamp))
        return True
