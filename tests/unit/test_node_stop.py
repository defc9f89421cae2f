"""Starting a node on a busy machine, and shutting it down in good order or saying that it was killed."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cutover_harness.testbed import nodes
from cutover_harness.testbed.base import TestbedError
from cutover_harness.testbed.nodes import JvmNode, Program
from cutover_harness.testbed.timing import TIMINGS

OBEDIENT = "trap 'echo BYE; exit 0' TERM; echo UP; while :; do sleep 0.02; done"
LINGERS = "trap 'echo BYE' TERM; echo UP; while :; do sleep 0.02; done"
DEAF = "trap '' TERM; echo UP; while :; do sleep 0.02; done"


SILENT = "while :; do sleep 0.02; done"
BABBLING = "while :; do echo starting; sleep 0.02; done"


def node(tmp_path: Path, script: str, grace_s: float = 60.0) -> JvmNode:
    cache: Any = SimpleNamespace(
        new_record=lambda: None, command=lambda _main, _args, _options, _record: ["/bin/sh", "-c", script]
    )
    log = tmp_path / "node.log"
    program = Program("target broker", "main", tmp_path / "p", tmp_path, log, "BYE", stop_grace_s=grace_s)
    made = JvmNode(program, cache, lambda: log.exists() and "UP" in log.read_text())
    made.launch()
    return made


def test_a_start_may_take_as_long_as_the_log_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, looks, seconds = tmp_path / "node.log", itertools.count(1), itertools.count()

    def serves() -> bool:
        with log.open("a") as file:
            file.write("starting\n")
        return next(looks) > 30

    made = node(tmp_path, SILENT)
    made._serves = serves
    monkeypatch.setattr(nodes, "time", SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda _: None))
    made.await_ready(10)  # 30 looks, a second each
    made.kill()


@pytest.mark.parametrize("script", [SILENT, BABBLING], ids=["silent", "logs for ever"])
def test_a_node_that_does_not_come_up_is_reported(tmp_path: Path, script: str) -> None:
    stuck = node(tmp_path, script)
    with pytest.raises(TestbedError, match="target broker did not answer within"):
        stuck.await_ready(0.1)
    stuck.kill()


@pytest.mark.parametrize(
    ("script", "grace_s", "says"),
    [
        (OBEDIENT, 60.0, None),
        (LINGERS, 60.0, "shut down, but its process stayed and was killed (SIGKILL)"),
        (DEAF, 0.2, "after SIGTERM, so it was killed (SIGKILL)"),
    ],
    ids=["in good order", "lingers", "deaf"],
)
def test_the_way_it_ended_is_reported(tmp_path: Path, script: str, grace_s: float, says: str | None) -> None:
    stopped = node(tmp_path, script, grace_s)
    stopped.await_ready(60)
    said = stopped.stop()
    assert stopped.stopped()
    assert said is None if says is None else said is not None and says in said


def test_figures_by_kind_of_target_and_by_how_slow_the_machine_is() -> None:
    stand_in, automq = TIMINGS["stand-in"], TIMINGS["AutoMQ"]
    assert automq.around_s > 6.1 > stand_in.around_s
    assert automq.patience_s > 2 * 57
    assert automq.stop_grace_s > 17
    assert stand_in.on(3.0) == stand_in
    assert stand_in.on(40.0).patience_s > 2 * 40
    assert stand_in.on(3600.0).patience_s < 600
