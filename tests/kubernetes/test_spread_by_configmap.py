"""`preflight PLAN --measure-spread` with real brokers and a real API server: a ConfigMap and a control topic together.

With CUTOVER_SHOWS=1: it starts brokers of its own.
"""

from __future__ import annotations

import os
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.testbed import ProcessTestbed
from cutover_shim import api_server
from cutover_shim.kafka_channel import KEY as RECORD_KEY

from tests.cluster.spread import Scene, spread
from tests.kubernetes.shop import Shop, kubeconfig
from tests.unit.conductor.run_folder import Cli, command_line

pytestmark = pytest.mark.skipif(not os.environ.get("CUTOVER_SHOWS"), reason="starts brokers: CUTOVER_SHOWS=1")


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    with command_line(monkeypatch, capsys) as call:
        yield call


def test_each_client_sees_it_by_the_channel_that_it_follows(
    shop: Shop, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The clients are in pods of the account `orders`; kafka-cutover has a kubeconfig, whose current context counts.
    monkeypatch.setattr(api_server, "ACCOUNT", shop.mount("orders"))
    for name, value in shop.plane.environment().items():
        monkeypatch.setenv(name, value)
    access = kubeconfig(shop, "conductor")
    access.write_text(yaml.safe_dump(yaml.safe_load(access.read_text()) | {"current-context": "conductor"}))
    monkeypatch.setenv("KUBECONFIG", str(access))
    with ProcessTestbed(tmp_path / "bed") as bed:
        scene = Scene(bed, tmp_path, f"spread-{uuid.uuid4().hex[:8]}")
        control, map_name = f"{scene.name}-control", f"{shop.namespace}/cutover"
        for config in scene.clusters.values():
            Admin(config).create_topics({control: 1}, {"cleanup.policy": "compact"})
            producer = Producer(config)
            producer.produce(control, scene.document(1).encode(), RECORD_KEY)
            assert producer.flush(30) == 0
        shop.write(scene.document(1))
        by_map, by_topic = {"cutover.channel": f"configmap:{map_name}"}, {"cutover.channel": f"kafka:{control}"}
        with scene.clients(sender=by_map, reader=by_topic):
            scene.wait_for(cli, "sender", "reader")
            (finding,) = spread(cli, scene.plan([{"configmap": map_name}, {"kafka": control}]))
            assert (finding["severity"], finding["subject"]) == ("note", "generation 2")
            assert finding["reason"].startswith("reached 2 clients")
            written = shop.plane.call("GET", shop.path)["data"]["cutover.toml"]
            assert tomllib.loads(written) == tomllib.loads(scene.body(2)), "nothing else has changed"
            # As negative control without the ConfigMap among the plan's channels.
            found = spread(cli, scene.plan([{"kafka": control}]), "--spread-within", "3")
    assert {each["severity"] for each in found} == {"blocker", "note"}
    (blocker,) = (each for each in found if each["severity"] == "blocker")
    assert blocker["subject"].startswith("clients sender on ")
