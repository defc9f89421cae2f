"""Producers of the shim that follow a ConfigMap: watched, mounted late, mounted with subPath; the API server ends."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, Kubernetes
from cutover_shim import Producer, api_server, watched
from cutover_shim.errors import CutoverFileError
from cutover_shim.signature import sign

from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.kubelet import Kubelet
from tests.kubernetes.shop import Shop, kubeconfig
from tests.unit.conductor.run_folder import command_line
from tests.unit.shim.conftest import MockCluster
from tests.waiting import wait_until

TOPIC = "orders"


@pytest.fixture(scope="module")
def clusters() -> Iterator[dict[str, MockCluster]]:
    found = {name: MockCluster(TOPIC) for name in ("source", "target")}
    yield found
    for cluster in found.values():
        cluster.close()


class Fleet:
    """Producers of one shop, and the conductor that moves them."""

    def __init__(self, shop: Shop, clusters: dict[str, MockCluster], folder: Path) -> None:
        self.shop, self._clusters, self._folder = shop, clusters, folder
        self._generation = 0
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self.sent: Counter[str] = Counter()
        self.reports: Counter[tuple[str, str]] = Counter()

    def point(self, producers: str, key: bytes | None = None) -> int:
        """Write the next document, signed if there is a key, and return its generation."""
        self._generation += 1
        body = self.document(self._generation, producers).encode()
        self.shop.write((body if key is None else sign(body, key)).decode())
        return self._generation

    def document(self, generation: int, producers: str) -> str:
        addresses = {name: cluster.bootstrap for name, cluster in self._clusters.items()}
        return (
            f"generation = {generation}\n"
            f'[clusters.source]\n"bootstrap.servers" = "{addresses["source"]}"\n'
            f'[clusters.target]\n"bootstrap.servers" = "{addresses["target"]}"\n'
            f'[routes.all]\ntopics = ["{TOPIC}"]\ngroups = []\nproducers = "{producers}"\nconsumers = "source"\n'
        )

    def start(self, name: str, **properties: str) -> Producer:
        producer = Producer(
            {"cutover.status": str(self._folder), "cutover.instance": name, "log_level": 0}
            | {key.replace("_", "."): value for key, value in properties.items()}
        )

        def report(error: Any, message: Any) -> None:
            self.reports[message.value().decode(), "delivered" if error is None else str(error)] += 1

        def work() -> None:
            while not self._stop.wait(0.005):
                producer.produce(TOPIC, f"{name}-{self.sent[name]}", on_delivery=report)
                self.sent[name] += 1
                producer.poll(0)
            producer.flush(30)
            producer.close()

        thread = threading.Thread(target=work)
        thread.start()
        self._threads.append(thread)
        return producer

    def status(self, name: str) -> dict[str, Any]:
        file = self._folder / f"{name}.json"
        found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def moved(self, name: str, producers: str, key: bytes | None = None) -> int:
        """Write the next document, and wait until a client attests it."""
        generation = self.point(producers, key)
        self.wait_for(name, generation)
        return generation

    def wait_for(self, name: str, generation: int) -> None:
        wait_until(lambda: self.attests(name, generation), state=lambda: self.status(name))

    def attests(self, name: str, generation: int) -> bool:
        route = self.status(name).get("routes", {}).get("all", {})
        desired = {"hold": "held"}.get(route.get("desired"), route.get("desired"))
        return bool(route) and route["generation"] >= generation and route["state"] == desired

    def generation(self, name: str) -> int:
        return int(self.status(name).get("seen_generation", -1))

    def channel(self, name: str, kind: str = "configmap:") -> dict[str, Any]:
        found = self.status(name).get("channels", [])
        return next((each for each in found if each["channel"].startswith(kind)), {})

    def delivers(self, name: str) -> None:
        """Wait until messages that are produced from now on are delivered."""
        number = self.sent[name] + 5
        wait_until(lambda: self.reports[f"{name}-{number}", "delivered"], state=lambda: self.status(name))

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def delivered_once(self) -> bool:
        wanted = {(f"{name}-{n}", "delivered") for name, count in self.sent.items() for n in range(count)}
        return set(self.reports) == wanted and set(self.reports.values()) <= {1}


@pytest.fixture
def fleet(
    shop: Shop, clusters: dict[str, MockCluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Fleet]:
    """A fleet whose processes are in pods of the account `orders`."""
    monkeypatch.setattr(api_server, "ACCOUNT", shop.mount("orders"))
    for name, value in shop.plane.environment().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "status").mkdir()
    found = Fleet(shop, clusters, tmp_path / "status")
    found.point("source")
    yield found
    found.stop()


def test_a_producer_keeps_working_while_the_api_server_is_away(control_plane: ControlPlane, fleet: Fleet) -> None:
    fleet.start("app", cutover_channel=f"configmap:{fleet.shop.namespace}/cutover")
    fleet.delivers("app")
    control_plane.kill_api()
    try:
        wait_until(lambda: "does not answer" in str(fleet.channel("app").get("error")))
        fleet.delivers("app")
        assert fleet.generation("app") == 1
    finally:
        control_plane.start_api()
    fleet.moved("app", "hold")
    fleet.moved("app", "target")
    assert fleet.channel("app")["error"] is None
    fleet.delivers("app")
    fleet.stop()
    assert fleet.delivered_once()


def test_a_hanging_api_server_stops_nothing_and_what_was_written_meanwhile_arrives(
    control_plane: ControlPlane, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover_shim.configmap_channel.WATCH_S", 2)
    monkeypatch.setattr("cutover_shim.configmap_channel._GRACE_S", 1.0)
    fleet.start("app", cutover_channel=f"configmap:{fleet.shop.namespace}/cutover")
    fleet.delivers("app")
    control_plane.freeze_api()
    try:
        wait_until(lambda: "timed out" in str(fleet.channel("app").get("error")))
        fleet.delivers("app")
    finally:
        control_plane.thaw_api()
    fleet.moved("app", "target")
    fleet.stop()
    assert fleet.delivered_once()


def test_the_watch_is_immediate_the_mounted_folder_late_and_sub_path_never_follows(fleet: Fleet) -> None:
    kubelet = Kubelet(fleet.shop)
    pods = {name: kubelet.start(name) for name in ("watches", "mounts", "copies")}
    channel = f"configmap:{fleet.shop.namespace}/cutover"
    fleet.start("watches", cutover_channel=channel, cutover_file=str(pods["watches"].folder / "cutover.toml"))
    fleet.start("mounts", cutover_file=str(pods["mounts"].folder / "cutover.toml"))
    fleet.start("copies", cutover_file=str(pods["copies"].sub_path))
    for name in pods:
        fleet.delivers(name)
    generation = 1
    for location in ("hold", "target"):
        before, generation = generation, fleet.moved("watches", location)
        assert fleet.channel("watches", "file:")["generation"] == before
        assert fleet.generation("mounts") == before
        kubelet.sync()
        fleet.wait_for("mounts", generation)
        assert fleet.generation("copies") == 1
    assert [client for client in pods if not fleet.attests(client, generation)] == ["copies"]
    assert fleet.status("copies")["rejected"] is None  # nothing tells it that it is behind
    fleet.stop()
    assert fleet.delivered_once()


def test_without_file_and_configmap_a_client_does_not_start(fleet: Fleet) -> None:
    with pytest.raises(CutoverFileError, match=r"the ConfigMap [\w-]+/missing does not exist|403 Forbidden"):
        Producer({"cutover.channel": f"configmap:{fleet.shop.namespace}/missing"})


def test_without_file_a_client_waits_a_time_for_the_api_server(
    control_plane: ControlPlane, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "WAIT_WITHOUT_S", 0.5)
    channel = f"configmap:{fleet.shop.namespace}/cutover"
    control_plane.kill_api()
    try:
        with pytest.raises(CutoverFileError, match="the API server does not answer: Connection refused"):
            Producer({"cutover.channel": channel})
        file = fleet.shop.folder / "boot.toml"
        file.write_text(fleet.document(0, "source"))
        fleet.start("app", cutover_channel=channel, cutover_file=str(file))
        fleet.delivers("app")
    finally:
        control_plane.start_api()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"data": {"cutover.toml": "generation = 0"}}, "clusters"),
        ({"data": {"cutover.toml": ""}}, "empty"),
        ({"data": {"cutover.toml": "#" * 1_000_000}}, "generation"),
        ({"data": None, "binaryData": {"cutover.toml": "/////w=="}}, "not UTF-8 text"),
        ({"data": {"cutover.toml": None}}, "has no key"),
    ],
)
def test_content_that_is_no_document_changes_nothing(fleet: Fleet, content: dict[str, Any], why: str) -> None:
    fleet.start("app", cutover_channel=f"configmap:{fleet.shop.namespace}/cutover")
    fleet.delivers("app")
    fleet.shop.plane.call("PATCH", fleet.shop.path, content)
    wait_until(lambda: why in f"{fleet.channel('app').get('refused')} {fleet.channel('app').get('error')}")
    fleet.delivers("app")
    assert fleet.generation("app") == 1
    fleet.shop.plane.call("PATCH", fleet.shop.path, {"binaryData": None})
    fleet.moved("app", "target")


def test_with_a_key_only_signed_documents_move_a_client(fleet: Fleet, tmp_path: Path) -> None:
    key, others = b"the conductor's own key", b"the key of somebody else"
    (tmp_path / "key").write_bytes(key)
    fleet.point("source", key)
    channel = f"configmap:{fleet.shop.namespace}/cutover"
    fleet.start("app", cutover_channel=channel, cutover_key=f"${{file:{tmp_path / 'key'}}}")
    fleet.delivers("app")
    seen = fleet.generation("app")
    for forged, why in ((None, "not signed"), (others, "its signature does not fit")):
        fleet.point("target", forged)
        wait_until(lambda: why in str(fleet.channel("app")["refused"]))  # noqa: B023 - it is called now
    fleet.shop.write(sign(fleet.document(seen - 1, "target").encode(), key).decode())
    wait_until(lambda: f"generation {seen - 1} after {seen}" in str(fleet.channel("app")["refused"]))
    fleet.delivers("app")
    assert (fleet.generation("app"), fleet.status("app")["routes"]["all"]["state"]) == (seen, "source")
    fleet.moved("app", "target", key)
    assert fleet.channel("app")["refused"] is None


def test_the_command_line_moves_a_client_that_watches(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    channel = f"configmap:{fleet.shop.namespace}/cutover"
    access = ["--kubeconfig", str(kubeconfig(fleet.shop, "conductor")), "--context", "conductor"]
    fleet.start("app", cutover_channel=channel)
    fleet.delivers("app")
    with command_line(monkeypatch, capsys) as call:
        for generation, location in ((2, "hold"), (3, "target")):
            assert call("file", "set", channel, f"all.producers={location}", "--yes", *access)[0] == 0
            fleet.wait_for("app", generation)
        shown = call("file", "show", channel, *access)
        refused = call("file", "set", channel.replace("/cutover", "/other"), "all.producers=source", "--yes", *access)
    assert shown[0] == 0
    assert "target" in shown[1]
    assert refused[0] == 2
    assert "403" in refused[2]
    assert (fleet.generation("app"), fleet.channel("app")["refused"]) == (3, None)
    fleet.stop()
    assert fleet.delivered_once()


def test_a_conductor_writes_file_and_configmap_and_catches_up_once_the_api_server_is_back(
    control_plane: ControlPlane, fleet: Fleet, tmp_path: Path
) -> None:
    channel = f"configmap:{fleet.shop.namespace}/cutover"
    access = Kubernetes(kubeconfig(fleet.shop, "conductor"), "conductor")
    file = tmp_path / "cutover.toml"
    writer = CutoverFileWriter.open(file, [channel], kubernetes=access)
    fleet.start("watches", cutover_channel=channel)
    fleet.start("reads", cutover_file=str(file))
    for name in ("watches", "reads"):
        fleet.delivers(name)
    held = writer.point("all", producers="hold")
    for name in ("watches", "reads"):
        fleet.wait_for(name, held)
    control_plane.kill_api()
    try:
        moved = writer.point("all", producers="target")
        fleet.wait_for("reads", moved)
        assert fleet.generation("watches") == held
    finally:
        control_plane.start_api()
    fleet.wait_for("watches", moved)
    writer.close()
    fleet.stop()
    assert fleet.delivered_once()
