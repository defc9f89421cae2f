"""What the shim logs: a client's file and state, each change, what is in no route; and a process's last status."""

from __future__ import annotations

import json
import logging
import textwrap
from pathlib import Path

import pytest
from cutover_shim import Consumer, Producer
from cutover_shim.client_log import ClientLog
from cutover_shim.cutover_file import parse

from .conftest import MockCluster, Switch, until
from .test_adoption import run
from .test_consumer_switch import FAST


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "cutover_shim" and r.levelno == level]


def test_a_client_logs_its_file_and_each_change_once(
    switch: Switch, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cutover_shim")
    producer = Producer(switch.conf("p"))
    consumer = Consumer(switch.conf("c", **{"group.id": f"g-{topic}", **FAST}))
    consumer.subscribe([topic])
    switch.until_attested(1, lambda: consumer.poll(0.05), "c")
    for place in ("hold", "target"):
        generation = switch.write(producers=place, consumers=place)
        for instance in ("p", "c"):
            switch.until_attested(generation, lambda: consumer.poll(0.05), instance)
    consumer.close()
    producer.close()
    said = lines(caplog)
    assert f"cutover shim: producer p follows {switch.path}, generation 1: route r, source" in said
    assert f"cutover shim: consumer c follows {switch.path}, generation 1: route r, joining" in said
    changes = [
        "producer p, route r: now held (was source), generation 2",
        "producer p, route r: now target (was held), generation 3",
        "consumer c, route r: now source (was joining), generation 1",
        "consumer c, route r: now held (was source), generation 2",
        "consumer c, route r: now target (was held), generation 3",
    ]
    for change in changes:
        assert said.count(f"cutover shim: {change}") == 1, said
    assert lines(caplog, logging.WARNING) == []


def test_topics_and_groups_in_no_route_are_named_once_when_others_move(
    switch: Switch, topic: str, clusters: tuple[MockCluster, MockCluster], caplog: pytest.LogCaptureFixture
) -> None:
    free = topic + "-free"
    for cluster in clusters:
        cluster.create(free)
    producer = Producer(switch.conf("p"))
    for name in (topic, free):
        producer.produce(name, b"x")
    loose = Consumer(switch.conf("loose", **{"group.id": "nobody", **FAST}))
    loose.subscribe([free])
    member = Consumer(switch.conf("m", **{"group.id": f"g-{topic}", **FAST}))
    member.subscribe([topic, free])

    def step() -> None:
        producer.poll(0)
        loose.poll(0.02)
        member.poll(0.02)

    until(lambda: loose.assignment() and member.assignment(), step)
    assert lines(caplog, logging.WARNING) == []
    for _ in range(2):
        switch.until_attested(switch.write(producers="hold", consumers="hold"), step, "m")
        switch.until_attested(switch.write(producers="target", consumers="target"), step, "m")
    until(lambda: loose._shim.route.seen == switch.generation, step)
    for client in (producer, loose, member):
        client.close()
    end = f"is in no route of {switch.path} and stays on the source, while route r moves"
    assert sorted(lines(caplog, logging.WARNING)) == [
        f"cutover shim: consumer loose: group nobody {end}",
        f"cutover shim: consumer m: topic {free} {end}; this group reads only its copy on the target",
        f"cutover shim: producer p: topic {free} {end}",
    ]


def test_routes_that_move_are_named_and_those_on_the_source_are_not(caplog: pytest.LogCaptureFixture) -> None:
    clusters = "".join(f"[clusters.{name}]\n'bootstrap.servers' = 'x:1'\n" for name in ("source", "target"))
    routes = "".join(
        f"[routes.{name}]\ntopics = ['{name}']\ngroups = []\nproducers = '{place}'\nconsumers = 'source'\n"
        for name, place in (("all", "target"), ("b", "hold"), ("c", "source"))
    )
    client = ClientLog("producer", "p", "f")
    client.unrouted("topic", ["stock"], parse(f"generation = 1\n{clusters}{routes}"), "producers")
    client.unrouted("topic", ["stock"], parse(f"generation = 1\n{clusters}{routes}"), "consumers")
    end = "topic stock is in no route of f and stays on the source, while routes all, b move"
    assert lines(caplog, logging.WARNING) == [f"cutover shim: producer p: {end}"]


def test_a_process_that_ends_without_closing_writes_its_last_status(switch: Switch, topic: str, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(
        textwrap.dedent(f"""
        import cutover_shim
        conf = {{'bootstrap.servers': 'x:1', 'log_level': 0, 'cutover.status': {str(switch.status)!r}}}
        p = cutover_shim.Producer({{**conf, 'cutover.instance': 'p'}})
        c = cutover_shim.Consumer({{**conf, 'cutover.instance': 'c', 'group.id': 'e'}})
        p.produce({topic!r}, b'x', on_delivery=lambda e, m: None); p.flush(10)
        """)
    )
    done = run(str(app), CUTOVER_FILE=str(switch.path))
    assert (done.returncode, done.stderr) == (0, "")
    for instance in ("p", "c"):
        assert json.loads((switch.status / f"{instance}.json").read_text())["closed"]
    assert switch.read_status("p")["routes"]["r"]["acked"] != {}
