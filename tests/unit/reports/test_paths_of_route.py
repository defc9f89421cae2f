"""The route's verdict is that of the path which is taken; the others are ranked next to it by measured cost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cutover_reports.build import build
from cutover_reports.html import html
from cutover_reports.markdown import markdown
from cutover_reports.model import Report
from cutover_reports.paths import concerns, known_paths, path_of
from cutover_reports.ranking import cost

from tests.unit.reports.run_folders import FORWARD, SHAPES, Shape, write_run

BY_NAME = {shape.name: shape for shape in SHAPES}
IN_PROCESS = list(known_paths()["in-process"])
OVERLAP = list(known_paths()["overlap"])
GOOD = [*(replace(shape, outcome="PASS", lost=0, stranded=0, preconditions=SHAPES[0].preconditions)
          for shape in SHAPES if shape.name.startswith("rollback-")),
        BY_NAME["producers-first"]]  # fmt: skip
PATHS = [
    Shape("overlap", "Overlap", OVERLAP, across=2918, blackout_s=0.5),
    Shape("in-process", "Without a restart", IN_PROCESS, blackout_s=1.0),
    *GOOD,
]


def report(out: Path, shapes: list[Shape], policy: str = "", plan: dict[str, Any] | None = None) -> Report:
    folder = write_run(out, shapes, target_kind="AutoMQ")
    if policy:
        (folder / "policy.toml").write_text(policy, "utf-8")
    if plan is not None:
        about = json.loads((folder / "rehearsal.json").read_text("utf-8"))
        (folder / "rehearsal.json").write_text(json.dumps(about | {"plan": plan}), "utf-8")
    return build([folder]).report


def test_the_verdict_is_that_of_the_path_which_the_policy_names(tmp_path: Path) -> None:
    limits = "[limits]\nduplicated_on_switchover = 0\n"
    of = {
        path: report(tmp_path / path, PATHS, f'path = "{path}"\n{limits}').routes[0]
        for path in ("in-process", "overlap")
    }
    assert {path: route.decision for path, route in of.items()} == {"in-process": "GO", "overlap": "NO-GO"}
    assert of["in-process"].path_from == "named by the policy policy.toml"
    # Both reports rank both paths, the cheaper first.
    for route in of.values():
        assert [(path.name, path.decision, path.duplicated) for path in route.paths] == [
            ("in-process", "GO", 0),
            ("overlap", "NO-GO", 5836),
        ]
    assert of["in-process"].recommendation.startswith("Take in-process, named by the policy policy.toml: 0 read twice")
    assert "overlap (NO-GO): 5\u202f836 read twice" in of["in-process"].recommendation
    assert "in-process is better (GO)" in of["overlap"].recommendation
    figures = {figure.id: figure.value for figure in of["in-process"].figures}
    assert figures["duplicated-forward"] == "0"


def test_the_plan_names_the_path_of_a_batch(tmp_path: Path) -> None:
    plan = {"name": "shop", "file": "plan.yaml", "sha256": "0" * 64, "all_batches": ["flights"], "batches": ["flights"]}
    found = report(tmp_path / "a", PATHS, plan=plan | {"paths": {"flights": "in-process"}}).routes[0]
    assert (found.path, found.path_from) == ("in-process", "named by the plan shop")
    own = report(tmp_path / "b", PATHS, 'path = "overlap"\n', plan | {"paths": {"flights": "in-process"}}).routes[0]
    assert own.path == "overlap", "the policy comes before the plan"


def test_the_policy_of_a_route_comes_before_that_of_all(tmp_path: Path) -> None:
    policy = 'path = "overlap"\n[routes.flights]\npath = "in-process"\n'
    assert report(tmp_path, PATHS, policy).routes[0].path == "in-process"


def test_without_a_name_every_path_counts_and_that_is_a_condition(tmp_path: Path) -> None:
    failing = [replace(PATHS[0], outcome="FAIL", lost=1), *PATHS[1:]]
    route = report(tmp_path / "a", failing).routes[0]
    assert (route.path, route.decision) == (None, "NO-GO")
    folder = tmp_path / "b"
    risk = next(risk for risk in report(folder, PATHS).routes[0].risks if risk.id == "path")
    assert risk.level == "condition"
    assert risk.command == (
        f"""printf '%s\\n' '[routes.flights]' 'path = "in-process"' >> {folder}/policy.toml """
        f"&& kafka-cutover report {folder}"
    )
    assert report(tmp_path / "c", failing, 'path = "in-process"\n').decision == "GO"


def test_a_path_that_was_not_rehearsed_is_inconclusive(tmp_path: Path) -> None:
    found = report(tmp_path, PATHS, 'path = "restart"\n')
    assert found.decision == "INCONCLUSIVE"
    assert found.routes[0].reasons == ["the path restart was not rehearsed"]


def test_a_path_that_was_rehearsed_only_with_a_fault_has_the_figures_of_these_runs(tmp_path: Path) -> None:
    faulted = replace(BY_NAME["stop-first-connect-killed"], across=7)
    folder = write_run(tmp_path, [*PATHS, faulted], target_kind="AutoMQ")
    (folder / "policy.toml").write_text('path = "in-process"\n', "utf-8")
    built = build([folder])
    by_name = {path.name: path for path in built.report.routes[0].paths}
    found, plain = by_name["stop-first"], by_name["in-process"]
    assert (found.only_with, plain.only_with) == (["kill connect"], [])
    assert (found.lost, found.duplicated) == (0, 14)
    assert found.producer_blackout_ms is not None
    assert found.rank == len(by_name)
    words = "rehearsed only with kill connect"
    assert words in cost(found)
    assert words not in cost(plain)
    for text in (html(built), markdown(built.report)):
        assert text.count(words) >= 1


def test_a_run_without_a_fault_counts_alone(tmp_path: Path) -> None:
    faulted = replace(BY_NAME["stop-first-connect-killed"], across=7)
    route = report(tmp_path, [BY_NAME["stop-first"], faulted]).routes[0]
    (found,) = route.paths
    assert (found.only_with, found.runs) == ([], 2)
    assert found.duplicated == report(tmp_path / "alone", [BY_NAME["stop-first"]]).routes[0].paths[0].duplicated


def test_damage_by_a_fault_on_another_path_is_a_condition(tmp_path: Path) -> None:
    faulted = replace(BY_NAME["stop-first-connect-killed"], outcome="FAIL", lost=2)
    route = report(tmp_path, [*PATHS, BY_NAME["stop-first"], faulted], 'path = "in-process"\n').routes[0]
    assert route.decision == "GO WITH CONDITIONS"
    risk = next(risk for risk in route.risks if risk.id == "faults")
    assert "stop-first-connect-killed failed on another path" in risk.answer
    assert any(line.startswith("stop-first-connect-killed: FAIL, not counted") for line in route.not_counted)


def test_scenarios_belong_to_paths_by_their_steps() -> None:
    stop_first = known_paths()["stop-first"]
    assert path_of("connect-killed", stop_first, {"stop-first": stop_first, "restart": stop_first}) == "stop-first"
    assert path_of("connect-killed", stop_first, {"restart": stop_first}) == "stop-first"
    assert path_of("restart", stop_first, {"stop-first": stop_first}) == "restart"
    assert path_of("transactions", IN_PROCESS, {}) == "in-process"
    assert path_of("careful", ["create-task", "stop-producers"], {}) == "careful"


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("rollback-4", {"stop-first", "restart", "in-process"}),
        ("rollback-1", {"stop-first", "restart", "in-process", "overlap"}),
    ],
)
def test_a_rollback_concerns_the_paths_that_begin_like_it(name: str, paths: set[str]) -> None:
    assert {path for path, steps in known_paths().items() if concerns(BY_NAME[name].path, steps)} == paths


def test_faults_are_rows_and_paths_columns(tmp_path: Path) -> None:
    found = report(tmp_path, [BY_NAME["stop-first"], BY_NAME["stop-first-connect-killed"], *PATHS])
    assert found.matrix.paths == ["stop-first", "overlap", "in-process"]
    assert found.matrix.faults == ["no fault", "kill connect"]
    assert {(cell.path, cell.fault) for cell in found.matrix.cells} == {
        ("stop-first", "no fault"), ("stop-first", "kill connect"), ("overlap", "no fault"), ("in-process", "no fault"),
    }  # fmt: skip
    page = html(build([tmp_path]))
    head = page.split('class="matrix stack"')[1].split("</thead>")[0]
    assert [
        path for path in ("stop-first", "overlap", "in-process", "kill connect") if path in head
    ] == found.matrix.paths


@pytest.mark.parametrize("steps", [2, 4])
@pytest.mark.parametrize("name", ["mirror-only", "in-process"])
def test_a_path_that_ends_before_all_clients_are_on_the_target_proves_nothing(
    tmp_path: Path, name: str, steps: int
) -> None:
    found = report(tmp_path / "a", [Shape(name, "A part", FORWARD[:steps]), *GOOD], f'path = "{name}"\n')
    assert (found.decision, found.routes[0].path) == ("INCONCLUSIVE", name)
    assert found.routes[0].reasons == [
        f"no switchover that passed ended with consumers and producers on the target: {name}"
    ]
    whole = report(tmp_path / "b", [Shape(name, "All of it", FORWARD), *GOOD], 'path = "stop-first"\n')
    assert whole.decision == "GO"


def test_a_path_that_ran_less_than_was_asked_for_proves_nothing(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [PATHS[1], *GOOD], target_kind="AutoMQ")
    assert build([folder]).report.decision == "GO"
    file = folder / "in-process" / "run.json"
    facts = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(facts | {"path": IN_PROCESS[:2]}), "utf-8")
    assert build([folder]).report.decision == "INCONCLUSIVE"
