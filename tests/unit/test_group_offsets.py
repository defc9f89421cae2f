"""Answers about groups' offsets that are cut off, missing or in part an error: one clear error, never no offset."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException, TopicPartition
from cutover_harness.capture.cluster import ClusterView
from cutover_harness.group_offsets import committed_in
from cutover_harness.inventory import groups as inventory_groups
from cutover_harness.inventory.calls import Calls
from cutover_harness.inventory.completeness import Gaps
from cutover_harness.preflight import read
from cutover_harness.token_bucket import TokenBucket

MOVED, LOADS = KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS


def answered(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    if isinstance(value, BaseException):
        future.set_exception(value)
    else:
        future.set_result(value)
    return future


def of(*partitions: TopicPartition) -> Any:
    return SimpleNamespace(topic_partitions=list(partitions))


def committed(topic: str, number: int, offset: int, error: int | None = None) -> Any:
    return SimpleNamespace(topic=topic, partition=number, offset=offset, error=error and KafkaError(error))


def refused(code: int) -> KafkaException:
    return KafkaException(KafkaError(code))


GOOD = of(committed("t", 0, 7), committed("t", 1, -1001), committed("u", 0, 0))
BAD: dict[str, Any] = {
    "the client's own error for an answer that lacks a group": RuntimeError("Results length 0 is different from 1"),
    "no result": None,
    "no list": SimpleNamespace(),
    "an index of the client's": IndexError("list index out of range"),
    "a partition with an error": of(committed("t", 0, 7), committed("t", 1, 3, KafkaError.UNSTABLE_OFFSET_COMMIT)),
    "cut off": refused(KafkaError._BAD_MSG),
}


def test_the_offsets_of_an_answer() -> None:
    assert committed_in({"g": answered(GOOD)}, "g", 1) == {("t", 0): 7, ("u", 0): 0}
    assert committed_in({"g": answered(SimpleNamespace(topic_partitions=None))}, "g", 1) == {}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_answer_is_an_error_of_kafka(what: str) -> None:
    with pytest.raises(KafkaException):
        committed_in({"g": answered(BAD[what])}, "g", 1)


def test_a_group_without_any_answer() -> None:
    with pytest.raises(KafkaException, match="cannot be used"):
        committed_in({}, "g", 1)
    with pytest.raises(KafkaException) as late:
        committed_in({"g": Future()}, "g", 0.01)
    assert late.value.args[0].code() == KafkaError._TIMED_OUT


class Client:
    """Groups `a` and `b`, whose offsets are answered from lists, the last answer for ever."""

    def __init__(self, **answers: list[Any]) -> None:
        self._answers = answers
        self.errors: list[KafkaException] = []

    def list_consumer_groups(self, **_: Any) -> Future[Any]:
        groups = [SimpleNamespace(group_id=each, state=ConsumerGroupState.STABLE, type=None) for each in self._answers]
        return answered(SimpleNamespace(valid=groups, errors=self.errors))

    def describe_consumer_groups(self, groups: list[str], **_: Any) -> dict[str, Future[Any]]:
        return {name: answered(SimpleNamespace(members=[])) for name in groups}

    def list_consumer_group_offsets(self, asked: Any, **_: Any) -> dict[str, Future[Any]]:
        answers = self._answers[asked[0].group_id]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return {asked[0].group_id: answered(found)} if found != "nothing" else {}


ANY_BAD = [*BAD.values(), "nothing"]
IDS = [*BAD, "no entry"]


@pytest.mark.parametrize("bad", ANY_BAD, ids=IDS)
def test_a_recording_notes_the_group_and_keeps_the_others(bad: Any) -> None:
    view = ClusterView(Client(a=[bad], b=[GOOD]), "h:1")  # type: ignore[arg-type]
    (found,) = view.groups(["t"])
    assert (found.group, found.committed) == ("b", {"t": {0: 7}})
    assert view.notes["group a"].startswith("not read: ")


@pytest.mark.parametrize("bad", ANY_BAD, ids=IDS)
def test_an_inventory_has_a_gap_and_the_other_groups(bad: Any) -> None:
    gaps = Gaps()
    calls = Calls(Client(a=[bad], b=[GOOD]), "source", gaps, TokenBucket(None), lambda _: None)  # type: ignore[arg-type]
    assert inventory_groups.read_committed(calls, ["a", "b"], "offsets") == {"b": {("t", 0): 7, ("u", 0): 0}}
    (gap,) = gaps.all
    assert (gap.what, gap.names) == ("committed offsets of groups", ["a"])


@pytest.mark.parametrize("bad", ANY_BAD, ids=IDS)
def test_preflight_ends_with_an_error_that_names_the_group(bad: Any) -> None:
    with pytest.raises(KafkaException, match="offsets of group a: "):
        read._groups(Client(a=[bad], b=[GOOD]))  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [MOVED, LOADS])
def test_preflight_asks_again_while_a_coordinator_moves(code: int) -> None:
    found = read._groups(Client(a=[refused(code), refused(code), GOOD], b=[GOOD]))  # type: ignore[arg-type]
    assert found["a"] == found["b"]
    assert found["a"].topics == ("t", "u")


def test_preflight_takes_a_group_that_is_not_shown_for_one_without_topics() -> None:
    found = read._groups(Client(a=[refused(KafkaError.GROUP_AUTHORIZATION_FAILED)], b=[GOOD]))  # type: ignore[arg-type]
    assert (found["a"].topics, found["b"].topics) == ((), ("t", "u"))


def test_a_broker_that_does_not_list_its_groups_is_not_one_without_groups() -> None:
    client = Client(b=[GOOD])
    client.errors = [refused(KafkaError._TIMED_OUT)]
    with pytest.raises(KafkaException):
        read._groups(client)  # type: ignore[arg-type]
    view = ClusterView(client, "h:1")  # type: ignore[arg-type]
    assert [each.group for each in view.groups(["t"])] == ["b"]
    assert view.notes["groups"].startswith("not all were read: ")
