"""Access control: ACLs, whether rights are checked at all, and client quotas."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import KafkaException
from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined]

from cutover_harness.answer import answer_of
from cutover_harness.inventory.broker_calls import BrokerCallError, BrokerCalls
from cutover_harness.inventory.calls import TIMEOUT_S, Calls
from cutover_harness.inventory.model import Acl, Quota
from cutover_harness.words import counted

ACLS, QUOTAS = "ACLs", "quotas"


@dataclass(frozen=True)
class Access:
    """acls: None if they cannot be read. authorizer: whether rights are checked. describes: Describe on the cluster.

    None for the latter two if that is not known.
    """

    acls: list[Acl] | None
    authorizer: bool | None
    describes: bool | None


def read_access(calls: Calls, brokers: BrokerCalls | None) -> Access:
    """Return what there is about rights; what cannot be read becomes a gap. Without `brokers` it is one already."""
    describes = _describes(calls)
    if brokers is None:
        return Access(None, None, describes)
    calls.wait()
    try:
        acls = brokers.acls()
    except BrokerCallError as why:
        forbidden = why.kind == "forbidden"
        remedy = "grant Describe on the cluster" if forbidden else ""
        calls.gaps.add(ACLS, why.kind, str(why), cluster=calls.cluster, remedy=remedy)
        return Access(None, True if forbidden else None, False if forbidden else describes)
    if acls is None:
        return Access([], authorizer=False, describes=True)
    acls.sort(key=lambda acl: (acl.principal, acl.resource, acl.name, acl.operation, acl.host))
    calls.tell(f"{counted(len(acls), 'ACL')}")
    # Kafka shows ACLs to whom it shows all groups: both need Describe on the cluster.
    return Access(acls, authorizer=True, describes=True)


def read_quotas(calls: Calls, brokers: BrokerCalls) -> list[Quota] | None:
    """Return all client quotas, None if they cannot be read."""
    calls.wait()
    try:
        return brokers.quotas()
    except BrokerCallError as why:
        remedy = "grant DescribeConfigs on the cluster" if why.kind == "forbidden" else ""
        calls.gaps.add(QUOTAS, why.kind, str(why), cluster=calls.cluster, remedy=remedy)
        return None


def _describes(calls: Calls) -> bool | None:
    """Return True if the principal has Describe on the cluster (KIP-430), None if that is not known."""
    calls.wait()
    asked = calls.client.describe_cluster(include_authorized_operations=True, request_timeout=TIMEOUT_S)
    try:
        granted = answer_of(asked, TIMEOUT_S).authorized_operations
    except KafkaException:
        return None
    # The client has no list both for no right and for a broker that does not report rights.
    return None if granted is None else bool({AclOperation.DESCRIBE, AclOperation.ALL} & set(granted))
