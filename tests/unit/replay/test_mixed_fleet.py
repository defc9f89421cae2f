"""A fleet of which some clients follow documents, and others are restarted; producers with topics of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.replay import Fleet, FleetShape
from cutover_harness.replay.config import ConsumerConfig, ProducerConfig, ReplayOptions
from cutover_harness.replay.shape import Following, ProducerSet
from cutover_harness.types import ClusterName

from tests.unit.replay.test_following import Ended


def fleet_of(folder: Path, monkeypatch: pytest.MonkeyPatch, prefix: str = "") -> Fleet:
    monkeypatch.setattr("cutover_harness.replay.fleet.Member", Ended)
    endpoints: dict[ClusterName, dict[str, str]] = {
        "source": {"bootstrap.servers": "s"},
        "target": {"bootstrap.servers": "t"},
    }
    sets = (ProducerSet(2, (f"{prefix}a", f"{prefix}b"), restarts=1), ProducerSet(1, (f"{prefix}c",)))
    written = {name: prefix + name for name in "abc"} if prefix else {}
    return Fleet(
        FleetShape(groups={"shim": 1, "plain": 1}, sets=sets, restarts={"plain"}),
        ReplayOptions(capture=folder / "capture.parquet", topics=written),
        folder=folder,
        run=1,
        topics=["a", "b", "c"],
        follows=Following(folder / "cutover.toml"),
        endpoints=endpoints,
    )


def producer(folder: Path, number: int) -> ProducerConfig:
    return ProducerConfig.load(folder / "apps" / f"producer-{number}.json")


def test_a_restarted_client_has_an_endpoint_and_the_others_a_cutover_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = fleet_of(tmp_path, monkeypatch)
    fleet.start()
    shim, plain = (ConsumerConfig.load(tmp_path / "apps" / f"{name}-1.json") for name in ("shim", "plain"))
    assert (shim.use_shim, shim.cluster, "bootstrap.servers" in shim.client) == (True, None, False)
    assert (plain.use_shim, plain.cluster, plain.client["bootstrap.servers"]) == (False, "source", "s")
    assert [producer(tmp_path, n).use_shim for n in (1, 2, 3)] == [True, False, True]


def test_a_restart_leaves_the_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = fleet_of(tmp_path, monkeypatch)
    fleet.start()
    before = {name: member for name, member in fleet.members.items() if name not in ("plain-1", "producer-2")}
    fleet.start_consumers(["plain"], cluster="target")
    fleet.start_producers(["producer-2"], cluster="target")
    assert {name: fleet.members[name] for name in before} == before
    assert producer(tmp_path, 2).client["bootstrap.servers"] == "t"
    assert producer(tmp_path, 2).replay.start_ns == producer(tmp_path, 1).replay.start_ns


@pytest.mark.parametrize("prefix", ["", "run-"])
def test_producers_send_to_the_topics_of_their_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    fleet_of(tmp_path, monkeypatch, prefix).start()
    assert producer(tmp_path, 1).replay.topics == {name: prefix + name for name in "ab"}
    assert producer(tmp_path, 3).replay.topics == {"c": prefix + "c"}
    shares = [producer(tmp_path, number).share for number in (1, 2, 3)]
    assert [(share.index, share.of) for share in shares] == [(0, 2), (1, 2), (0, 1)]
