"""Whether a cluster is fit to be switched to: reachable, and with every topic and partition that is needed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaException

TIMEOUT_S = 3.0
_GLOB = re.compile(r"[*?\[]")


class NotFitError(Exception):
    """The cluster cannot be switched to yet; the text says why."""


def check(fresh: Any, cluster: str, used: Iterable[str], routed: Iterable[str], present: Any) -> None:
    """Ask the new handle for the cluster's topics and compare with those in use.

    `used`: the topics of this client; `routed`: the names and globs of its route; `present`: a handle on the cluster in
    use, or None.
    Raises NotFitError or KafkaException. All topics are asked for at once, because asking for one by name creates it
    where brokers create topics automatically.
    """
    there = fresh.list_topics(timeout=TIMEOUT_S).topics
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


def _present(handle: Any) -> Any:
    if handle is None:
        return None
    try:
        return handle.list_topics(timeout=TIMEOUT_S).topics
    except (KafkaException, RuntimeError):
        return None  # the cluster that is left is down: nothing to compare with, and leaving it is all the more due
