"""Calls that confluent-kafka's AdminClient lacks, with kafka-python: log directories, producers, quotas, ACLs.

confluent-kafka 2.16 has a call for ACLs, but returns an empty list instead of the error of a refusal.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kafka.admin import (
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import KafkaError, SecurityDisabledError, for_code
from kafka.protocol.admin import DescribeClientQuotasRequest, DescribeLogDirsRequest, DescribeProducersRequest

from cutover_harness.features import tls_context
from cutover_harness.inventory.model import Acl, GapKind, Quota
from cutover_harness.inventory.oauth import OidcTokens, tls_of_endpoint
from cutover_harness.mirror.oidc import client_credentials
from cutover_harness.types import PartitionId

_TIMEOUT_MS = 30_000
_BOOTSTRAP_MS = 15_000
_PASSWORDS = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})
_FORBIDDEN = frozenset(
    {"TopicAuthorizationFailedError", "ClusterAuthorizationFailedError", "TransactionalIdAuthorizationFailedError"}
)
_EVERYTHING = ACLFilter(
    principal=None,
    host=None,
    operation=ACLOperation.ANY,
    permission_type=ACLPermissionType.ANY,
    resource_pattern=ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
)
_UNSUPPORTED = frozenset({"UnsupportedVersionError", "IncompatibleBrokerVersion"})


class BrokerCallError(Exception):
    """A call that did not succeed, or a login that this client cannot do; the message has no secret."""

    def __init__(self, kind: GapKind, why: str) -> None:
        super().__init__(why)
        self.kind: GapKind = kind


@dataclass(frozen=True, slots=True)
class ProducerState:
    """What a partition's leader remembers of one producer id; `coordinator` is -1 if it has no transactions."""

    id: int
    epoch: int
    last_ms: int
    coordinator: int


class BrokerCalls(Protocol):
    """The calls; each raises BrokerCallError."""

    def log_sizes(self, broker: int) -> dict[PartitionId, int]:
        """Return the size of each replica on a broker."""

    def free_bytes(self, broker: int) -> int | None:
        """Return the free space in a broker's log directories (KIP-827); None from brokers before 3.3."""

    def producers(
        self, broker: int, partitions: Sequence[PartitionId]
    ) -> tuple[dict[PartitionId, list[ProducerState]], dict[PartitionId, BrokerCallError]]:
        """Return the producers of partitions whose leader is `broker`, and errors of single partitions."""

    def transactional_ids(self, broker: int) -> dict[int, str]:
        """Return the transactional ids that a broker coordinates, by producer id."""

    def acls(self) -> list[Acl] | None:
        """Return the ACLs, None if the cluster does not check rights."""

    def quotas(self) -> list[Quota]:
        """Return all client quotas."""

    def close(self) -> None:
        """Close the connections."""


class Client(KafkaAdminClient):  # type: ignore[misc]
    """With requests whose own methods drop errors, or ask only for topics that the cluster shows."""

    def ask(self, request: Any, broker: int | None = None) -> Any:
        """Return the answer of one broker, any if None."""
        return self._manager.run(self._manager.send, request, broker)


