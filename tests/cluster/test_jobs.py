"""Scenarios side by side: each on brokers of its own, and an interruption ends them all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import running_below, wait_until

PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()", "rehearse"]
SCENARIOS = ["rollback-from-2", "rollback-from-1"]


def test_scenarios_side_by_side_give_the_verdicts_that_they_give_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, *SCENARIOS, "--jobs", "2", "--seed", "7"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads((tmp_path / "cutover-out" / "rehearsal.json").read_text(encoding="utf-8"))
    assert facts["scenarios"] == SCENARIOS
    assert facts["jobs"] == 2
    lines = [line.split(" s ", 1)[1] for line in done.stderr.splitlines() if " s " in line]
    assert {line.split()[0] for line in lines} == set(SCENARIOS)
    # Both had begun before either had ended.
    begun = [lines.index(f"{name:<15} [{number}/2]") for number, name in enumerate(SCENARIOS, start=1)]
    assert max(begun) < min(lines.index(f"{name:<15} PASS") for name in SCENARIOS)
    # Each counts its own records: a consumer that had reached the other's brokers would have delivered phantoms.
    for name in SCENARIOS:
        verdict = json.loads((tmp_path / "cutover-out" / name / "verdict.json").read_text(encoding="utf-8"))
        assert all(group["phantom"] == 0 and group["acked"] > 500 for group in verdict["judgement"]["groups"])
    assert not running_below(tmp_path)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda how: str(how.name))
@pytest.mark.parametrize("moment", ["starting Apache Kafka", "1/2 create-task"], ids=["starting", "running"])
def test_an_interruption_ends_every_scenario(tmp_path: Path, how: signal.Signals, moment: str) -> None:
    log = tmp_path / "log"
    with log.open("w", encoding="utf-8") as out:
        tool = subprocess.Popen([*PROGRAM, *SCENARIOS, "--jobs", "2"], cwd=tmp_path, stdout=out, stderr=out)
    wait_until(lambda: moment in log.read_text(encoding="utf-8") and len(running_below(tmp_path)) >= 4)
    assert tool.poll() is None, log.read_text(encoding="utf-8")
    tool.send_signal(how)
    code = tool.wait(60)
    if how == signal.SIGINT:
        assert code == 130, log.read_text(encoding="utf-8")
        assert not running_below(tmp_path)
        assert not list(tmp_path.glob("cutover-out/*/testbed"))
    wait_until(lambda: not running_below(tmp_path))
