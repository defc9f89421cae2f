"""The pytest plugin on real brokers: the example of the documentation, and a scenario that has to fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "pytest.md"
# A negative control that does not say that it is one.
CARELESS = """
name: careless
title: Producers go first, while the mirror lags
path:
  - create-task
  - synchronise
  - stop-consumers
  - {step: producers-to-target, safety: false}
  - {step: consumers-to-target, safety: false, dwell_s: 8}
faults:
  - {kind: freeze, of: connect, at: producers-to-target, until: producers-to-target, seconds: 6}
lag_at: [producers-to-target]
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """`pytest -n 2` on the example and the scenario, as a user runs it."""
    folder = tmp_path_factory.mktemp("suite")
    example = DOCUMENTATION.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:ddtrace\n", encoding="utf-8")
    (folder / "test_runbook.py").write_text(example, encoding="utf-8")
    (folder / "careless.yaml").write_text(CARELESS, encoding="utf-8")
    options = ["-n", "2", "--dist", "loadfile", "--junit-xml", "junit.xml", "--cutover-out", "out"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    print(done.stdout, done.stderr)
    return done, folder


def test_the_documented_example_passes_and_the_careless_scenario_fails(
    suite: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, folder = suite
    assert done.returncode == 1, done.stdout
    cases = list(ET.parse(folder / "junit.xml").iter("testcase"))  # noqa: S314 - written by the fixture
    failed = [case.get("name") for case in cases if case.find("failure") is not None or case.find("error") is not None]
    assert failed == ["careless"], done.stdout
    assert len(cases) == 5


def test_the_failure_shows_verdict_and_offending_records(
    suite: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = suite
    assert "FAIL: careless: Producers go first" in done.stdout
    assert "  because billing: " in done.stdout
    assert "    reordered  " in done.stdout
    assert "FAILED careless.yaml::careless - FAIL: " in done.stdout
    assert "Traceback" not in done.stdout


def test_the_session_left_one_report(suite: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, folder = suite
    facts = json.loads((folder / "out" / "rehearsal.json").read_text(encoding="utf-8"))
    assert facts["scenarios"] == ["careless", "careful"]
    assert facts["jobs"] == 2
    assert "standing in for AutoMQ" in (folder / "out" / "report.html").read_text(encoding="utf-8")


def test_nothing_is_left_running(suite: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, folder = suite
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((process / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    assert not [line for line in lines if str(folder) in line]
