"""Answers of a cluster that never come: no call waits for ever, and none is lost because its client was replaced."""

from __future__ import annotations

import ast
import threading
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cutover_harness
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from cutover_harness import answer
from cutover_harness.admin import Admin
from cutover_harness.answer import answer_of
from cutover_harness.renewable import Renewable

from tests.waiting import wait_until

HARNESS = Path(cutover_harness.__file__).parent
NOBODY = {"bootstrap.servers": "127.0.0.1:1", "log_level": "0"}


class Slow(AdminClient):
    """A client whose caller is held after the request was sent."""

    asked, released = threading.Event(), threading.Event()

    def describe_consumer_groups(self, *args: Any, **options: Any) -> Any:
        futures = super().describe_consumer_groups(*args, **options)
        self.asked.set()
        self.released.wait(30)
        return futures


def test_a_call_that_its_client_never_completes_is_timed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "GRACE_S", 0.01)
    with pytest.raises(KafkaException) as error:
        answer_of(Future[int](), 0.01)
    assert error.value.args[0].code() == KafkaError._TIMED_OUT


def test_an_answer_and_an_error_are_passed_on() -> None:
    done, failed = Future[int](), Future[int]()
    done.set_result(7)
    failed.set_exception(TimeoutError("of the answer itself"))
    assert answer_of(done, 1) == 7
    with pytest.raises(TimeoutError, match="of the answer itself"):
        answer_of(failed, 1)


def test_an_answer_that_comes_when_the_time_is_over_counts() -> None:
    class Late(Future[int]):
        def result(self, timeout: float | None = None) -> int:
            if not self.done():
                self.set_result(7)
                raise TimeoutError
            return super().result(timeout)

    assert answer_of(Late(), 1) == 7


def test_a_client_that_is_replaced_completes_the_calls_of_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a group's coordinator moves: one thread renews the client while others wait for their answers."""
    monkeypatch.setattr(answer, "GRACE_S", 60.0)  # so that only the client's own timeout ends the wait
    admin, errors = Admin(NOBODY, timeout_s=0.5), list[KafkaException]()
    admin.clients = Renewable(lambda: Slow({**NOBODY}))

    def ask() -> None:
        try:
            admin.member_ids("g")
        except KafkaException as error:
            errors.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert Slow.asked.wait(30)
    admin.renew()
    admin.renew()
    Slow.released.set()
    wait_until(lambda: not thread.is_alive(), 30)
    assert [error.args[0].code() for error in errors] == [KafkaError._TIMED_OUT]


def test_replaced_clients_are_kept_while_a_call_is_in_progress_and_no_longer() -> None:
    made: list[list[int]] = []
    clients = Renewable(lambda: made.append([len(made)]) or made[-1])  # type: ignore[func-returns-value]
    with clients.in_use():
        clients.renew()
        with clients.in_use():
            clients.renew()
        assert [*clients._replaced.values()] == [[0], [1]]
    assert not clients._replaced
    clients.renew()
    assert (clients._replaced, clients.client) == ({}, [3])


def test_calls_that_overlap_without_a_gap_do_not_keep_clients_that_none_of_them_uses() -> None:
    """As while a cluster is away: each call ends without an answer, and another thread's is always in progress."""
    clients = Renewable[object](object)
    with ExitStack() as last:
        last.enter_context(clients.in_use())
        for _ in range(20):
            with ExitStack() as following:
                following.enter_context(clients.in_use())
                clients.renew()
                last.close()
                last.push(following.pop_all())
        assert len(clients._replaced) == 1
    assert not clients._replaced


def test_nobody_waits_for_a_replaced_client_that_does_not_close() -> None:
    closing, released = threading.Event(), threading.Event()

    class Hanging:
        def __del__(self) -> None:
            closing.set()
            released.wait(60)

    clients = Renewable(Hanging)
    thread = threading.Thread(target=clients.renew, daemon=True)
    thread.start()
    try:
        assert closing.wait(30)
        wait_until(lambda: not thread.is_alive(), 30)
    finally:
        released.set()


def test_every_answer_of_a_cluster_is_waited_for_in_one_place() -> None:
    """Otherwise a wait without a bound, or an error that nobody catches, comes back with the next call."""
    waits = [
        f"{path.relative_to(HARNESS)}:{node.lineno}"
        for path in HARNESS.rglob("*.py")
        if "confluent_kafka.admin" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "result"
    ]
    assert waits == []
