"""What a master gives to workers: parts of the traffic, and nothing of how a cluster is reached."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from cutover_harness.errors import UsageError
from cutover_harness.load import coordinator as coordinator_module
from cutover_harness.load.connection import Connection, ConsumerPart, ProducerPart
from cutover_harness.load.coordinator import Coordinator
from cutover_harness.load.messages import COUNTS, SLOT, SLOT_WANTED
from cutover_harness.load.settings import LoadSettings
from cutover_harness.replay.config import ReplayOptions

SECRET = "hunter2-of-the-cluster"


def settings(**options: Any) -> LoadSettings:
    return LoadSettings(
        replay=ReplayOptions(capture=Path("c.parquet"), loop=True),
        groups={"billing": 2},
        topics=["t"],
        endpoint={"bootstrap.servers": f"{SECRET}:1", "sasl.password": SECRET},
        producer_client={"ssl.key.password": SECRET},
        consumer_client={"ssl.key.password": SECRET},
        **options,
    )


class Runner:
    """A master's runner that keeps what it was given to send."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[..., None]] = {}
        self.sent: list[tuple[str, Any]] = []
        self.quits: list[float] = []

    def register_message(self, name: str, handler: Callable[..., None], **_: Any) -> None:
        self.handlers[name] = handler

    def send_message(self, name: str, data: Any, client_id: str | None = None) -> None:
        self.sent.append((name, data))

    def quit(self) -> None:
        self.quits.append(time.monotonic())

    def hear(self, name: str, **data: Any) -> None:
        self.handlers[name](environment=None, msg=SimpleNamespace(node_id="w", data=data))


def coordinator(runner: Runner, given: LoadSettings) -> Coordinator:
    return Coordinator(SimpleNamespace(runner=runner, parsed_options=SimpleNamespace(headless=True)), given)


def test_messages_to_workers_contain_no_address_of_a_cluster() -> None:
    runner = Runner()
    coordinator(runner, settings())
    for role in ("producer", "consumer", "consumer", "consumer"):
        runner.hear(SLOT_WANTED, user="u", role=role)
    assert [name for name, _ in runner.sent] == [SLOT] * 4
    assert [data["part"] is None for _, data in runner.sent] == [False, False, False, True]
    assert SECRET not in repr(runner.sent)


def test_a_worker_adds_how_it_reaches_the_cluster_itself() -> None:
    given = settings()
    mine = Connection(endpoint={"bootstrap.servers": "mine:1"}, consumer_client={"sasl.password": "my own"})
    producer = mine.producer_of(ProducerPart.model_validate_json(given.producer_part(0, 7, 5).model_dump_json()))
    consumer = mine.consumer_of(ConsumerPart.model_validate_json(given.consumer_part(1, 7).model_dump_json()))
    assert (producer.client, producer.run, producer.replay.start_ns) == ({"bootstrap.servers": "mine:1"}, 7, 5)
    assert consumer.client == {"bootstrap.servers": "mine:1", "sasl.password": "my own"}
    assert (consumer.instance, consumer.group, consumer.topics) == ("load-billing-2", "billing", ["t"])
    with pytest.raises(UsageError, match="this worker runs with --cutover-file and the master without"):
        Connection(cutover_file=Path("c.toml")).producer_of(given.producer_part(0, 7, 5))


def test_run_time_begins_when_the_clients_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator_module, "_START_AFTER_NS", 1_000_000)
    runner = Runner()
    made = coordinator(runner, settings(run_time_s=0.5))
    made.started()
    time.sleep(1.5)  # what is loaded blocks the loop, whose clock stands still meanwhile
    gevent.sleep(0.5)
    assert not runner.quits, "no client runs yet"
    for role in ("producer", "consumer", "consumer"):
        runner.hear(SLOT_WANTED, user="u", role=role)
    running = time.monotonic()
    runner.hear(COUNTS, producing=1, acked=0, delivered={})
    while not runner.quits:
        gevent.sleep(0.05)
        assert time.monotonic() < running + 60
    assert runner.quits[0] - running >= 0.5


def test_restarted_load_is_not_ended_by_the_previous_run_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator_module, "_START_AFTER_NS", 1_000_000)
    monkeypatch.setattr(coordinator_module, "_ALL_STARTED_S", 0.1)
    runner = Runner()
    made = coordinator(runner, settings(run_time_s=0.3))
    made.started()
    made.begin()
    gevent.sleep(1.0)
    assert not runner.quits


@pytest.mark.parametrize("web", [False, True])
def test_the_verdict_comes_after_the_tables_of_locust_which_a_page_does_not_print(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], web: bool
) -> None:
    monkeypatch.setattr(coordinator_module, "_FLUSH_S", 0.1)
    monkeypatch.setattr(coordinator_module, "_SUMMARY_S", 0.1)
    runner = Runner()
    environment = SimpleNamespace(runner=runner, web_ui=object() if web else None)
    made = Coordinator(environment, settings(drain_s=0.1))
    runner.hear(SLOT_WANTED, user="u", role="producer")
    runner.hear(COUNTS, producing=0, acked=0, delivered={})
    made.finish()
    ended = capsys.readouterr().out
    assert ended.startswith("load: ending: producers flush")
    assert ("INCONCLUSIVE" in ended) == web
    print("the tables")
    made.show()
    made.show()
    after = capsys.readouterr().out.splitlines()
    assert after[0] == "the tables"
    assert [line.split(":")[1] for line in after if line.startswith("load:")] == ([] if web else [" INCONCLUSIVE"])
