"""Whether a cluster is fit to be switched to: reachable, and with every topic and partition that is needed."""

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
    """The cluster cannot be switched to yet; the text says why."""


def check(
    fresh: Any, conf: Mapping[str, Any], cluster: str, used: Iterable[str], routed: Iterable[str], present: Any
) -> None:
    """Ask the new handle for the cluster's topics and compare with those in use.

    `conf`: what the handle was built with. `used`: the topics of this client; `routed`: the names and globs of its
    route; `present`: a handle on the cluster in use, or None.
    Raises NotFitError or KafkaException. All topics are asked for at once, because asking for one by name creates it
    where brokers create topics automatically.
    """
    there = _topics(fresh, conf, cluster)
    here = _present(present)
    wanted = set(used)
    if here is not None:
        # A topic that is missing where the client is now is not the new cluster's fault.
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
    """Return why the cluster refuses a login or its certificate is not trusted; None where it does not answer at all.

    A client goes on trying for ever, and tells only its error callback why, which is the application's. So one that is
    like it asks once more.
    """
    heard: list[KafkaError] = []
    probe = RawAdminClient(config.connection(conf) | {"error_cb": heard.append, "log_level": 0})
    try:
        probe.list_topics(timeout=TIMEOUT_S / 3)
    except KafkaException:
        probe.poll(0)
    return next((error.str() for error in heard if error.code() in codes.REFUSED), None)


def _present(handle: Any) -> Any:
    if handle is None:
        return None
    try:
        return handle.list_topics(timeout=TIMEOUT_S).topics
    except (KafkaException, RuntimeError):
        return None  # the cluster that is left is down: nothing to compare with, and leaving it is all the more due
