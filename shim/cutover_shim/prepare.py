"""The check that a cluster can be changed to: it is reachable and has every topic and partition that is needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import _AdminClientImpl as RawAdminClient

from cutover_shim import codes, config

TIMEOUT_S = 3.0
_GLOB = re.compile(r"[*?\[]")


class NotFitError(Exception):
    """The cluster cannot be changed to yet; the text is the reason."""


def check(
    fresh: Any, conf: Mapping[str, Any], cluster: str, used: Iterable[str], routed: Iterable[str], present: Any
) -> None:
    """Compare the topics of a new client's cluster with those in use.

    `conf`: what the new client (`fresh`) was built with. `used`: the topics of this client. `routed`: the names and
    globs of its route. `present`: a client of the cluster in use, or None.
    Raises NotFitError for what the cluster lacks, KafkaException if it does not answer in TIMEOUT_S seconds. All topics
    are requested together, because a request by name creates the topic if brokers create topics automatically.
    """
    there = _topics(fresh, conf, cluster)
    here = _present(present)
    wanted = set(used)
    if here is not None:
        # A topic that the cluster in use does not have either is not missed.
        wanted = {t for t in wanted | {t for t in routed if not _GLOB.search(t)} if t in here}
    missing = [t for t in sorted(wanted) if t not in there or there[t].error is not None]
    if missing:
        raise NotFitError(f"{cluster} has no topic {', '.join(missing[:5])}")
    for topic in sorted(wanted) if here is not None else ():
        if len(there[topic].partitions) < len(here[topic].partitions):
            raise NotFitError(
                f"{cluster} has {len(there[topic].partitions)} partitions of {topic}, "
                f"fewer than the {len(here[topic].partitions)} in use"
            )


def _topics(fresh: Any, conf: Mapping[str, Any], cluster: str) -> Any:
    try:
        return fresh.list_topics(timeout=TIMEOUT_S).topics
    except KafkaException as error:
        why = _refusal(conf) if error.args[0].code() in codes.SILENCE else None
        if why is None:
            raise
        raise NotFitError(f"{cluster} refuses the connection: {why}") from error


def _refusal(conf: Mapping[str, Any]) -> str | None:
    """Return why the cluster refuses a login, or why its certificate is not trusted; None if it does not answer at all.

    A client retries for ever and passes the reason to its error callback only, which is the application's. So another
    client with the same properties asks again.
    """
    errors: list[KafkaError] = []
    probe = RawAdminClient(config.connection(conf) | {"error_cb": errors.append, "log_level": 0})
    try:
        probe.list_topics(timeout=TIMEOUT_S / 3)
    except KafkaException:
        probe.poll(0)
    return next((error.str() for error in errors if error.code() in codes.REFUSED), None)


def _present(handle: Any) -> Any:
    if handle is None:
        return None
    try:
        return handle.list_topics(timeout=TIMEOUT_S).topics
    except (KafkaException, RuntimeError):
        return None  # the cluster in use is down: there is nothing to compare with, and the more reason to leave it
