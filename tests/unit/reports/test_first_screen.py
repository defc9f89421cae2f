"""What the one who signs reads first, and that nothing on the page looks like damage that is none."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from cutover_harness.cli.app import app
from cutover_harness.explore.explored import write_explored
from cutover_reports import write_report
from cutover_reports.build import build
from cutover_reports.commands import FLAGS, Commands, recorded, repeating
from cutover_reports.deciding import Deciding, deciding
from cutover_reports.html import DUE_NOTE, html, plot
from cutover_reports.markdown import code, markdown
from cutover_reports.model import Report
from cutover_reports.write import write_merged
from typer.main import get_command

from tests.unit.reports.run_folders import SHAPES, write_run

BY_NAME = {shape.name: shape for shape in SHAPES}
SMALL = [BY_NAME[name] for name in ("stop-first", "rollback-4", "producers-first")]


def change(folder: Path, file: str, **values: Any) -> None:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


def first_screen(page: str) -> str:
    return page[page.index("<header") : page.index('<h2 id="routes">')]


def test_the_first_screen_has_figures_limits_conditions_commands_and_a_sign_off(tmp_path: Path) -> None:
    write_report(write_run(tmp_path, SMALL))
    screen = first_screen((tmp_path / "report.html").read_text("utf-8"))
    report = build([tmp_path]).report
    assert [figure.id for figure in report.figures] == [
        "lost", "duplicated-forward", "duplicated-back", "reordered", "producer-blackout", "consumer-blackout",
        "way-back",
    ]  # fmt: skip
    for figure in report.figures:
        assert figure.title.replace("'", "&#39;") in screen
        assert figure.limit in screen
    opened = [risk for risk in report.routes[0].risks if risk.level == "condition"]
    assert {risk.id for risk in opened} == {"way-back", "stand-in"}
    for risk in opened:
        assert risk.command
        assert risk.command in screen
    assert 'id="sign"' in screen
    assert screen.index(report.headline) < screen.index('id="figures"') < screen.index('id="conditions"')
    text = markdown(report)
    assert (
        text.index("## Key figures") < text.index("## Conditions") < text.index("## Sign-off") < text.index("## Route")
    )
    assert all(f"`{risk.command}`" in text for risk in opened)


def test_commands_take_over_the_options_of_the_run(tmp_path: Path) -> None:
    write_run(out := tmp_path / "out", SMALL)
    given = "kafka-cutover rehearse stop-first --seed 9 --capture 'my traffic.parquet' -j 2 --exactly-once --out out"
    change(out, "rehearsal.json", command=given)
    report = build([out]).report
    commands = {risk.id: risk.command for risk in report.routes[0].risks}
    assert shlex.split(commands["way-back"]) == [
        "kafka-cutover", "rehearse", "rollback-from-1", "rollback-from-2", "rollback-from-3", "rollback-from-5",
        "--capture", "my traffic.parquet", "-j", "2", "--exactly-once", "--out", "out-way-back",
    ]  # fmt: skip
    assert shlex.split(commands["stand-in"])[2:5] == ["stop-first", "--testbed", "docker"]
    assert report.then == "kafka-cutover report out out-way-back --out out-all"


def test_commands_name_a_folder_that_was_moved_since(tmp_path: Path) -> None:
    write_run(moved := tmp_path / "archive", SMALL)
    change(moved, "rehearsal.json", command="kafka-cutover rehearse --out /somewhere/archive")
    report = build([moved]).report
    assert report.then == f"kafka-cutover report {moved} {moved}-way-back --out {moved}-all"
    again = next(risk.command for risk in report.routes[0].risks if risk.id == "way-back")
    assert shlex.split(again)[-2:] == ["--out", f"{moved}-way-back"]


def commands_of(report: Report) -> dict[str, list[str]]:
    return {risk.id: shlex.split(risk.command) for risk in report.routes[0].risks}


def test_commands_keep_the_options_with_which_the_report_was_made(tmp_path: Path) -> None:
    write_run(out := tmp_path / "out", SMALL)
    change(out, "rehearsal.json", command="kafka-cutover rehearse stop-first --seed 9 --policy old.toml --out out")
    (strict := tmp_path / "strict.toml").write_text("[evidence]\nnegative_controls = 5\n")
    write_explored(found := tmp_path / "found.json", [])
    report = build([out], strict, found).report
    kept = ["--policy", str(strict), "--explored", str(found)]
    commands = commands_of(report)
    for words in (commands["way-back"], commands["controls"], commands["stand-in"], shlex.split(report.then)):
        assert [word for n, word in enumerate(words) if {word, words[n - 1]} & {"--policy", "--explored"}] == kept
    assert shlex.split(report.runs[0].command) == [
        "kafka-cutover", "rehearse", *kept, "stop-first", "--seed", "9", "--out", "out",
    ]  # fmt: skip


def test_commands_keep_the_policy_of_the_rehearsal_and_of_the_folder(tmp_path: Path) -> None:
    write_run(out := tmp_path / "out", SMALL)
    change(out, "rehearsal.json", command="kafka-cutover rehearse --seed 9 --out out")
    (out / "policy.toml").write_text("")
    write_explored(out / "explored.json", [])
    report = build([out]).report
    # A further rehearsal has a folder of its own, without these files.
    assert commands_of(report)["way-back"][-6:] == [
        "--policy", "out/policy.toml", "--explored", "out/explored.json", "--out", "out-way-back"
    ]  # fmt: skip
    assert report.runs[0].command == "kafka-cutover rehearse --seed 9 --out out"
    # The copy of a file that the rehearsal was given: the file itself is edited, and kept.
    change(out, "rehearsal.json", command="kafka-cutover rehearse --seed 9 --policy team.toml --out out")
    (out / "applied-policy.toml").write_text("[limits]\nlag_records = 1\nproducer_blackout_ms = 'any'\n")
    report = build([out]).report
    assert "--policy out/policy.toml" not in report.then
    assert "--policy team.toml" in report.then


def test_a_key_of_the_policy_is_edited_where_the_report_reads_it(tmp_path: Path) -> None:
    write_run(out := tmp_path / "out", SMALL)
    folders, outs = [out], ["out"]
    assert deciding(Deciding(), folders, outs, [None]) == Deciding()
    (out / "policy.toml").write_text("")
    found = deciding(Deciding(), folders, outs, [None])
    assert Commands(None, "r", outs, deciding=found).report == "kafka-cutover report out"
    assert "vi} out/policy.toml && " in Commands(None, "r", outs, deciding=found).policy("limits", "lost", "3")
    (out / "applied-policy.toml").write_text("")  # takes precedence
    found = deciding(Deciding(), folders, outs, [None])
    assert "vi} out/applied-policy.toml && " in Commands(None, "r", outs, deciding=found).policy("limits", "lost", "3")
    found = deciding(Deciding(), folders, outs, ["team.toml"])
    assert (
        Commands(None, "r", outs, deciding=found)
        .policy("limits", "lost", "3")
        .startswith("${EDITOR:-vi} team.toml && kafka-cutover report out --policy team.toml")
    )


def test_only_flags_of_rehearse_have_no_value() -> None:
    group: Any = get_command(app)  # loads its commands on demand
    rehearse = group.get_command(click.Context(group), "rehearse")
    flags = {name for option in rehearse.params if getattr(option, "is_flag", False) for name in option.opts}
    assert flags - {"--help"} == FLAGS


def test_a_policy_that_exists_is_edited_by_a_person() -> None:
    own = Commands(None, "r", ["out"], deciding=Deciding("my policy.toml")).policy("limits", "lost", "3")
    assert own == (
        "${EDITOR:-vi} 'my policy.toml' && kafka-cutover report out --policy 'my policy.toml'  # [limits] lost = 3"
    )
    assert "EDITOR" not in Commands(None, "r", ["out"]).policy("limits", "lost", "3")


@pytest.mark.parametrize(
    ("command", "seed", "repeats"),
    [
        ("kafka-cutover rehearse --out a", 7, "kafka-cutover rehearse --seed 7 --out a"),
        ("kafka-cutover rehearse --seed 5 --out a", 5, "kafka-cutover rehearse --seed 5 --out a"),
        ("kafka-cutover rehearse --seed=5", 5, "kafka-cutover rehearse --seed=5"),
        ("pytest scenarios", 7, "pytest scenarios"),
        (None, 7, "not recorded"),
        ("kafka-cutover rehearse 'torn", 7, "kafka-cutover rehearse 'torn"),
    ],
)
def test_the_command_that_repeats_the_run_has_the_seed(command: str | None, seed: int, repeats: str) -> None:
    assert repeating(command, seed) == repeats
    assert recorded("kafka-cutover report a") is None


def test_risks_are_questions_with_answers(tmp_path: Path) -> None:
    risks = {risk.id: risk for risk in build([write_run(tmp_path, SMALL)]).report.routes[0].risks}
    assert all(risk.title.endswith("?") for risk in risks.values())
    assert {risk.answer.split(":")[0].split(",")[0] for risk in risks.values()} == {"No", "Not known", "Yes"}
    assert risks["lost"].answer == "No: none in 2 runs"
    assert risks["stand-in"].answer == "Not known: 1 run of 1 had a stand-in as target"
    assert risks["producer-blackout"].answer.startswith("No: at most 7.5 s")


def test_a_rollback_costs_what_it_grows_by_in_an_hour(tmp_path: Path) -> None:
    report = build([write_run(tmp_path, SMALL)]).report
    cards = {card.stage: card for card in report.rollbacks}
    # Two groups consume 240 records a second each, at 1200 times the recorded speed: 1440 in a recorded hour.
    assert cards[4].per_hour == pytest.approx(2 * 240 * 3600 / 1200, rel=0.1)
    assert cards[4].grows.startswith("each hour on the target 1\u202f")
    assert cards[1].grows == "does not grow"
    assert "missing on the source" in cards[6].grows
    (measured,) = cards[4].measured
    assert "320 consumed again after " in measured
    assert "on the target at 1\u202f200 times the recorded speed" in measured


PLAN = {
    "name": "shop", "file": "plan.yaml", "sha256": "0" * 64, "inventory": "inventory.json", "all_batches": ["flights"],
    "batches": ["flights"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "plan", "hours", "says"),
    [
        ("", {}, None, "not known: how long production keeps offsets and records is in neither policy nor inventory"),
        ("", {"topic_retention_hours": {"flights": 72.0}, "offsets_retention_hours": 168.0}, 72.0, "3 days after"),
        ("", {"topic_retention_hours": {"flights": None}, "offsets_retention_hours": 24.0}, 24.0, "24 h after"),
        ("", {"topic_retention_hours": {}, "offsets_retention_hours": 24.0}, None, "keeps records is in neither"),
        ("", {"topic_retention_hours": {"flights": 12.0}}, None, "at most 12 h after"),
        ("offsets_retention_hours = 5", {"topic_retention_hours": {"flights": 12.0}}, 5.0, "5 h after"),
    ],
)
def test_deadlines_are_those_of_production_or_not_known(
    tmp_path: Path, policy: str, plan: dict[str, Any], hours: float | None, says: str
) -> None:
    write_run(tmp_path, SMALL)
    change(tmp_path, "rehearsal.json", plan=PLAN | plan)
    (tmp_path / "policy.toml").write_text(f"[production]\n{policy}\n", "utf-8")
    report = build([tmp_path]).report
    card = next(card for card in report.rollbacks if card.stage == 4)
    assert card.deadline_hours == hours
    assert says in card.possible_until
    way_back = next(figure for figure in report.figures if figure.id == "way-back")
    assert (way_back.value == "not known") == (hours is None)


def test_a_control_that_was_caught_does_not_look_like_damage(tmp_path: Path) -> None:
    built = build([write_run(tmp_path, SMALL)])
    page = html(built)
    control = page.split('id="s1-producers-first"')[1].split("</summary>")[0]
    assert "caught</span>" in control
    assert "FAIL" not in control
    assert 'class="f required"' in control
    assert 'class="f bad"' not in page
    scenario = next(one for one in built.report.scenarios if one.name == "producers-first")
    assert (scenario.offenders, len(scenario.examples)) == ([], 3)
    assert "First offending records" not in page
    table = markdown(built.report).split("## Scenarios")[1].split("## Negative controls")
    assert "producers-first" not in table[0]
    assert "producers-first" in table[1].split("##")[0]


def test_records_that_a_scenario_allows_are_not_offending(tmp_path: Path) -> None:
    allowed = replace(BY_NAME["rollback-4"], offenders=("re_read_across",) * 2)
    failed = replace(BY_NAME["stop-first"], outcome="FAIL", lost=1, offenders=("lost",), reasons=("lost: 1",))
    built = build([write_run(tmp_path, [allowed, failed])])
    by_name = {scenario.name: scenario for scenario in built.report.scenarios}
    assert [len(by_name["rollback-4"].offenders), len(by_name["rollback-4"].examples)] == [0, 2]
    assert [len(by_name["stop-first"].offenders), len(by_name["stop-first"].examples)] == [1, 0]
    page = html(built)
    assert "First offending records" not in page.split('id="s1-rollback-4"')[1].split('id="s1-stop-first"')[0]
    assert "First offending records" in page.split('id="s1-stop-first"')[1]


def test_table_plot_and_page_agree_on_the_lag(tmp_path: Path) -> None:
    write_run(tmp_path, SMALL)
    facts = json.loads((tmp_path / "stop-first" / "run.json").read_text("utf-8"))
    begin = next(mark for mark in facts["marks"] if mark["kind"] == "stage" and mark["stage"] == 2)["time_ns"]
    lag = [{"time_ns": begin - n * 10**9, "records": 7000 - n, "ms": None} for n in (3, 2, 1)]
    lag += [{"time_ns": begin + n * 10**9, "records": 30 + n, "ms": None} for n in (1, 2)]
    change(tmp_path / "stop-first", "run.json", lag=lag)
    verdict = json.loads((tmp_path / "stop-first" / "verdict.json").read_text("utf-8"))
    verdict["judgement"]["worst_lag_records"] = 32
    (tmp_path / "stop-first" / "verdict.json").write_text(json.dumps(verdict), "utf-8")
    built = build([tmp_path])
    scenario = built.report.scenarios[0]
    assert (scenario.worst_lag_records, scenario.backlog_records) == (32, 6999)
    drawn = plot(scenario, built.series[scenario.id])
    assert drawn["lagMost"] == 32, "the scale of the plot is that of the table"
    assert drawn["lagNote"] == (
        "worst 32, from stage 2 on; before it a backlog of 6\u202f999 is copied, which does not count"
    )
    assert drawn["backlog"][0]["to"] == pytest.approx((begin - facts["started_ns"]) / 1e9, abs=0.001)
    documented = (Path(__file__).parents[3] / "docs" / "measures.md").read_text("utf-8")
    assert "from stage 2 on" in documented


def test_the_plot_has_what_was_due_by_the_capture(tmp_path: Path) -> None:
    write_run(tmp_path, SMALL)
    facts = json.loads((tmp_path / "stop-first" / "run.json").read_text("utf-8"))
    rhythm = {
        "start_ns": facts["started_ns"], "loop_s": 10.0, "first_ms": 1_357_016_400_000, "due": [1000] * 5 + [0] * 5,
    }  # fmt: skip
    change(tmp_path / "stop-first", "run.json", capture={"name": "x", "rhythm": rhythm})
    built = build([tmp_path])
    due = built.series["s1-stop-first"]["due"]
    assert set(due.round().astype(int)) == {0, 1000}
    assert [due[0.5], due[4.5], due[5.5], due[9.5], due[10.5]] == pytest.approx([1000, 1000, 0, 0, 1000])
    drawn = plot(built.report.scenarios[0], built.series["s1-stop-first"], built.rhythms["s1-stop-first"])
    assert "not an outage" in DUE_NOTE == drawn["dueNote"]
    assert "due" in drawn["series"]
    assert "due" not in built.series["s1-rollback-4"], "a run of an earlier version has none"


@pytest.mark.parametrize(
    "rhythm", [{"loop_s": 0}, {"start_ns": "x", "loop_s": 1, "first_ms": 0, "due": [1]}, {"due": 3}]
)
def test_a_rhythm_of_another_shape_removes_the_plot_only(tmp_path: Path, rhythm: dict[str, Any]) -> None:
    write_run(tmp_path, SMALL)
    change(tmp_path / "stop-first", "run.json", capture={"rhythm": rhythm})
    report = build([tmp_path]).report
    assert report.scenarios[0].outcome == "PASS"
    assert any("time line is not drawn" in line for line in report.missing)


def test_a_merged_report_names_every_capture(tmp_path: Path) -> None:
    first, second = write_run(tmp_path / "a", SMALL), write_run(tmp_path / "b", SMALL, seed=2)
    change(second, "rehearsal.json", capture={"name": "peak-hour.parquet", "records": 50_000})
    built = write_merged([first, second], tmp_path / "merged")
    screen = first_screen(html(built))
    assert "flights-2013-01-week1, 6\u202f099 records; peak-hour.parquet, 50\u202f000 records" in screen
    assert all(name in markdown(built.report) for name in ("flights-2013-01-week1", "peak-hour.parquet"))


def test_code_in_markdown_stays_code() -> None:
    assert code("a `b` c") == "``a `b` c``"
    assert code("a\nb") == "`a b`"


def test_time_on_the_target_ends_when_the_group_is_taken_back(tmp_path: Path) -> None:
    report = build([write_run(tmp_path, [BY_NAME["rollback-4"], BY_NAME["rollback-3"]])]).report
    by_name = {scenario.name: scenario.on_target_s for scenario in report.scenarios}
    assert by_name["rollback-3"] is None
    assert by_name["rollback-4"] is not None
    assert 0 < by_name["rollback-4"] < 20


@pytest.mark.parametrize("jobs", ["-j4", "-j 4", "--jobs=4"])
def test_the_reports_policy_replaces_the_runs_wherever_it_stands(jobs: str) -> None:
    command = f"kafka-cutover rehearse {jobs} --policy old.toml in-process"
    repeats = f"kafka-cutover rehearse --seed 1 --policy p.toml {jobs} in-process"
    assert repeating(command, 1, ["--policy", "p.toml"]) == repeats


def test_the_last_of_two_equal_options_counts() -> None:
    parts = recorded("kafka-cutover rehearse --policy a.toml --policy b.toml")
    assert parts is not None
    assert parts.value("--policy") == "b.toml"
