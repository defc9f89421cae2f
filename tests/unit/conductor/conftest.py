"""Fixtures of the conductor's tests: the command line, and the folder of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.conductor.run_folder import Cli, command_line, made


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    with command_line(monkeypatch, capsys) as call:
        yield call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made(tmp_path / "run")
    return tmp_path / "run"
