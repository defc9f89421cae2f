"""Read one cluster for the preflight of a plan; what cannot be read becomes a gap."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from cutover_harness.features import finalized_features
from cutover_harness.internal_topics import OFFSET_SYNCS
from cutover_harness.inventory.acls import Access, read_access, read_quotas
from cutover_harness.inventory.broker_calls import BrokerCalls
from cutover_harness.inventory.calls import Calls
from cutover_harness.inventory.completeness import hidden_groups, hidden_topics
from cutover_harness.inventory.groups import GROUPS
from cutover_harness.inventory.sizes import read_sizes
from cutover_harness.inventory.topics import read_topics
from cutover_harness.preflight.model import Cluster, Group
from cutover_harness.preflight.planned.facts import Seen
from cutover_harness.preflight.planned.needs import Demand
from cutover_harness.preflight.planned.observe import Observed, observe
from cutover_harness.preflight.planned.principals import principal_of
from cutover_harness.preflight.planned.read_brokers import read_broker_settings, read_free_bytes
from cutover_harness.preflight.planned.read_groups import read_planned_groups
from cutover_harness.preflight.planned.read_topics import part_of, read_planned_topics
from cutover_harness.preflight.planned.rights import Rights
from cutover_harness.preflight.read import kafka_version


class SeenReader:
    """Reads one cluster: first the names of its topics, then what the plan needs of them.

    Raises UsageError if the cluster does not answer.
    """

    def __init__(self, calls: Calls, brokers: BrokerCalls | None, config: Mapping[str, str]) -> None:
        self._calls, self._brokers, self._config = calls, brokers, config
        self._layout, self._entries = read_topics(calls)

    @property
    def names(self) -> frozenset[str]:
        """All topics that the cluster shows."""
        return frozenset(self._layout.leaders)

    def read(self, topics: Sequence[str], groups: Sequence[str], demands: Iterable[Demand], *, source: bool) -> Seen:
        """Return what the rules need; `source`: the applications are there, with groups and producers of any name."""
        calls, brokers = self._calls, self._brokers
        layout = part_of(self._layout, topics)
        entries = {name: self._entries[name] for name in layout.leaders}
        sizes = read_sizes(calls, brokers, self._layout) if source and brokers is not None else None
        planned = read_planned_topics(calls, brokers, self._config, layout, entries, sizes, writers=source)
        known, described = read_planned_groups(calls, layout.leaders, groups, others=source)
        settings = read_broker_settings(calls, self._config)
        access = read_access(calls, brokers)
        if source:
            self._hidden(access, known.values(), None if sizes is None else sizes.replicas)
        cluster = Cluster(
            planned,
            known,
            kafka_version(settings),
            settings,
            len(self._layout.brokers),
            features=finalized_features(self._config),
            mirrored_into=any(OFFSET_SYNCS.fullmatch(topic) for topic in self.names),
        )
        return Seen(
            cluster,
            entries,
            described,
            self.names,
            self._rights(access, demands),
            None if brokers is None else read_quotas(calls, brokers),
            None if source or brokers is None else read_free_bytes(calls, brokers, self._layout.brokers),
            self._config.get("bootstrap.servers", ""),
            self._layout.cluster_id,
        )

    def _hidden(self, access: Access, groups: Iterable[Group], on_disk: Collection[str] | None) -> None:
        """Add what is known of topics and groups that this principal does not see: the plan may lack them."""
        calls, named = self._calls, {topic for group in groups for topic in group.topics}
        authorizer = access.authorizer
        hidden_topics(calls.gaps, calls.cluster, self.names, authorizer=authorizer, on_disk=on_disk, named=named)
        if not calls.gaps.has(GROUPS, calls.cluster):
            hidden_groups(calls.gaps, calls.cluster, authorizer=authorizer, may_describe=access.describes)

    def _rights(self, access: Access, demands: Iterable[Demand]) -> Rights:
        principal = principal_of(self._config)
        observed: Observed = {}
        if access.authorizer is not False:
            wanted = [(each.resource, each.operation) for each in demands]
            observed = observe(self._calls, self._brokers, self._layout.brokers[0], wanted)
        return Rights(access.authorizer, principal, access.acls, observed)
