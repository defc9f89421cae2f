"""Times in the statuses: blackouts of a switch, the channel that brought a generation, versions and names."""

from __future__ import annotations

import re
import time
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import TopicPartition
from cutover_shim import Consumer, Producer
from cutover_shim.status import versions
from cutover_shim.switch_times import SwitchTimes, iso

from .conftest import Switch, until

READ = {"auto.offset.reset": "earliest"}


def route(switch: Switch, instance: str = "a") -> dict[str, Any]:
    found: dict[str, Any] = switch.read_status(instance)["routes"]["r"]
    return found


def reported(switch: Switch, instance: str, key: str) -> Any:
    """Return a value of the route's last change of cluster, None until there is one."""
    return (switch.status_or({"routes": {"r": {}}}, instance)["routes"]["r"].get("switch") or {}).get(key)


class Acknowledged:
    """A producer's application, and the time at which it got each acknowledgement, by cluster."""

    def __init__(self, switch: Switch, topic: str, **conf: Any) -> None:
        self.producer = Producer(switch.conf(**conf))
        self.topic = topic
        self.times: list[tuple[float, str | None]] = []

    def report(self, error: Any, message: Any) -> None:
        if error is None:
            self.times.append((time.time(), self.producer.cutover_cluster()))

    def step(self) -> None:
        self.producer.produce(self.topic, b"x", on_delivery=self.report)
        self.producer.poll(0.005)


def test_a_producers_blackout_can_be_read_from_its_status(switch: Switch, topic: str) -> None:
    app = Acknowledged(switch, topic)
    until(lambda: len(app.times) > 5, app.step)
    until(lambda: route(switch)["acked_at"])
    assert route(switch)["switch"] is None
    switch.until_attested(switch.write(producers="hold"), app.step)
    held = route(switch)["switch"]
    assert held["generation"] == switch.generation
    assert held["last_acked_at"] <= held["left_at"]
    assert held["first_acked_at"] is None
    switch.until_attested(switch.write(producers="target"), app.step)
    until(lambda: reported(switch, "a", "first_acked_at"), app.step)
    switched = route(switch)["switch"]
    assert switched["generation"] == switch.generation
    assert [switched[key] for key in ("left_at", "last_acked_at")] == [held["left_at"], held["last_acked_at"]]
    on_source = [at for at, cluster in app.times if cluster == "source"]
    on_target = [at for at, cluster in app.times if cluster == "target"]
    # The callbacks that became due in the drain ran in the application's next poll(): later than the acknowledgement.
    assert on_source[0] < switched["last_acked_at"] <= switched["left_at"] <= switched["first_acked_at"] <= on_target[0]
    assert route(switch)["acked_at"] >= switched["first_acked_at"]
    assert app.producer.flush(10) == 0
    app.producer.close()


def test_a_change_that_is_taken_back_before_the_cluster_was_left_is_no_switch(switch: Switch, topic: str) -> None:
    app = Acknowledged(switch, topic)
    until(lambda: len(app.times) > 5, app.step)
    switch.write(producers="target", target="127.0.0.1:1")
    until(lambda: route(switch)["state"] == "preparing", app.step)
    switch.until_attested(switch.write(producers="source"), app.step)
    assert route(switch)["switch"] is None
    app.producer.close()


def test_a_failed_delivery_is_no_acknowledgement(switch: Switch, topic: str) -> None:
    app = Acknowledged(switch, topic, **{"message.timeout.ms": 300})
    switch.until_attested(switch.write(producers="hold"))
    errors: list[Any] = []
    app.producer.produce(topic, b"x", on_delivery=lambda error, _: errors.append(error))
    until(lambda: errors, lambda: app.producer.poll(0.02))
    switch.until_attested(switch.write(producers="target"))
    assert errors[0] is not None
    assert (route(switch)["acked_at"], reported(switch, "a", "first_acked_at")) == (None, None)
    until(lambda: reported(switch, "a", "first_acked_at"), app.step)
    app.producer.close()


def test_without_delivery_callbacks_no_acknowledgement_is_known(switch: Switch, topic: str) -> None:
    producer = Producer(switch.conf())
    producer.produce(topic, b"x")
    assert producer.flush(10) == 0
    switch.until_attested(switch.write(producers="hold"))
    switch.until_attested(switch.write(producers="target"))
    producer.produce(topic, b"y")
    assert producer.flush(10) == 0
    producer.close()
    found = route(switch)
    assert found["acked_at"] is None
    assert (found["switch"]["last_acked_at"], found["switch"]["first_acked_at"]) == (None, None)
    assert found["switch"]["left_at"] > 0


