"""Settings and free disk space of brokers; what cannot be read becomes a gap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.inventory.broker_calls import BrokerCallError, BrokerCalls
from cutover_harness.inventory.calls import Calls
from cutover_harness.inventory.cluster import BROKERS

FREE = "free disk space"


def read_broker_settings(calls: Calls, config: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration of one broker, empty if it must not be read."""
    try:
        found = Admin(config).broker_config()
    except KafkaException as error:
        calls.failed(BROKERS, error)
        return {}
    if not found:
        refused = BrokerCallError("forbidden", "the cluster refuses to show it")
        _gap(calls, BROKERS, refused, "grant DescribeConfigs on the cluster")
    return found


def read_free_bytes(calls: Calls, brokers: BrokerCalls, ids: Iterable[int]) -> int | None:
    """Return the free space on all brokers together, None if it is not known."""
    total = 0
    for broker in ids:
        calls.wait()
        try:
            free = brokers.free_bytes(broker)
        except BrokerCallError as why:
            _gap(calls, FREE, why, "grant Describe on the cluster" if why.kind == "forbidden" else "")
            return None
        if free is None:
            _gap(calls, FREE, BrokerCallError("unsupported", "brokers before 3.3 do not report it"), "")
            return None
        total += free
    return total


def _gap(calls: Calls, what: str, why: BrokerCallError, remedy: str) -> None:
    calls.gaps.add(what, why.kind, str(why), cluster=calls.cluster, remedy=remedy)
