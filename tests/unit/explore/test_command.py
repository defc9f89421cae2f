"""`kafka-cutover scenarios explore`: exit codes, output, and counterexamples as scenario files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cutover_harness import __version__
from cutover_harness.cli.scenarios_explore import explore
from cutover_harness.cli.scenarios_total import Total
from cutover_harness.errors import UsageError
from cutover_harness.explore.case import Bounds, Removed
from cutover_harness.explore.catalogue import cases
from cutover_harness.explore.counterexample import scenario_of
from cutover_harness.explore.invariants import Damage
from cutover_harness.explore.necessity import Necessity, gates_of, necessity
from cutover_harness.explore.search import Violation
from cutover_harness.plan.load import parse
from cutover_harness.procedure.names import StepName

BEFORE_PRODUCERS = "producers-to-target/before/mirror at zero"


def test_no_violation_within_the_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert explore(["rollback-from-2"], records=1, faults=0) == 0
    assert "rollback-from-2 (shim): " in capsys.readouterr().out


def test_a_violation_is_printed_as_a_trace_and_written_as_a_scenario(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explore(["in-process"], records=2, faults=0, without=BEFORE_PRODUCERS, out=tmp_path) == 1
    shown = capsys.readouterr().out
    assert "producers-to-target is done (cutover file: producers = target)" in shown
    (file,) = tmp_path.glob("*.yaml")
    scenario = parse(file.read_text(encoding="utf-8"), str(file))
    assert scenario.expect.must_fail == ("reordered",)  # without delete-task what is late still arrives
    assert [step.step for step in scenario.path if not step.safety] == ["producers-to-target"]


def test_a_search_that_a_bound_ended_proves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert explore(["in-process"], faults=0, depth=4, result_file=Path("-")) == 3
    (row,) = json.loads(capsys.readouterr().out)["paths"]
    assert (row["complete"], row["violation"]) == (False, None)


def test_a_result_says_what_was_searched(capsys: pytest.CaptureFixture[str]) -> None:
    """Complete within narrow bounds, or without a gate, is not what a search of the defaults shows."""
    gate = "create-task/after/mirror running"
    options: dict[str, Any] = {
        "records": 1,
        "faults": 1,
        "kinds": ["client-dies"],
        "without": gate,
        "result_file": Path("-"),
    }
    assert explore(["rollback-from-1"], **options) == 0
    found = json.loads(capsys.readouterr().out)
    (row,) = found["paths"]
    assert (row["complete"], found["product"], row["without"]) == (True, __version__, [gate])
    assert [step["step"] for step in row["steps"]] == ["create-task", "delete-task"]
    bounds = {"partitions": 1, "records": 1, "faults": 1, "kinds": ["client-dies"], "depth": None, "seconds": None}
    assert bounds.items() <= row["bounds"].items()
    assert explore(["rollback-from-1"], **options | {"result_file": None}) == 0
    assert f"rollback-from-1 (shim, without {gate}): " in capsys.readouterr().out
    assert explore(["rollback-from-1"], faults=0, walks=1, result_file=Path("-")) == 3
    (row,) = json.loads(capsys.readouterr().out)["paths"]
    assert (row["complete"], row["walks"]) == (False, 1)
    assert explore(["rollback-from-1"], faults=0, walks=1) == 3
    assert "1 walk, no violation" in capsys.readouterr().out


def test_names_that_are_printed_are_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    printed = [case.name for case in cases((), Bounds())]
    assert cases(printed, Bounds()) == cases((), Bounds())
    name = "in-process in a plan, restarted-group"
    assert explore([name], faults=0, depth=3) == 3
    assert f"{name} (restarted-group): " in capsys.readouterr().out
    with pytest.raises(UsageError, match="no such path of a plan: give one of: in-process in a plan, shim; "):
        cases(["in-process in a plan, none"], Bounds())


def test_a_gate_whose_search_a_bound_ended_is_not_without_counterexample(capsys: pytest.CaptureFixture[str]) -> None:
    (case,) = cases(["rollback-from-1"], Bounds())
    gates = len(gates_of(case))
    assert explore(["rollback-from-1"], every_gate=True, depth=2, jobs=1) == 3
    *lines, total = capsys.readouterr().out.splitlines()
    assert len(lines) == gates  # a bound leaves out no gate
    assert all("bound reached, no counterexample until then" in line for line in lines)
    assert total.startswith(f"total: {gates} gates of 1 path, ")
    assert f": 0 necessary, 0 without a counterexample, {gates} ended by a bound; " in total


def test_the_last_line_has_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    assert explore(["rollback-from-1", "rollback-from-2"], records=1, faults=0, jobs=1) == 0
    shown = capsys.readouterr()
    *lines, total = shown.out.splitlines()
    states = sum(int(line.split(": ")[1].split(" ")[0]) for line in lines)
    assert total.startswith(f"total: 2 paths, {states} states, 0 violations; ")
    assert [line for line in shown.err.splitlines() if "done" in line] == [
        "  … 1 of 2 paths done",
        "  … 2 of 2 paths done",
    ]
    assert explore(["in-process"], faults=0, depth=4) == 3
    assert " 0 violations, 1 ended by a bound; " in capsys.readouterr().out.splitlines()[-1]
    assert explore(["in-process", "stop-first"], faults=0, walks=2) == 3
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1].startswith("total: 2 paths, 4 walks, 0 violations; ")
    assert "stop-first: path 2 of 2" in shown.err


def test_gates_are_counted_by_what_they_prevent() -> None:
    (case,) = cases(["in-process"], Bounds())
    damage = Violation(Damage("lost", "records are lost"), ("records are lost",))
    total = Total()
    for violation, complete, together in (
        (damage, True, False),
        (damage, False, True),
        (None, True, False),
        (None, False, False),
        (None, False, False),
    ):
        total.left_out(case, Necessity(Removed("a gate"), violation, case, 10, complete, together))
    assert total.line().startswith(
        "total: 5 gates of 1 path, 50 states: 2 necessary (1 together with the same gate of other steps), "
        "1 without a counterexample, 2 ended by a bound; "
    )


def test_one_state_is_not_one_states(capsys: pytest.CaptureFixture[str]) -> None:
    assert explore(["in-process"], faults=0, depth=0) == 3
    assert ": 1 state, " in capsys.readouterr().out


def test_walks_prove_nothing_but_find_damage() -> None:
    assert explore(["in-process"], faults=0, walks=3) == 3
    assert explore(["both-at-once"], records=8, faults=0, walks=60) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"names": ["in-process"], "without": "nothing"}, "has no such gate: give one of: create-task/before/"),
        ({"names": ["in-process"], "kinds": ["fire"]}, "--fault fire: no such fault: give one of: mirror-away"),
        ({"names": ["in-process"], "every": True}, "give names or files of scenarios, or --all"),
        ({}, "give names or files of scenarios, or --all"),
        (
            {"runs": [Path("x")], "result_file": Path("-")},
            "--replay: takes path and bounds from the run.*leave out --json",
        ),
        ({"runs": [Path("x")], "names": ["in-process"]}, "leave out names"),
        ({"names": ["two-batches"]}, "one batch is explored at a time"),
    ],
)
def test_bad_input_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        explore(**options)  # type: ignore[arg-type]


def test_the_catalogue_has_every_switchover_and_rollback() -> None:
    names = [case.name for case in cases((), Bounds())]
    assert {"stop-first", "in-process", "restart", "overlap", "rollback-from-6-reverse"} <= set(names)
    assert not {"producers-first", "connect-killed", "two-batches"} & set(names)
    assert len(names) == len(set(names))


def test_a_gate_without_a_counterexample_is_named() -> None:
    (case,) = cases(["rollback-from-1"], Bounds(kinds=("mirror-away",)))
    gate = next(gate for gate in gates_of(case) if gate.gate == "mirror running")
    found = necessity(case, gate)
    assert (found.violation, found.complete) == (None, True)


def test_what_the_testbed_cannot_leave_out_has_no_scenario() -> None:
    (case,) = cases(["in-process"], Bounds())
    gate = Removed("attested held", StepName.STOP_CONSUMERS, after=True)
    found = necessity(case, gate)
    assert found.violation is not None
    assert found.violation.damage.kind == "re-read"
    assert scenario_of(case, gate, found.violation) is None


@pytest.mark.parametrize(
    ("path", "gate", "bounds", "measure", "faults"),
    [
        ("restart", BEFORE_PRODUCERS, Bounds(records=2, faults=0), "reordered", [("freeze", "connect")]),
        (
            "rollback-from-6-reverse",
            "reverse-mirror/before/mirror at zero",
            Bounds(records=2, faults=0),
            "reordered",
            [("freeze", "connect"), ("freeze", "source")],
        ),
        (
            "stop-first",
            "consumers-to-target/before/target has what groups need",
            Bounds(records=2, faults=1, kinds=("target-retention",)),
            "lost",
            [("expire", "topics")],
        ),
    ],
)
def test_each_damage_is_made_with_the_faults_that_it_needs(
    tmp_path: Path, path: str, gate: str, bounds: Bounds, measure: str, faults: list[tuple[str, str]]
) -> None:
    chosen = {"records": bounds.records, "faults": bounds.faults, "kinds": list(bounds.kinds), "out": tmp_path}
    assert explore([path], without=gate, **chosen) == 1  # type: ignore[arg-type]
    (file,) = tmp_path.glob(f"{path}-without-*.yaml")
    scenario = parse(file.read_text(encoding="utf-8"), str(file))
    assert scenario.expect.must_fail == (measure,)
    assert [(fault.kind, fault.of) for fault in scenario.faults] == faults


def test_a_fault_that_would_come_too_early_makes_no_scenario(tmp_path: Path) -> None:
    """Producers are held twice on this path, and the fault belongs to the second hold."""
    gate = "producers-to-source/before/reverse mirror at zero"
    assert explore(["rollback-from-6-reverse"], records=2, faults=0, without=gate, out=tmp_path) == 1
    assert not list(tmp_path.glob("*.yaml"))
