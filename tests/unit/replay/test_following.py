"""How documents reach the instances of a fleet: by a copy of the file, by a control topic, and the key by reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cutover_harness.rehearsal.control_topic import new_key
from cutover_harness.replay import Fleet, FleetShape
from cutover_harness.replay.clients import properties
from cutover_harness.replay.config import ConsumerConfig, ReplayOptions
from cutover_harness.replay.fleet import Member
from cutover_harness.replay.shape import Following


class Ended(Member):
    """An instance whose process is not started."""

    def start(self) -> None:
        self.starts = getattr(self, "starts", 0) + 1

    def stop(self) -> str | None:
        return None


def fleet_of(folder: Path, monkeypatch: pytest.MonkeyPatch, follows: Following) -> Fleet:
    monkeypatch.setattr("cutover_harness.replay.fleet.Member", Ended)
    replay = ReplayOptions(capture=folder / "capture.parquet")
    shape = FleetShape(groups={"billing": 2})
    fleet = Fleet(shape, replay, folder=folder, run=1, topics=["t"], follows=follows)
    fleet.start_consumers()
    return fleet


def found(folder: Path, instance: str) -> dict[str, Any]:
    config = ConsumerConfig.load(folder / "apps" / f"{instance}.json")
    return properties(config, {})


def test_instances_get_channel_and_key_as_properties_of_the_shim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key(tmp_path / "cutover.key")
    follows = Following(tmp_path / "cutover.toml", channel="kafka:control", key_file=key)
    fleet_of(tmp_path, monkeypatch, follows)
    its = found(tmp_path, "billing-1")
    assert its["cutover.file"] == str(tmp_path / "cutover.toml")
    assert its["cutover.channel"] == "kafka:control"
    assert its["cutover.key"] == f"${{file:{key}}}"
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_text(encoding="utf-8")) == 64
    written = (tmp_path / "apps" / "billing-1.json").read_text(encoding="utf-8")
    assert key.read_text(encoding="utf-8") not in written
    assert str(tmp_path) not in written


def test_without_a_channel_instances_follow_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet_of(tmp_path, monkeypatch, Following(tmp_path / "cutover.toml"))
    assert not {"cutover.channel", "cutover.key"} & set(found(tmp_path, "billing-1"))


def test_each_instance_follows_the_copy_that_is_mounted_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted: list[str] = []

    def mount(instance: str) -> Path:
        mounted.append(instance)
        return tmp_path / "mounts" / instance / "cutover.toml"

    fleet = fleet_of(tmp_path, monkeypatch, Following(tmp_path / "cutover.toml", mount))
    assert found(tmp_path, "billing-2")["cutover.file"] == str(tmp_path / "mounts" / "billing-2" / "cutover.toml")
    assert mounted == ["billing-1", "billing-2"]
    fleet.restart("billing-2")  # a container that restarts keeps its mount
    assert mounted == ["billing-1", "billing-2"]
    fleet.recreate("billing-2")
    assert mounted == ["billing-1", "billing-2", "billing-2"]
