"""Connect to a cluster with both clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from confluent_kafka import KafkaException
from cutover_shim.codes import INVALID_ARG

from cutover_harness.admin import CLIENT_DEFAULTS, connect
from cutover_harness.errors import UsageError
from cutover_harness.inventory.acls import ACLS, QUOTAS
from cutover_harness.inventory.broker_calls import BrokerCallError, BrokerCalls, KafkaPythonCalls
from cutover_harness.inventory.calls import Calls
from cutover_harness.inventory.cluster import ClusterReader
from cutover_harness.inventory.completeness import Gaps
from cutover_harness.inventory.options import Options
from cutover_harness.inventory.sizes import SIZES
from cutover_harness.inventory.writers import PRODUCERS
from cutover_harness.token_bucket import TokenBucket
from cutover_harness.types import ClusterName


@contextmanager
def opened(
    name: ClusterName,
    config: Mapping[str, str],
    options: Options,
    gaps: Gaps,
    pace: TokenBucket,
    tell: Callable[[str], None],
) -> Iterator[ClusterReader]:
    """Return a reader of the cluster with these librdkafka properties. Raises UsageError if it does not answer."""
    with opened_calls(name, config, gaps, pace, tell) as (calls, brokers):
        yield ClusterReader(
            calls, brokers, config, history=options.history, newest=options.newest, stale_days=options.stale_days
        )


@contextmanager
def opened_calls(
    name: ClusterName, config: Mapping[str, str], gaps: Gaps, pace: TokenBucket, tell: Callable[[str], None]
) -> Iterator[tuple[Calls, BrokerCalls | None]]:
    """Return the calls to a cluster; the latter are None, with gaps, if its login cannot be used for them.

    Raises UsageError if the cluster does not answer.
    """
    try:
        client = connect({**CLIENT_DEFAULTS, **config, "client.id": "kafka-cutover"})
    except KafkaException as why:
        error, where = why.args[0], config.get("bootstrap.servers", "")
        if error.code() == INVALID_ARG:
            said = _without_values(error.str(), config)
            raise UsageError(f"{name} cluster {where}: {said}: check the properties file") from None
        raise UsageError(f"{name} cluster {where}: {error.str()}: check address and credentials") from None
    brokers = _broker_calls(name, config, gaps)
    try:
        yield Calls(client, name, gaps, pace, tell), brokers
    finally:
        if brokers is not None:
            brokers.close()


def _without_values(text: str, config: Mapping[str, str]) -> str:
    """Return the client's message without the values of properties: one may be a secret in the wrong line."""
    for value in sorted(config.values(), key=len, reverse=True):
        text = text.replace(f'"{value}"', '"***"') if value else text
    return text


def _broker_calls(name: ClusterName, config: Mapping[str, str], gaps: Gaps) -> BrokerCalls | None:
    try:
        return KafkaPythonCalls(config)
    except BrokerCallError as why:
        for what in (SIZES, PRODUCERS, ACLS, QUOTAS):
            gaps.add(what, why.kind, str(why), cluster=name)
        return None
