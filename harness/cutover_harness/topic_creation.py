"""Creation of topics, also while the controller has no broker for them at the moment."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import NewTopic

from cutover_harness.answer import GRACE_S, answer_of

_AGAIN_S = 0.2


def create(client: Any, topics: Sequence[NewTopic], timeout_s: float) -> None:
    """Create the topics with this AdminClient. Raises KafkaException for the first one that cannot be created.

    A broker whose heartbeats are late is fenced until the next one (KIP-631), and the controller then refuses every
    number of replicas: such a topic is tried again for `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    left = list(topics)
    while left:
        answers = client.create_topics(left, operation_timeout=timeout_s)
        left = [topic for topic in left if _refused_for_now(answers[topic.topic], timeout_s, deadline)]
        if left:
            time.sleep(_AGAIN_S)


def taken(client: Any, names: Sequence[str], timeout_s: float) -> bool:
    """Return whether a topic of one of these names could not be created, as there is one; nothing is created.

    A controller on ZooKeeper removes a deleted topic from the metadata first, and forgets it later.
    """
    new = [NewTopic(name, num_partitions=1, replication_factor=-1) for name in names]
    answers = client.create_topics(new, operation_timeout=timeout_s, validate_only=True).values()
    if wait(answers, timeout_s + GRACE_S).not_done:
        return True  # it is not known that they are free
    why = [error.args[0] for answer in answers if isinstance(error := answer.exception(), KafkaException)]
    return any(error.code() == KafkaError.TOPIC_ALREADY_EXISTS for error in why)


def _refused_for_now(answer: Future[None], timeout_s: float, deadline: float) -> bool:
    try:
        answer_of(answer, timeout_s)
    except KafkaException as why:
        error = why.args[0]
        fenced = error.code() == KafkaError.INVALID_REPLICATION_FACTOR and "fenced" in error.str()
        if not fenced or time.monotonic() > deadline:
            raise
        return True
    return False
