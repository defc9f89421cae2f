"""The examples of the documentation: real processes on real brokers, which change the cluster while they run."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Consumer, Producer
from cutover_harness.admin import Admin
from cutover_harness.testbed import ProcessTestbed
from cutover_shim.cutover_file import parse

from tests.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


class Tried:
    """An example with names of topics and groups of its own, and a cutover file."""

    def __init__(self, testbed: ProcessTestbed, folder: Path) -> None:
        self.folder, self.end = folder, f"-{uuid.uuid4().hex[:6]}"
        self.clusters = {"source": testbed.source.client_config(), "target": testbed.target.client_config()}
        self.orders, self.invoices = f"orders{self.end}", f"invoices{self.end}"
        for config in self.clusters.values():
            Admin(config).create_topics({self.orders: 1, self.invoices: 1})
        self.generation = 0
        self.steer(producers="source", consumers="source")

    def steer(self, *, producers: str, consumers: str) -> None:
        self.generation += 1
        tables = [
            f'[clusters.{name}]\n"bootstrap.servers" = "{config["bootstrap.servers"]}"\n'
            for name, config in self.clusters.items()
        ]
        route = (
            f'[routes.orders]\ntopics = ["*{self.end}"]\ngroups = ["*{self.end}"]\n'
            f'producers = "{producers}"\nconsumers = "{consumers}"\n'
        )
        new = self.folder / "new.toml"
        new.write_text("\n".join([f"generation = {self.generation}\n", *tables, route]), encoding="utf-8")
        new.replace(self.folder / "cutover.toml")

    def program(self, name: str) -> Path:
        """Return a copy of an example with its topics and groups under the names of this test, and nothing else."""
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        for word in ("invoices", "billing", "invoicing"):
            text = text.replace(f'"{word}"', f'"{word}{self.end}"')
        text = text.replace('"cutover.route": "orders"', '"cutover.route": "ROUTE"')
        text = text.replace('"orders"', f'"{self.orders}"').replace('"ROUTE"', '"orders"')
        (self.folder / name).write_text(text, encoding="utf-8")
        return self.folder / name

    @contextmanager
    def running(self, *command: object) -> Iterator[subprocess.Popen[str]]:
        env = {**os.environ, "CUTOVER_FILE": str(self.folder / "cutover.toml"), "PYTHONUNBUFFERED": "1"}
        log = self.folder / "log"
        with (
            log.open("w") as out,
            subprocess.Popen(
                [sys.executable, *map(str, command)], cwd=self.folder, env=env, stdout=out, stderr=out, text=True
            ) as process,
        ):
            try:
                yield process
                assert process.poll() is None, f"the example has ended: {log.read_text()}"
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()

    def produce(self, cluster: str, *values: str) -> None:
        producer = Producer(self.clusters[cluster])
        for value in values:
            producer.produce(self.orders, value=value.encode())
        assert producer.flush(30) == 0

    def count(self, cluster: str, topic: str) -> int:
        return sum(Admin(self.clusters[cluster]).end_offsets([topic]).values())

    def values(self, cluster: str, topic: str) -> list[bytes]:
        consumer = Consumer(
            {
                **self.clusters[cluster],
                "group.id": f"reader-{uuid.uuid4()}",
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        consumer.subscribe([topic])
        found: list[bytes] = []
        try:
            while (message := wait_until(lambda: consumer.poll(0.5))) is not None:
                if message.error():  # the end of the partition
                    return found
                found.append(message.value() or b"")
        finally:
            consumer.close()
        return found


@pytest.fixture
def tried(testbed: ProcessTestbed, tmp_path: Path) -> Tried:
    return Tried(testbed, tmp_path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_six_lines_of_the_readme(tried: Tried) -> None:
    with tried.running(tried.program("six_lines.py")):
        wait_until(lambda: tried.count("source", tried.orders) > 0)
        assert tried.count("target", tried.orders) == 0
        tried.steer(producers="hold", consumers="hold")
        tried.steer(producers="target", consumers="target")
        wait_until(lambda: tried.count("target", tried.orders) > 0)
        left = tried.count("source", tried.orders)
        arrived = tried.count("target", tried.orders)
        wait_until(lambda: tried.count("target", tried.orders) > arrived + 2)
        assert tried.count("source", tried.orders) == left


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("flask_app.py", ("-m", "flask", "--app", "flask_app", "run", "--port")),
        ("fastapi_app.py", ("-m", "uvicorn", "fastapi_app:app", "--port")),
    ],
)
def test_a_web_application_keeps_serving_while_its_cluster_changes(
    tried: Tried, name: str, command: tuple[str, ...]
) -> None:
    tried.program(name)
    port = free_port()
    with tried.running(*command, port), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

        def up() -> bool:
            try:
                return client.get("/health").status_code == 200
            except httpx.TransportError:
                return False

        def order() -> bool:
            return client.post("/orders", content=b"an order").is_success

        wait_until(up)
        assert order()
        wait_until(lambda: tried.count("source", tried.orders) == 1)
        tried.steer(producers="target", consumers="target")
        wait_until(lambda: client.get("/health").json() == {"cluster": "target"})
        assert order()
        wait_until(lambda: tried.count("target", tried.orders) == 1)
        assert tried.count("source", tried.orders) == 1


def test_an_asyncio_worker_reads_on_the_other_cluster_where_its_group_stands(tried: Tried) -> None:
    tried.produce("source", "one", "two")
    with tried.running(tried.program("asyncio_worker.py")):
        log = tried.folder / "log"
        wait_until(lambda: log.read_text().split() == ["one", "two"], state=log.read_text)
        tried.produce("target", "three")
        tried.steer(producers="target", consumers="target")
        wait_until(lambda: log.read_text().split() == ["one", "two", "three"], state=log.read_text)
    group = f"billing{tried.end}"
    assert [Admin(config).committed(group, [tried.orders]) for config in tried.clusters.values()] == [
        {(tried.orders, 0): 2},
        {(tried.orders, 0): 1},
    ]


def test_consume_transform_produce_writes_each_invoice_once(tried: Tried) -> None:
    tried.produce("source", *(f"s{number}" for number in range(20)))
    with tried.running(tried.program("transform.py")):
        wait_until(lambda: len(tried.values("source", tried.invoices)) == 20, state=(tried.folder / "log").read_text)
        tried.steer(producers="hold", consumers="hold")
        tried.produce("target", *(f"t{number}" for number in range(20)))
        tried.steer(producers="target", consumers="target")
        wait_until(lambda: len(tried.values("target", tried.invoices)) == 20, state=(tried.folder / "log").read_text)
    for cluster in ("source", "target"):
        expected = [f"invoice for {cluster[0]}{number}".encode() for number in range(20)]
        assert tried.values(cluster, tried.invoices) == expected


def test_the_fourth_step_of_the_tutorial_as_it_is_written(tmp_path: Path) -> None:
    """Two brokers of its own, the six lines unchanged, and each command of the page."""
    page = (EXAMPLES.parent / "tutorial.md").read_text(encoding="utf-8").partition("## 4.")[2].partition("## 5.")[0]
    commands = re.findall(r"^kafka-cutover (.+)$", page, flags=re.MULTILINE)
    assert [each.split()[0] for each in commands] == ["fleet", "file", "fleet", "file", "fleet"]
    tool = (sys.executable, "-c", "from cutover_harness.cli import main; main()")
    env = {**os.environ, "CUTOVER_STATUS": "status", "PYTHONUNBUFFERED": "1"}

    def shown() -> str:
        return subprocess.run(
            [*tool, *commands[0].split()], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        ).stdout

    def start(name: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, EXAMPLES / name], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
        )

    with start("two_clusters.py") as brokers:
        try:
            assert "cutover.toml is written" in (brokers.stdout.readline() if brokers.stdout else "")
            with start("six_lines.py") as app:
                try:
                    wait_until(lambda: "source" in shown(), state=shown)
                    for command, location in ((commands[1], "held"), (commands[3], "target")):
                        subprocess.run([*tool, *shlex.split(command)], cwd=tmp_path, env=env, check=True)
                        attests = re.compile(rf"(?m)^attests .* {location} ")
                        wait_until(lambda pattern=attests: pattern.search(shown()), state=shown)  # type: ignore[misc]
                    assert app.poll() is None
                finally:
                    app.terminate()
            target = parse((tmp_path / "cutover.toml").read_text(encoding="utf-8")).clusters["target"].properties
            config = {"bootstrap.servers": str(target["bootstrap.servers"])}
            assert sum(Admin(config).end_offsets(["orders"]).values()) > 0
        finally:
            brokers.terminate()


def test_an_example_that_cannot_start_fails_the_test(tried: Tried) -> None:
    (tried.folder / "broken.py").write_text("raise SystemExit('no')\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="the example has ended: no"), tried.running("broken.py") as process:
        process.wait(30)
