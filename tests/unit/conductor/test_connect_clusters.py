"""Connect clusters of connectors that move: what is requested, what the run keeps, and what is never kept too early."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.connect_clusters import ConnectCluster, ConnectClusters, MovedConnector, version_of
from cutover_harness.conductor.readback_connectors import read_back_connectors
from cutover_harness.errors import UsageError
from cutover_harness.mirror.connect_rest import Status
from cutover_harness.procedure.connectors import Connectors
from cutover_harness.procedure.state import RouteState

SOURCE = MovedConnector("crm/eu", "crm/eu", "producer", "etl", True, 60)
SINK = MovedConnector("s3", "connect-s3", "consumer", "etl", True, 60)
CONFIG = {"connector.class": "Crm", "crm.password": "hunter2"}
OFFSETS = [({"table": "a"}, {"row": 7})]


class Fake:
    """Connect: one worker, whose connectors and offsets are those of the cluster that it works on."""

    def __init__(self, version: str = "3.9.2") -> None:
        self.works, self.version = "source", version
        self.states: dict[str, dict[str, Status]] = {"source": {}, "target": {}}
        self.configs: dict[str, dict[str, dict[str, str]]] = {"source": {}, "target": {}}
        self.stored: dict[str, list[Any]] = {"source": [], "target": []}
        self.asked: list[str] = []

    def root(self) -> dict[str, Any]:
        return {"version": self.version, "kafka_cluster_id": f"id-{self.works}"}

    def status(self, name: str) -> Status | None:
        return self.states[self.works].get(name)

    def config(self, name: str) -> dict[str, str] | None:
        return self.configs[self.works].get(name)

    def offsets(self, name: str) -> list[Any]:
        return self.stored[self.works]

    def set_state(self, name: str, action: str) -> None:
        self.asked.append(f"{action} {name} on {self.works}")
        self.states[self.works][name] = STOPPED if action == "stop" else RUNS

    def put_config(self, name: str, config: dict[str, str]) -> None:
        self.asked.append(f"put {name} on {self.works}")
        self.configs[self.works][name] = config
        self.states[self.works].setdefault(name, RUNS)

    def create_stopped(self, name: str, config: dict[str, str]) -> None:
        self.asked.append(f"create {name} on {self.works}")
        self.configs[self.works][name] = config
        self.states[self.works][name] = STOPPED

    def patch_offsets(self, name: str, offsets: list[Any]) -> None:
        self.asked.append(f"patch {name} on {self.works}")
        self.stored[self.works] = [pair for pair in offsets if pair[1] is not None]

    def close(self) -> None:
        pass


STOPPED, RUNS = Status("STOPPED", (), None), Status("RUNNING", ("RUNNING", "RUNNING"), None)


@pytest.fixture
def worker() -> Fake:
    found = Fake()
    for each in (SOURCE, SINK):
        found.states["source"][each.name] = RUNS
        found.configs["source"][each.name] = CONFIG
    found.stored["source"] = OFFSETS
    return found


def clusters_of(worker: Fake, folder: Path) -> ConnectClusters:
    clusters = ConnectClusters(
        [ConnectCluster(name="etl", url="http://127.0.0.1:1")],
        folder / "connectors",
        {"source": lambda: "id-source", "target": lambda: "id-target"},
    )
    for place in ("source", "target"):
        clusters._clients["etl", place] = worker  # type: ignore[assignment]
    return clusters


@pytest.fixture
def clusters(worker: Fake, tmp_path: Path) -> ConnectClusters:
    return clusters_of(worker, tmp_path)


def moved(worker: Fake, clusters: ConnectClusters, connector: MovedConnector = SOURCE) -> None:
    """Stop a connector on the source, and point its worker to the target."""
    clusters.stop(connector)
    clusters.keep(connector)
    worker.works = "target"


def test_a_connector_moves_with_its_offsets_and_its_configuration_is_in_a_private_file_alone(
    worker: Fake, clusters: ConnectClusters, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clusters.content(SOURCE) == (CONFIG, OFFSETS)
    moved(worker, clusters)
    assert clusters.content(SOURCE) == (CONFIG, OFFSETS)
    clusters.prepare(SOURCE, "target", carried=True)
    assert worker.status(SOURCE.name) == STOPPED
    assert worker.stored["target"] == OFFSETS
    clusters.resume(SOURCE, "target")
    assert worker.asked == [
        "stop crm/eu on source",
        "create crm/eu on target",
        "patch crm/eu on target",
        "resume crm/eu on target",
    ]
    (file,) = (tmp_path / "connectors").iterdir()
    assert file.name == "crm%2Feu.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "hunter2" in file.read_text()
    assert "hunter2" not in str(capsys.readouterr()) + repr(clusters.kept(SOURCE))
    kept = clusters.kept(SOURCE)
    assert (kept.home, kept.tasks, kept.complete) == ("target", 2, False)


def test_all_of_it_can_be_repeated(worker: Fake, clusters: ConnectClusters) -> None:
    for _ in range(2):
        clusters.stop(SOURCE)
        clusters.keep(SOURCE)
    worker.works = "target"
    for _ in range(2):
        clusters.stop(SOURCE)  # not where it does not work any more
        clusters.keep(SOURCE)
        clusters.prepare(SOURCE, "target", carried=True)
    for _ in range(2):
        clusters.resume(SOURCE, "target")
        clusters.prepare(SOURCE, "target", carried=True)
    assert [each.split()[0] for each in worker.asked] == ["stop", "create", "patch", "put", "resume"]


def test_a_worker_that_was_pointed_to_the_target_too_early_gets_no_connector(
    worker: Fake, clusters: ConnectClusters
) -> None:
    worker.works = "target"
    clusters.stop(SOURCE)
    clusters.keep(SOURCE)
    assert not clusters.kept(SOURCE).complete
    with pytest.raises(UsageError, match="offsets on source were not read before Connect etl left it: point it back"):
        clusters.prepare(SOURCE, "target", carried=True)
    assert worker.asked == []


def test_a_connector_that_runs_on_the_target_before_its_offsets_are_set_is_named(
    worker: Fake, clusters: ConnectClusters
) -> None:
    moved(worker, clusters)
    worker.states["target"][SOURCE.name] = RUNS  # of a mirrored topic of configurations
    with pytest.raises(UsageError, match="crm/eu is RUNNING on target, before its offsets were set: stop it"):
        clusters.prepare(SOURCE, "target", carried=True)
    assert worker.asked == ["stop crm/eu on source"]
    worker.states["target"][SOURCE.name] = STOPPED
    clusters.prepare(SOURCE, "target", carried=True)
    assert worker.stored["target"] == OFFSETS


def test_a_connector_that_a_person_resumed_is_read_again(worker: Fake, clusters: ConnectClusters) -> None:
    clusters.stop(SOURCE)
    clusters.keep(SOURCE)
    worker.set_state(SOURCE.name, "resume")
    clusters.stop(SOURCE)
    assert not clusters.kept(SOURCE).complete


@pytest.mark.parametrize(("carried", "row"), [(True, 9), (False, 7)])
def test_on_the_way_back_offsets_are_carried_over_only_if_records_were(
    worker: Fake, clusters: ConnectClusters, carried: bool, row: int
) -> None:
    moved(worker, clusters)
    clusters.prepare(SOURCE, "target", carried=True)
    clusters.resume(SOURCE, "target")
    worker.stored["target"] = [({"table": "a"}, {"row": 9})]
    clusters.stop(SOURCE)
    clusters.keep(SOURCE)
    worker.works = "source"
    clusters.prepare(SOURCE, "source", carried=carried)
    clusters.resume(SOURCE, "source")
    assert worker.stored["source"] == [({"table": "a"}, {"row": row})]
    assert worker.status(SOURCE.name) == RUNS
    assert not [each for each in worker.asked if each.startswith(("put", "create")) and each.endswith("source")]


def test_a_sink_connector_of_an_earlier_connect_is_created_and_stopped(worker: Fake, clusters: ConnectClusters) -> None:
    worker.version = "3.6.1"
    moved(worker, clusters, SINK)
    clusters.prepare(SINK, "target", carried=True)
    assert worker.status(SINK.name) == STOPPED
    assert worker.asked[1:] == ["put s3 on target", "stop s3 on target"]


@pytest.mark.parametrize(
    ("works", "words"), [("source", "works on source"), ("other", "works on another cluster, id-other")]
)
def test_where_a_worker_works_is_told_by_the_id_of_its_cluster(
    worker: Fake, clusters: ConnectClusters, works: str, words: str
) -> None:
    worker.works = works
    assert clusters.elsewhere(SOURCE, "target") == words
    worker.works = "target"
    assert clusters.elsewhere(SOURCE, "target") is None


def test_a_cluster_without_an_id_proves_nothing(worker: Fake, tmp_path: Path) -> None:
    clusters = ConnectClusters(
        [ConnectCluster(name="etl", url="http://127.0.0.1:1")],
        tmp_path,
        {"source": lambda: None, "target": lambda: None},
    )
    clusters._clients["etl", "target"] = worker  # type: ignore[assignment]
    assert clusters.elsewhere(SOURCE, "target") == "may not work on target: target reports no cluster id"


def test_a_damaged_file_is_named(worker: Fake, clusters: ConnectClusters, tmp_path: Path) -> None:
    clusters.stop(SINK)
    (tmp_path / "connectors" / "s3.json").write_text('{"connector": "s3", "home": "moon"}')
    with pytest.raises(UsageError, match=r"s3\.json: home: is damaged"):
        clusters.kept(SINK)


@pytest.mark.parametrize(
    ("text", "version"),
    [("3.9.2", (3, 9)), ("4.0.0-rc1", (4, 0)), ("7.6.0-ccs", (3, 6)), ("7.6.0-ce", (3, 6)), ("unknown", None)],
)
def test_the_version_of_connect(text: str, version: tuple[int, int] | None) -> None:
    assert version_of({"version": text}) == version


def test_read_back(worker: Fake, clusters: ConnectClusters) -> None:
    state = RouteState("synchronised", "target", "target")
    every = Connectors([SOURCE], clusters)
    moved(worker, clusters)
    clusters.prepare(SOURCE, "target", carried=True)
    assert read_back_connectors(every, state).wrong  # it is stopped
    clusters.resume(SOURCE, "target")
    assert read_back_connectors(every, state).proved == [
        "connector crm/eu on target is RUNNING; tasks: 2 RUNNING; it has stored no new offset there yet"
    ]
    worker.stored["target"] = [({"table": "a"}, {"row": 9})]
    assert "it has produced there" in read_back_connectors(every, state).proved[0]
    worker.states["target"][SOURCE.name] = Status("RUNNING", ("RUNNING",), None)  # one task fewer than on the source
    assert read_back_connectors(every, state).wrong
    worker.works = "source"
    assert read_back_connectors(every, state).wrong == ["connector crm/eu: Connect etl works on source, not on target"]
    assert read_back_connectors(every, RouteState("synchronised", "target", "hold")).unknown
