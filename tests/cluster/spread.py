"""Clients of the shim, and a plan of their topics, for `preflight PLAN --measure-spread` on real brokers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from cutover_harness.admin import Admin
from cutover_harness.testbed import ProcessTestbed
from cutover_shim import Consumer, Producer, signature

from tests.unit.conductor.run_folder import Cli
from tests.waiting import wait_until

KEY = "0123456789abcdef0123456789abcdef"


class Scene:
    """A topic, a group and a topic of statuses, and the first document; `name` is unique on the clusters."""

    def __init__(self, bed: ProcessTestbed, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.statuses = f"{name}-statuses"
        self.clusters = {"source": bed.source.client_config(), "target": bed.target.client_config()}
        for cluster, config in self.clusters.items():
            Admin(config).create_topics({name: 1})
            lines = "".join(f"{key}={value}\n" for key, value in config.items())
            (folder / f"{cluster}.properties").write_text(lines)
        Admin(self.clusters["source"]).create_topics({self.statuses: 1}, {"cleanup.policy": "compact"})
        (folder / "key").write_text(KEY)

    @property
    def group(self) -> str:
        return f"{self.name}-group"

    def body(self, generation: int) -> str:
        """Return the document without a signature."""
        clusters = "".join(
            f"[clusters.{name}]\n" + "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in its.items())
            for name, its in self.clusters.items()
        )
        return (
            f"generation = {generation}\n{clusters}[routes.shop]\ntopics = [{json.dumps(self.name)}]\n"
            f'groups = [{json.dumps(self.group)}]\nproducers = "source"\nconsumers = "source"\n'
        )

    def document(self, generation: int) -> str:
        return signature.sign(self.body(generation).encode(), KEY.encode()).decode()

    def plan(self, reach: Sequence[Mapping[str, str]]) -> Path:
        """Write the plan whose clients are reached in these ways."""
        batch = {
            "name": "shop",
            "path": "in-process",
            "topics": [self.name],
            "groups": {self.group: {"moves": "shim"}},
            "producers": {"sender": {"moves": "shim"}},
        }
        content = {
            "format": 1,
            "name": "spread",
            "clusters": {name: {"properties": f"{name}.properties"} for name in self.clusters},
            "statuses": f"kafka:{self.statuses}",
            "reach": list(reach),
            "key": "${file:key}",
            "batches": [batch],
        }
        file = self.folder / "plan.yaml"
        file.write_text(yaml.safe_dump(content, sort_keys=False))
        return file

    @contextmanager
    def clients(self, **channels: Mapping[str, str]) -> Iterator[None]:
        """Run a consumer, `reader`, and a producer for every other name, each with the properties of its channels."""
        stop = threading.Event()
        common = {
            **self.clusters["source"],
            "cutover.status": f"kafka:{self.statuses}",
            "cutover.key": f"${{file:{self.folder / 'key'}}}",
            "log_level": 0,
        }
        made: list[Any] = []
        for name, its in channels.items():
            conf = {**common, **its, "cutover.instance": name, "client.id": name}
            if name == "reader":
                made.append(Consumer({**conf, "group.id": self.group, "auto.offset.reset": "earliest"}))
                made[-1].subscribe([self.name])
            else:
                made.append(Producer({**conf, "cutover.app": name}))

        def serve(client: Any) -> None:
            while not stop.is_set():
                client.poll(0.05)

        threads = [threading.Thread(target=serve, args=(client,)) for client in made]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            for client in made:
                client.close()

    def wait_for(self, cli: Cli, *clients: str) -> None:
        """Wait until the clients report."""

        def reported() -> bool:
            code, said, _ = cli(
                "fleet", f"kafka:{self.statuses}", "--cluster", str(self.folder / "source.properties"), "--json"
            )
            return code in (0, 1) and {row["client"] for row in json.loads(said)["clients"]} >= set(clients)

        wait_until(reported)


def spread(cli: Cli, plan: Path, *options: str) -> list[dict[str, Any]]:
    """Return the findings of the rule `spread` of a preflight that measures it."""
    code, said, errors = cli("preflight", str(plan), "--measure-spread", "--json", *options)
    assert code in (0, 1), errors
    found: list[dict[str, Any]] = json.loads(said)["findings"]
    return [each for each in found if each["rule"] == "spread"]