class KafkaPythonCalls:
    """The calls by kafka-python; `config` are librdkafka properties."""

    def __init__(self, config: Mapping[str, str]) -> None:
        # It logs properties at level DEBUG, and errors that are reported here.
        logging.getLogger("kafka").setLevel(logging.CRITICAL + 1)
        limits = {"request_timeout_ms": _TIMEOUT_MS, "bootstrap_timeout_ms": _BOOTSTRAP_MS}
        settings = settings_of(config) | limits
        self._client = _called(lambda: Client(**settings, client_id="kafka-cutover"))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def log_sizes(self, broker: int) -> dict[PartitionId, int]:
        """Return the size of each replica on a broker."""
        return {
            (topic.name, each.partition_index): each.partition_size
            for folder in self._log_dirs(broker)
            for topic in folder.topics
            for each in topic.partitions
            if not each.is_future_key
        }

    def free_bytes(self, broker: int) -> int | None:
        """Return the free space in a broker's log directories (KIP-827); None from brokers before 3.3."""
        free = [getattr(folder, "usable_bytes", None) for folder in self._log_dirs(broker)]
        known = [each for each in free if each is not None and each >= 0]
        return sum(known) if len(known) == len(free) else None

    def _log_dirs(self, broker: int) -> Sequence[Any]:
        answer = _called(lambda: self._client.ask(DescribeLogDirsRequest(topics=None), broker))
        _check(answer.error_code or 0)
        if not answer.results:  # a broker has at least one; before version 3 of the answer it had no error of its own
            raise BrokerCallError("forbidden", "the broker showed no log directory")
        for folder in answer.results:
            _check(folder.error_code)
        found: Sequence[Any] = answer.results
        return found

    def producers(
        self, broker: int, partitions: Sequence[PartitionId]
    ) -> tuple[dict[PartitionId, list[ProducerState]], dict[PartitionId, BrokerCallError]]:
        """Return the producers of partitions whose leader is `broker`, and errors of single partitions."""
        by_topic: dict[str, list[int]] = {}
        for topic, partition in partitions:
            by_topic.setdefault(topic, []).append(partition)
        wanted = DescribeProducersRequest.TopicRequest
        asked = [wanted(name=topic, partition_indexes=numbers) for topic, numbers in by_topic.items()]
        answer = _called(lambda: self._client.ask(DescribeProducersRequest(topics=asked), broker))
        found: dict[PartitionId, list[ProducerState]] = {}
        failed: dict[PartitionId, BrokerCallError] = {}
        for topic in answer.topics:
            for partition in topic.partitions:
                key = (topic.name, partition.partition_index)
                try:
                    _check(partition.error_code)
                except BrokerCallError as why:
                    failed[key] = why
                    continue
                found[key] = [
                    ProducerState(each.producer_id, each.producer_epoch, each.last_timestamp, each.coordinator_epoch)
                    for each in partition.active_producers
                ]
        return found, failed

    def quotas(self) -> list[Quota]:
        """Return all client quotas."""
        answer = _called(lambda: self._client.ask(DescribeClientQuotasRequest(components=[], strict=False)))
        _check(answer.error_code)
        return [
            Quota(
                entity={part.entity_type: part.entity_name for part in each.entity},
                limits={value.key: value.value for value in each.values},
            )
            for each in answer.entries or ()
        ]

    def transactional_ids(self, broker: int) -> dict[int, str]:
        """Return the transactional ids that a broker coordinates, by producer id."""
        answer = _called(lambda: self._client.list_transactions(broker_ids=[broker]))
        return {each.producer_id: each.transactional_id for each in answer[broker]}

    def acls(self) -> list[Acl] | None:
        """Return the ACLs, None if the cluster does not check rights."""
        try:
            found, _ = _called(lambda: self._client.describe_acls(_EVERYTHING))
        except BrokerCallError as why:
            if str(why) == _words(SecurityDisabledError.__name__):
                return None
            raise
        return [
            Acl(
                principal=each.principal,
                host=each.host,
                permission=each.permission_type.name,
                operation=each.operation.name,
                resource=each.resource_pattern.resource_type.name,
                name=each.resource_pattern.resource_name,
                pattern=each.resource_pattern.pattern_type.name,
            )
            for each in found
        ]


def settings_of(config: Mapping[str, str]) -> dict[str, Any]:
    """Return kafka-python's settings for librdkafka's properties. Raises BrokerCallError for what it cannot do."""
    protocol = config.get("security.protocol", "plaintext").upper()
    servers = config.get("bootstrap.servers") or config.get("metadata.broker.list", "")
    settings: dict[str, Any] = {
        "bootstrap_servers": [each.strip().rpartition("://")[2] for each in servers.split(",")],
        "security_protocol": protocol,
    }
    if protocol in {"SSL", "SASL_SSL"}:
        settings["ssl_context"] = _tls(tls_context, config)
    if protocol.startswith("SASL"):
        mechanism = config.get("sasl.mechanism") or config.get("sasl.mechanisms", "GSSAPI")
        if mechanism == "OAUTHBEARER" and (credentials := client_credentials(config)) is not None:
            tokens = OidcTokens(credentials, _tls(tls_of_endpoint, config))
            return settings | {"sasl_mechanism": mechanism, "sasl_oauth_token_provider": tokens}
        if mechanism not in _PASSWORDS:
            raise BrokerCallError("unsupported", f"this login with sasl.mechanism {mechanism} cannot be used here")
        settings |= {
            "sasl_mechanism": mechanism,
            "sasl_plain_username": config.get("sasl.username", ""),
            "sasl_plain_password": config.get("sasl.password", ""),
        }
    return settings


def _tls(context: Callable[[Mapping[str, str]], ssl.SSLContext], config: Mapping[str, str]) -> ssl.SSLContext:
    try:
        return context(config)
    except (OSError, ValueError) as why:
        raise BrokerCallError("unsupported", f"TLS as configured cannot be used here ({type(why).__name__})") from None


def _check(code: int) -> None:
    if code:
        raise _error(for_code(code).__name__)


def _error(name: str) -> BrokerCallError:
    kind: GapKind = "forbidden" if name in _FORBIDDEN else "unsupported" if name in _UNSUPPORTED else "failed"
    return BrokerCallError(kind, _words(name))


def _called(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except KafkaError as why:
        raise _error(type(why).__name__) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as why:
        raise BrokerCallError("failed", type(why).__name__) from None


def _words(name: str) -> str:
    """Return the name of an error as words: its message may quote requests and settings."""
    text = "".join(f" {c.lower()}" if c.isupper() else c for c in name.removesuffix("Error"))
    return text.strip()
