"""A producer is switched in the middle of its traffic: nothing lost, nothing twice, order kept."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from cutover_shim import Producer, prepare
from cutover_shim.producer_switch import ProducerSwitch

from .conftest import Switch, until


class App:
    """Produces numbered messages to two partitions and keeps every report."""

    def __init__(self, switch: Switch, topic: str, **conf: Any) -> None:
        self.producer = Producer(switch.conf(**conf))
        self.topic = topic
        self.sent = 0
        self.reports: list[tuple[bytes, str | None, Any]] = []

    def step(self, n: int = 20) -> None:
        for _ in range(n):
            self.producer.produce(
                self.topic, value=str(self.sent), key=b"k", partition=self.sent % 2, on_delivery=self.report
            )
            self.sent += 1
            self.producer.poll(0)
        time.sleep(0.001)

    def report(self, error: Any, message: Any) -> None:
        self.reports.append((message.value(), self.producer.cutover_cluster(self.topic), error))


def check(app: App, switch: Switch) -> None:
    """Nothing lost, nothing twice, order kept: every report once, and each log a run of increasing numbers."""
    assert [e for _, _, e in app.reports if e is not None] == []
    assert sorted(int(v) for v, _, _ in app.reports) == list(range(app.sent))
    per_partition: dict[int, list[int]] = {0: [], 1: []}
    logs = {name: cluster.read(app.topic) for name, cluster in switch.clusters.items()}
    for name, log in logs.items():
        for partition, values in log.items():
            numbers = [int(v) for v in values]
            assert numbers == sorted(numbers), f"{name} {partition}"
            per_partition.setdefault(partition, []).extend(numbers)
    assert sorted(per_partition[0] + per_partition[1]) == list(range(app.sent))
    where = {int(v): n for n, log in logs.items() for values in log.values() for v in values}
    assert {int(v): c for v, c, _ in app.reports} == where


def test_switches_through_hold_and_back(switch: Switch, topic: str) -> None:
    app = App(switch, topic)
    app.step(200)
    for place in ("hold", "target", "hold", "source", "target"):
        generation = switch.write(producers=place)
        switch.until_attested(generation, app.step)
        app.step(50)
    assert app.producer.flush(10) == 0
    status = switch.read_status()
    assert app.producer.cutover_cluster(topic) == "target"
    assert status["role"] == "producer"
    app.producer.close()
    assert switch.read_status()["closed"] is True
    check(app, switch)


def test_an_unexpected_error_does_not_end_the_switch(
    switch: Switch, topic: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original, failed = ProducerSwitch._step, 0

    def step(self: ProducerSwitch) -> bool:
        nonlocal failed
        failed += 1
        if failed % 2:
            raise RuntimeError("broken")
        return original(self)

    app = App(switch, topic)
    app.step(50)
    monkeypatch.setattr(ProducerSwitch, "_step", step)
    for place in ("hold", "target"):
        switch.until_attested(switch.write(producers=place), app.step)
    assert failed > 1
    assert any("retrying after RuntimeError: broken" in line for line in caplog.messages)
    app.step(10)
    assert app.producer.flush(10) == 0
    app.producer.close()
    check(app, switch)


def test_an_app_that_never_polls_is_switched_and_gets_its_reports_later(switch: Switch, topic: str) -> None:
    app = App(switch, topic)
    for _ in range(50):
        app.producer.produce(topic, value=str(app.sent), partition=app.sent % 2, on_delivery=app.report)
        app.sent += 1
    switch.until_attested(switch.write(producers="hold"))
    assert app.reports == []  # no callback runs outside the application's own poll() and flush()
    assert len(app.producer) == 50
    switch.until_attested(switch.write(producers="target"))
    app.step(10)
    assert app.producer.flush(10) == 0
    app.producer.close()
    check(app, switch)


def test_hold_queues_up_to_the_clients_own_limit(switch: Switch, topic: str) -> None:
    switch.write(producers="hold")
    app = App(switch, topic, **{"queue.buffering.max.messages": 10})
    with pytest.raises(BufferError, match="Local: Queue full"):
        app.step(11)
    assert app.sent == 10
    assert len(app.producer) == 10
    assert app.producer.flush(0.1) == 10
    switch.until_attested(switch.write(producers="target"), lambda: app.producer.poll(0.02))
    assert app.producer.flush(10) == 0
    app.producer.close()
    check(app, switch)


def test_a_target_that_lacks_the_topic_is_not_switched_to(switch: Switch, topic: str) -> None:
    name = topic + "-late"
    switch.source.create(name)
    switch.topics = (name,)
    switch.write()
    app = App(switch, name)
    app.step()
    generation = switch.write(producers="target")
    until(lambda: "no topic" in switch.error(), app.step)
    assert not switch.attested(generation)
    assert app.producer.cutover_cluster(name) == "source"
    switch.target.create(name)
    switch.until_attested(generation, app.step)
    app.producer.close()
    check(app, switch)


def test_a_target_that_is_down_is_not_switched_to(switch: Switch, topic: str) -> None:
    app = App(switch, topic)
    app.step()
    switch.write(producers="target", target="127.0.0.1:1")
    until(switch.error, app.step)
    assert app.producer.cutover_cluster(topic) == "source"
    switch.until_attested(switch.write(producers="source"), app.step)
    app.producer.close()
    check(app, switch)


def test_each_retry_of_a_target_that_does_not_answer_uses_a_new_client(
    switch: Switch, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []
    asked = prepare.check

    def check_(fresh: Any, *rest: Any) -> None:
        tried.append(fresh)
        if len(tried) < 3:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        asked(fresh, *rest)

    monkeypatch.setattr(prepare, "check", check_)
    app = App(switch, topic)
    app.step()
    switch.until_attested(switch.write(producers="target"), app.step)
    assert len({id(each) for each in tried}) == 3
    app.producer.close()
    check(app, switch)


def test_a_held_message_is_reported_when_its_delivery_timeout_has_passed(switch: Switch, topic: str) -> None:
    switch.write(producers="hold")
    app = App(switch, topic, **{"delivery.timeout.ms": 300, "linger.ms": 5})
    app.step(2)
    until(lambda: len(app.reports) == 2, lambda: app.producer.poll(0.05))
    assert {e.name() for _, _, e in app.reports} == {"_MSG_TIMED_OUT"}
    assert len(app.producer) == 0
    app.producer.close()


def test_closing_in_hold_waits_for_the_release(switch: Switch, topic: str) -> None:
    switch.write(producers="hold")
    app = App(switch, topic)
    app.step(5)
    closing = threading.Thread(target=app.producer.close)
    closing.start()
    time.sleep(0.2)
    assert closing.is_alive()
    switch.write(producers="target")
    closing.join(20)
    assert not closing.is_alive()
    check(app, switch)


def test_the_applications_logger_runs_on_its_own_threads(switch: Switch, topic: str) -> None:
    app, others = threading.get_ident(), []

    class Log:
        def __init__(self) -> None:
            self.lines = 0

        def log(self, *_args: object) -> None:
            self.lines += 1
            if threading.get_ident() != app:
                others.append(threading.current_thread().name)

    logger = Log()
    producer = Producer(switch.conf(logger=logger, log_level=7, debug="msg,queue"))
    producer.produce(topic, b"x")
    # Nobody polls here: what the client logs while it is drained and closed falls due on the thread that does that.
    switch.until_attested(switch.write(producers="target"))
    producer.poll(0)
    assert logger.lines > 0
    assert others == []
    producer.close()
