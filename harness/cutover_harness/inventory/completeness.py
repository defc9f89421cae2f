"""What a listing lacks, and whether topics or groups may be hidden from its principal."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from cutover_harness.inventory.model import PARTIAL, Gap, GapKind
from cutover_harness.types import ClusterName

SHOWN = 20
_FORBIDDEN = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
# They are never moved, and few principals may describe them.
_KAFKAS_OWN = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"})
_UNSUPPORTED = frozenset({KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE})  # noqa: SLF001


def kind_of(error: BaseException) -> GapKind:
    """Return whether an error is a missing right, something that the cluster cannot do, or a failure."""
    code = error.args[0].code() if isinstance(error, KafkaException) else None
    if code in _FORBIDDEN:
        return "forbidden"
    return "unsupported" if code in _UNSUPPORTED else "failed"


def reason_of(error: BaseException) -> str:
    """Return an error in one line."""
    first: Any = error.args[0] if isinstance(error, KafkaException) else error
    return " ".join((first.str() if hasattr(first, "str") else str(first) or type(first).__name__).split())


class Gaps:
    """Collects gaps; those that differ only in the name of a thing become one line."""

    def __init__(self) -> None:
        self._found: dict[tuple[ClusterName | None, str, GapKind, str], Gap] = {}
        self._names: dict[tuple[ClusterName | None, str, GapKind, str], set[str]] = {}

    def add(
        self,
        what: str,
        kind: GapKind,
        why: str,
        *,
        cluster: ClusterName | None = None,
        names: Iterable[str] = (),
        remedy: str = "",
    ) -> None:
        """Add one gap, or more names to one that is there."""
        key = (cluster, what, kind, why)
        gap = self._found.setdefault(key, Gap(cluster=cluster, what=what, kind=kind, why=why, remedy=remedy))
        known = self._names.setdefault(key, set())
        for name in names:
            if name in known:
                continue
            known.add(name)
            gap.count += 1
            if len(gap.names) < SHOWN:
                gap.names.append(name)

    def has(self, what: str, cluster: ClusterName | None) -> bool:
        """Whether something of this subject is not known and makes the listing partial."""
        return any(g.what == what and g.cluster == cluster and g.kind in PARTIAL for g in self._found.values())

    @property
    def all(self) -> list[Gap]:
        """The gaps, those that make a listing partial first."""
        return sorted(self._found.values(), key=lambda gap: gap.kind not in PARTIAL)


def is_partial(gaps: Iterable[Gap]) -> bool:
    """Return whether a listing with these gaps may lack topics, groups or facts that it should contain."""
    return any(gap.kind in PARTIAL for gap in gaps)


def hidden_topics(
    gaps: Gaps,
    cluster: ClusterName,
    shown: Collection[str],
    *,
    authorizer: bool | None,
    on_disk: Collection[str] | None,
    named: Iterable[str],
) -> None:
    """Add what is known of topics that the cluster does not show: a topic without Describe looks as if it were missing.

    authorizer: whether the cluster checks rights, None if unknown. on_disk: topics in the brokers' log directories,
    which need only Describe on the cluster; None if not read. named: topics that ACLs, groups or clients refer to.
    """
    right = "grant Describe on all topics (`--topic '*'`)"
    if authorizer is False:
        return
    if on_disk is not None:
        if names := sorted(set(on_disk) - set(shown) - _KAFKAS_OWN):
            why = "the brokers' logs have topics that this principal cannot describe"
            gaps.add("hidden topics", "forbidden", why, cluster=cluster, names=names, remedy=right)
        return
    if names := sorted(set(named) - set(shown)):
        why = "groups, ACLs or clients name topics that are not shown: deleted, or this principal cannot describe them"
        gaps.add("hidden topics", "unknown", why, cluster=cluster, names=names, remedy=right)
    why = "topics without Describe are not shown, and without the log directories nothing reveals whether there are any"
    remedy = f"{right}, and Describe on the cluster, which proves that all are shown"
    gaps.add("topics that are not shown", "unknown", why, cluster=cluster, remedy=remedy)


def hidden_groups(gaps: Gaps, cluster: ClusterName, *, authorizer: bool | None, may_describe: bool | None) -> None:
    """Add whether groups may be hidden: without Describe on the cluster only those with Describe on them are listed."""
    if authorizer is False or may_describe:
        return
    kind: GapKind = "forbidden" if may_describe is False else "unknown"
    why = "without Describe on the cluster only groups that this principal can describe are shown"
    if may_describe is None:
        why += ", and whether it has that right could not be read"
    remedy = "grant Describe on the cluster"
    gaps.add("groups that are not shown", kind, why, cluster=cluster, remedy=remedy)
