"""A rehearsal with a control topic: forged documents are refused, and the key stays in its file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("channel") / "out"
    command = [*PROGRAM, "rehearse", "forged-documents", "--seed", "7", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "forged-documents"


def facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return found


def test_every_client_refused_every_forged_document(folder: Path) -> None:
    (proof,) = [each for each in facts(folder)["preconditions"] if each["name"] == "fault forge documents hit"]
    assert proof["held"]
    assert proof["evidence"].startswith("5 of 5 clients refuse each on source and target: unsigned, altered, empty")


def test_generations_came_by_a_channel_that_the_facts_name(folder: Path) -> None:
    reach = facts(folder)["reach"]
    assert reach["channel"] == "kafka"
    came = {each["channel"] for each in reach["arrivals"]}
    assert came & {"kafka:cutover-control@source", "kafka:cutover-control@target"}
    assert None not in came
    assert {each["generation"] for each in reach["arrivals"]} == {2, 3, 4, 5}


def test_the_key_is_in_its_private_file_alone(folder: Path) -> None:
    key = folder / "cutover.key"
    assert key.stat().st_mode & 0o777 == 0o600
    secret = key.read_bytes()
    assert len(secret) == 64
    files = [file for file in folder.parent.rglob("*") if file.is_file() and not file.is_symlink()]
    assert len(files) > 30
    assert [file for file in files if secret in file.read_bytes()] == [key]
