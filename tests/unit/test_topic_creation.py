"""A topic is created as soon as the controller has a broker again; every other refusal is an error immediately."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import NewTopic
from cutover_harness import topic_creation
from cutover_harness.topic_creation import create

FENCED = "Unable to replicate the partition 1 time(s): All brokers are currently fenced."


class Controller:
    """Refuses the topics `a`, `b` with these errors, one a call, and then creates them."""

    def __init__(self, *errors: KafkaError) -> None:
        self.errors, self.asked = list(errors), list[list[str]]()

    def create_topics(self, topics: list[Any], operation_timeout: float) -> dict[str, Future[None]]:
        self.asked.append([topic.topic for topic in topics])
        answers: dict[str, Future[None]] = {topic.topic: Future() for topic in topics}
        for name, answer in answers.items():
            if name == "b" and self.errors:
                answer.set_exception(KafkaException(self.errors.pop(0)))
            else:
                answer.set_result(None)
        return answers


def refused(text: str = FENCED) -> KafkaError:
    return KafkaError(KafkaError.INVALID_REPLICATION_FACTOR, text)


TOPICS = [NewTopic("a", 1), NewTopic("b", 1)]


def test_only_what_was_refused_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_creation, "_AGAIN_S", 0)
    controller = Controller(refused(), refused())
    create(controller, TOPICS, 60)
    assert controller.asked == [["a", "b"], ["b"], ["b"]]


@pytest.mark.parametrize(
    "error", [refused("larger than the number of brokers"), KafkaError(KafkaError.TOPIC_ALREADY_EXISTS)]
)
def test_other_refusals_are_errors(error: KafkaError) -> None:
    controller = Controller(error)
    with pytest.raises(KafkaException):
        create(controller, TOPICS, 60)
    assert len(controller.asked) == 1


def test_no_broker_until_the_deadline_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_creation, "_AGAIN_S", 0)
    with pytest.raises(KafkaException):
        create(Controller(*[refused()] * 3), TOPICS, -1)
