"""Clients that the application does not use (yet, or any more) call none of its callbacks."""

from __future__ import annotations

import threading
from typing import Any

from cutover_shim import Consumer

from .conftest import Switch, until
from .test_consumer_switch import FAST


def test_a_replaced_client_neither_calls_the_application_nor_changes_the_assignment(switch: Switch, topic: str) -> None:
    events: list[tuple[str, int]] = []
    closed: list[bool] = []
    consumer = Consumer(switch.conf(**{"group.id": f"g-{topic}", **FAST}))
    consumer.subscribe(
        [topic],
        on_assign=lambda _, p: events.append(("assign", threading.get_ident())),
        on_revoke=lambda _, p: events.append(("revoke", threading.get_ident())),
    )
    until(consumer.assignment, lambda: consumer.poll(0.05))
    route = consumer._shim.route
    stuck = route.handle
    with (
        route.cond
    ):  # as if its join had hung until now: the client closes, on another thread, as one that has partitions
        route.state, route._hangs = "joining", True
    before = set(threading.enumerate())
    until(lambda: route.handle is not stuck, lambda: consumer.poll(0.05))
    closers = [t for t in set(threading.enumerate()) - before if t.name == "cutover-close"]
    until(lambda: len(consumer.assignment()) == 4, lambda: consumer.poll(0.05))
    for thread in closers:
        thread.join(20)
        closed.append(not thread.is_alive())
    assert all(closed)
    assert route.assigned == {(topic, p) for p in range(4)}
    assert events == [("assign", threading.get_ident())] * 2
    consumer.close()
    assert events[2:] == [("revoke", threading.get_ident())]


def test_callbacks_of_a_client_that_is_being_checked_run_on_no_thread_of_the_shim(switch: Switch, topic: str) -> None:
    callers: list[int] = []
    lines: list[int] = []

    class Log:
        def log(self, *_args: object) -> None:
            lines.append(threading.get_ident())

    def called(*_args: Any) -> None:
        callers.append(threading.get_ident())

    conf = {"group.id": f"g-{topic}", "error_cb": called, "logger": Log(), "log_level": 7, "debug": "broker"}
    consumer = Consumer(switch.conf(**conf))
    consumer.subscribe([topic])
    switch.write(consumers="target", target="127.0.0.1:1")
    until(switch.error, lambda: consumer.poll(0.02))
    switch.write(consumers="source")
    for _ in range(20):
        consumer.poll(0.05)
    consumer.close()
    assert lines, "negative control: the client does log"
    assert set(callers + lines) <= {threading.get_ident()}