@pytest.mark.parametrize("batch", [1, 10])
def test_a_consumers_blackout_can_be_read_from_its_status(switch: Switch, topic: str, batch: int) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": switch.source.bootstrap, "log_level": 0})
    behind = confluent_kafka.Producer({"bootstrap.servers": switch.target.bootstrap, "log_level": 0})
    consumer = Consumer(switch.conf(**{"group.id": f"g-{topic}", **READ}))
    consumer.subscribe([topic])
    delivered: list[tuple[float, str | None]] = []

    def step() -> None:
        for to in (producer, behind):
            to.produce(topic, b"x")
            to.poll(0)
        messages = [consumer.poll(0.02)] if batch == 1 else consumer.consume(batch, 0.02)
        if any(m is not None and m.error() is None for m in messages):
            delivered.append((time.time(), consumer.cutover_cluster()))

    until(lambda: len(delivered) > 5, step)
    until(lambda: route(switch)["delivered_at"], step)
    switch.until_attested(switch.write(consumers="hold"), step)
    held = route(switch)["switch"]
    assert held["first_delivered_at"] is None
    switch.until_attested(switch.write(consumers="target"), step)
    until(lambda: reported(switch, "a", "first_delivered_at"), step)
    switched = route(switch)["switch"]
    on_source = [at for at, cluster in delivered if cluster == "source"]
    on_target = [at for at, cluster in delivered if cluster == "target"]
    assert on_source[0] < switched["last_delivered_at"] <= switched["left_at"] <= switched["first_delivered_at"]
    assert switched["first_delivered_at"] <= on_target[0]
    assert route(switch)["acked_at"] is None
    until(lambda: consumer._shim_fast is not None, step)  # the first delivery over, poll() is the client's own again
    consumer.close()
    for to in (producer, behind):
        to.flush(10)


def test_a_consumer_that_got_nothing_has_no_time_of_a_delivery(switch: Switch, topic: str) -> None:
    consumer = Consumer(switch.conf(**{"group.id": f"g-{topic}", "enable.partition.eof": True, **READ}))
    consumer.assign([TopicPartition(topic, 0)])
    switch.until_attested(switch.write(consumers="target"), lambda: consumer.poll(0.02))
    ends: list[Any] = []
    until(lambda: ends, lambda: ends.extend(m for m in [consumer.poll(0.02)] if m is not None))
    assert ends[0].error() is not None
    found = route(switch)["switch"]
    assert (found["last_delivered_at"], found["first_delivered_at"]) == (None, None)
    consumer.close()


def test_a_status_names_application_client_versions_and_channel(switch: Switch, topic: str) -> None:
    producer = Producer(switch.conf(**{"cutover.app": "orders", "client.id": "orders-7"}))
    until(lambda: switch.status_or({}))
    found = switch.read_status()
    assert (found["app"], found["client_id"]) == ("orders", "orders-7")
    assert found["versions"] == versions()
    assert found["versions"]["librdkafka"] == confluent_kafka.libversion()[0]
    assert found["seen"]["generation"] == switch.generation
    assert found["seen"]["channel"] == f"file:{switch.path}"
    assert found["seen"]["at_iso"] == iso(found["seen"]["at"])
    assert found["channels"] == [
        {"channel": f"file:{switch.path}", "generation": switch.generation, "refused": None, "error": None}
    ]
    assert found["updated_at"] == iso(found["updated"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["updated_at"])
    producer.close()


def test_each_time_has_its_iso_form() -> None:
    times = SwitchTimes()
    times.fresh = True
    times.left(3)
    times.reached(4)
    assert times.note()
    assert not times.note()  # the second record is not the first
    found = times.report("acked")
    for at in ("acked_at", "delivered_at"):
        assert found[f"{at}_iso"] == (None if found[at] is None else iso(found[at]))
    assert found["switch"]["generation"] == 4
    for at in ("left_at", "last_acked_at", "first_acked_at"):
        assert found["switch"][f"{at}_iso"] == iso(found["switch"][at])


def test_a_secret_in_client_id_is_not_in_the_status(
    switch: Switch, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAME_OF_CLIENT", "hunter2-hunter2")
    switch.generation += 1
    text = switch.text("source", "source").replace(
        "[clusters.target]", '"client.id" = "${NAME_OF_CLIENT}"\n[clusters.target]'
    )
    switch.path.write_text(text)
    producer = Producer(switch.conf())
    until(lambda: switch.status_or({}))
    assert "hunter2" not in (switch.status / "a.json").read_text()
    producer.close()
