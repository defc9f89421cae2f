"""`doctor` lists what is missing, with a remedy."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cutover_harness.cli import doctor


def test_a_machine_that_is_fit(tmp_path: Path) -> None:
    found = [doctor.python(), doctor.java(), doctor.cache(tmp_path / "not" / "yet"), doctor.ports()]
    assert [finding.state for finding in found] == ["ok"] * 4, found
    assert not (tmp_path / "not").exists(), "looking makes nothing"


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1 << 40, 1 << 40, 1 << 20))
    finding = doctor.cache(tmp_path)
    assert (finding.state, "a rehearsal needs 2.0 GB" in finding.text) == ("no", True)


def test_java_that_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_args: object, **_options: object) -> None:
        raise subprocess.CalledProcessError(1, "java")

    monkeypatch.setattr(subprocess, "run", fails)
    assert doctor.java().state == "no"


def test_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cutover_harness.testbed.ports.Ports._reserve", lambda _self, _port: False)
    finding = doctor.ports()
    assert (finding.state, "no free port" in finding.text) == ("no", True)


def test_no_engine_is_no_hindrance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/socket")
    client, finding = doctor.container_engine()
    assert (client, finding.state) == (None, "-")
    assert "--testbed process" in finding.text
