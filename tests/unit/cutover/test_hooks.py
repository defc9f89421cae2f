"""Commands of a plan: which ones a step runs, with what environment, and what happens if they fail or hang."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.cutover.audit import Audit
from cutover_harness.cutover.hooks import Hooks, run_limited
from cutover_harness.cutover.secrets import secrets_of
from cutover_harness.errors import UsageError
from cutover_harness.planning.model import PlanFile, PlannedBatch
from cutover_harness.planning.read import ReadPlan
from cutover_harness.procedure.names import StepName

from tests.waiting import wait_until


def hooks(folder: Path, **mover: Any) -> Hooks:
    batch = PlannedBatch.model_validate(
        {
            "name": "shop",
            "path": "in-process",
            "topics": ["orders"],
            "groups": {"legacy": {"moves": "restart", **mover}, "billing": {"moves": "shim"}},
        }
    )
    return Hooks(plan_of(batch), batch, folder, folder, Audit(folder / "audit.jsonl", "run", "0" * 64))


def plan_of(batch: PlannedBatch, folder: Path = Path(), **more: Any) -> ReadPlan:
    clusters = {name: {"properties": f"{name}.properties"} for name in ("source", "target")}
    plan = PlanFile.model_validate({"name": "shop", "clusters": clusters, "batches": [batch], **more})
    return ReadPlan(folder / "shop.yaml", plan, "0" * 64)


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("step", "output"),
    [
        (StepName.STOP_CONSUMERS, "stop legacy hold"),
        (StepName.CONSUMERS_TO_TARGET, "start legacy target"),
        (StepName.CONSUMERS_TO_SOURCE, "start legacy source"),
        (StepName.STOP_PRODUCERS, None),
        (StepName.DELETE_TASK, None),
    ],
)
def test_the_command_of_a_step(tmp_path: Path, step: StepName, output: str | None) -> None:
    words = 'echo "$0 $CUTOVER_CLIENT $CUTOVER_LOCATION"'
    run = hooks(tmp_path, on_stop=["sh", "-c", words, "stop"], on_start=["sh", "-c", words, "start"])
    run(step, "before")
    assert not (tmp_path / "audit.jsonl").exists()
    run(step, "move")
    found = log(tmp_path) if (tmp_path / "audit.jsonl").exists() else []
    assert [line["output"].strip() for line in found if line["event"] == "command ended"] == [output] * bool(output)


def test_a_command_that_fails_stops_the_run(tmp_path: Path) -> None:
    run = hooks(tmp_path, on_stop=["sh", "-c", "echo no such deployment; exit 3"])
    with pytest.raises(UsageError, match=r"legacy: sh -c .*: exit code 3: no such deployment"):
        run(StepName.STOP_CONSUMERS, "move")
    assert log(tmp_path)[-1]["exit_code"] == 3


def test_passwords_of_a_command_are_nowhere(tmp_path: Path) -> None:
    words = "echo no answer from https://u:hunter2@host; exit 3"
    run = hooks(tmp_path, on_stop=["sh", "-c", words, "--password=hunter2"])
    with pytest.raises(UsageError) as error:
        run(StepName.STOP_CONSUMERS, "move")
    assert "no answer from" in str(error.value)
    assert "hunter2" not in f"{error.value}{(tmp_path / 'audit.jsonl').read_text()}"


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    run = hooks(tmp_path, on_stop=["sh", "-c", "sleep 60 & echo $! > child; wait"], within_s=0.5)
    with pytest.raises(UsageError, match=r"did not end within 0 s|did not end within 1 s"):
        run(StepName.STOP_CONSUMERS, "move")
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _lives(child):
        time.sleep(0.05)
    assert not _lives(child)
    assert log(tmp_path)[-1]["exit_code"] is None


def test_a_command_ends_with_a_tool_that_is_killed_and_what_it_has_started_stays(tmp_path: Path) -> None:
    script = tmp_path / "hook"
    script.write_text("setsid sleep 600 & echo $! > service; echo $$ > command; sleep 600\n")
    words = "from cutover_harness.cutover.hooks import run_limited; from pathlib import Path; import os, sys; "
    words += "run_limited(['sh', 'hook'], 600, os.environ, Path(sys.argv[1]))"
    tool = subprocess.Popen([sys.executable, "-c", words, str(tmp_path)])
    ours: list[int] = []
    try:
        wait_until(lambda: (tmp_path / "command").exists() and (tmp_path / "command").read_text().endswith("\n"), 30)
        ours = [int((tmp_path / name).read_text()) for name in ("command", "service")]
        assert all(map(_lives, ours))
        tool.kill()
        tool.wait()
        wait_until(lambda: not _lives(ours[0]), 30)
        assert _lives(ours[1])
    finally:
        tool.kill()
        for pid in ours:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no-such-command: cannot be started"):
        run_limited(["no-such-command"], 5, os.environ, tmp_path)


@pytest.mark.parametrize(
    ("step", "works_there", "ran"),
    [
        (StepName.CONSUMERS_TO_TARGET, False, ["etl target"]),
        (StepName.CONSUMERS_TO_SOURCE, False, ["etl source"]),
        (StepName.CONSUMERS_TO_TARGET, True, []),  # its connectors may run there already
        (StepName.STOP_CONSUMERS, False, []),
        (StepName.PRODUCERS_TO_TARGET, False, []),  # none of its connectors produces
    ],
)
def test_a_connect_cluster_is_pointed_once_to_where_its_connectors_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: StepName, works_there: bool, ran: list[str]
) -> None:
    sinks = {f"connect-{name}": {"moves": "connector", "connector": name, "connect": "etl"} for name in ("a", "b")}
    batch = PlannedBatch.model_validate({"name": "shop", "path": "stop-first", "topics": ["orders"], "groups": sinks})
    command = ["sh", "-c", 'echo "$CUTOVER_CLIENT $CUTOVER_LOCATION"']
    plan = plan_of(batch, connect_clusters={"etl": {"url": "http://127.0.0.1:1", "on_repoint": command}})
    monkeypatch.setattr(Hooks, "_works", lambda *_: works_there)
    Hooks(plan, batch, tmp_path, tmp_path, Audit(tmp_path / "audit.jsonl", "run", "0" * 64))(step, "move")
    found = log(tmp_path) if (tmp_path / "audit.jsonl").exists() else []
    assert [line["output"].strip() for line in found if line["event"] == "command ended"] == ran


def test_a_connect_cluster_of_which_nothing_is_known_is_pointed(tmp_path: Path) -> None:
    assert not hooks(tmp_path)._works("etl", "target")


def test_what_a_command_prints_of_the_plans_secrets_is_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_URL", "https://hooks.example/T0/planted-5")
    (tmp_path / "source.properties").write_text("bootstrap.servers=s:1\nsasl.password=planted-1\n")
    (tmp_path / "target.properties").write_text("sasl.password=${file:pw}\n")  # and one that cannot be read
    (tmp_path / "key").write_text("planted-3")
    (tmp_path / "connect.properties").write_text(f"user=ann\npassword=${{file:{tmp_path}/connect.pw}}\n")
    (tmp_path / "connect.pw").write_text("planted-4")
    words = 'echo "planted-1 $(cat key) $(cat connect.pw) $HOOK_URL mover"; exit 1'
    batch = hooks(tmp_path, on_stop=["sh", "-c", words]).batch
    connect = {"url": "http://connect:8083", "properties": "connect.properties"}
    given = {"key": "${file:key}", "connect": connect, "webhooks": [{"url": "${HOOK_URL}"}]}
    plan = plan_of(batch, tmp_path, **given)
    audit = Audit(tmp_path / "audit.jsonl", "run", "0" * 64)
    run = Hooks(plan, batch, tmp_path, tmp_path, audit, secrets_of(plan))
    with pytest.raises(UsageError, match=r"exit code 1: \*\*\* \*\*\* \*\*\* \*\*\* mover"):
        run(StepName.STOP_CONSUMERS, "move")
    assert "planted-3" not in (tmp_path / "audit.jsonl").read_text()
    assert [line["output"].strip() for line in log(tmp_path) if line["event"] == "command ended"] == [
        "*** *** *** *** mover"
    ]
