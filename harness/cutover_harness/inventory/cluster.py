"""The listing of one cluster, read in three phases, so that two clusters share the time of the sample."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from confluent_kafka import KafkaException
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from cutover_harness.admin import Admin
from cutover_harness.features import AUTOMQ, finalized_features
from cutover_harness.inventory.acls import Access, read_access, read_quotas
from cutover_harness.inventory.broker_calls import BrokerCalls
from cutover_harness.inventory.calls import Calls
from cutover_harness.inventory.completeness import hidden_groups, hidden_topics
from cutover_harness.inventory.groups import (
    GROUPS,
    describe_groups,
    fill_moved,
    fill_topics,
    read_committed,
    read_groups,
)
from cutover_harness.inventory.history import HISTORY, read_history
from cutover_harness.inventory.largest import read_largest
from cutover_harness.inventory.model import ClusterListing
from cutover_harness.inventory.sizes import Sizes, fill_sizes, read_sizes
from cutover_harness.inventory.topics import read_configs, read_topics
from cutover_harness.inventory.writers import read_producers
from cutover_harness.inventory.writes import Offsets, fill_ends, fill_growth, read_offsets, read_times
from cutover_harness.preflight.read import kafka_version

BROKERS = "configuration of brokers"


def broker_settings(config: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration of one broker, empty if it must not be read. Raises KafkaException without an answer."""
    return Admin(config).broker_config()


class ClusterReader:
    """Reads one cluster; `brokers` is None if sizes and producers cannot be read, which is a gap already.

    history: read the last commits of groups. newest: so many records of each partition are looked at for their sizes.
    """

    def __init__(
        self,
        calls: Calls,
        brokers: BrokerCalls | None,
        config: Mapping[str, str],
        *,
        history: bool = False,
        newest: int = 0,
        stale_days: float = 30.0,
    ) -> None:
        self._calls, self._brokers, self._config = calls, brokers, config
        self._history, self._newest = history, newest
        self._limit = datetime.now(UTC) - timedelta(days=stale_days)

    def begin(self) -> None:
        """Read what there is, and the first values of the sample. Raises UsageError if the cluster does not answer."""
        self.layout, self.topics = read_topics(self._calls)
        self.access: Access = read_access(self._calls, self._brokers)
        self.groups = read_groups(self._calls)
        self._committed = read_committed(self._calls, self.groups, "committed offsets")
        self._ends = self._read_ends()
        self._sizes = self._read_sizes()
        self._later: tuple[Offsets, Sizes | None] | None = None
        self._committed_later = self._committed

    def details(self) -> None:
        """Read everything that is no part of the sample."""
        calls = self._calls
        read_configs(calls, self.topics)
        earliest: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
        starts = read_offsets(calls, self.layout, earliest, "starts of logs")
        fill_ends(self.topics, starts, self._ends)
        read_times(calls, self._config, self.layout, self.topics, starts, self._ends, self._limit)
        if self._newest:
            read_largest(calls, self._config, self.topics, starts, self._ends, self._newest)
        self._assigned = describe_groups(calls, self.groups)
        if self._history:
            read_history(calls, self._config, self.groups, self._ends)
        elif any(group.members == [] for group in self.groups.values()):
            calls.gaps.add(HISTORY, "skipped", "read with --group-history", cluster=calls.cluster)
        self._quotas = None
        if self._brokers is not None:
            self._quotas = read_quotas(calls, self._brokers)
            read_producers(calls, self._brokers, self.layout, self.topics)

    def end(self) -> None:
        """Read the last values of the sample."""
        self._committed_later = read_committed(self._calls, self.groups, "committed offsets again")
        self._later = self._read_ends(again=True), self._read_sizes() if self._sizes else None

    def listing(self) -> ClusterListing:
        """Return the listing of what was read."""
        ends, sizes = self._later or (self._ends, None)
        if self._later:
            fill_growth(self.topics, self._ends, ends)
            fill_moved(self.groups, self._committed, self._committed_later)
        fill_sizes(self.topics, self._sizes, sizes)
        fill_topics(self.groups, self._assigned, self._committed_later, ends)
        for group in self.groups.values():
            for each in group.topics or ():
                if each.topic in self.topics:
                    self.topics[each.topic].readers.append(group.name)
        self._hidden()
        found = ClusterListing(
            bootstrap=self._config.get("bootstrap.servers", ""),
            cluster_id=self.layout.cluster_id,
            brokers=len(self.layout.brokers),
            authorizer=self.access.authorizer,
            acls=self.access.acls,
            quotas=self._quotas,
            topics=list(self.topics.values()),
            groups=list(self.groups.values()),
        )
        self._add_brokers(found)
        return found

    def _hidden(self) -> None:
        gaps, cluster = self._calls.gaps, self._calls.cluster
        named = {each.topic for group in self.groups.values() for each in group.topics or ()}
        for acl in self.access.acls or ():
            if acl.resource == "TOPIC" and acl.pattern == "LITERAL" and acl.name != "*":
                named.add(acl.name)
        on_disk = None if self._sizes is None else self._sizes.replicas
        authorizer = self.access.authorizer
        hidden_topics(gaps, cluster, self.topics, authorizer=authorizer, on_disk=on_disk, named=named)
        if not gaps.has(GROUPS, cluster):
            hidden_groups(gaps, cluster, authorizer=authorizer, may_describe=self.access.describes)

    def _add_brokers(self, found: ClusterListing) -> None:
        """Add kind, version and settings of the brokers, as far as they can be read."""
        features = finalized_features(self._config)
        if features is not None:
            found.kind = "AutoMQ" if AUTOMQ in features else "Kafka"
        gaps, remedy = self._calls.gaps, "grant DescribeConfigs on the cluster"
        try:
            settings = broker_settings(self._config)
        except KafkaException as error:
            self._calls.failed(BROKERS, error)
            return
        if not settings:
            gaps.add(BROKERS, "forbidden", "the cluster refuses to show it", cluster=self._calls.cluster, remedy=remedy)
            return
        version = kafka_version(settings)
        found.version = None if version is None else ".".join(map(str, version))
        found.offsets_retention_minutes = int(settings.get("offsets.retention.minutes", 0)) or None

    def _read_ends(self, *, again: bool = False) -> Offsets:
        latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        return read_offsets(self._calls, self.layout, latest, "ends of logs", again=again)

    def _read_sizes(self) -> Sizes | None:
        return None if self._brokers is None else read_sizes(self._calls, self._brokers, self.layout)
