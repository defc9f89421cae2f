"""The report of a cutover: a yes needs evidence for everything, and whatever is missing is named."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.findings import ReadBack
from cutover_harness.conductor.journal import Journal
from cutover_harness.cutover.audit import Audit
from cutover_harness.errors import UsageError
from cutover_harness.judge.model import RunFacts
from cutover_harness.judge.planned import Planned
from cutover_harness.planning.read import read_plan
from cutover_harness.procedure.names import StepName
from cutover_harness.verify.model import Count, GroupOffset
from cutover_reports import report_command
from cutover_reports.performed.build import build
from cutover_reports.performed.figures import blackouts
from cutover_reports.performed.html import html
from cutover_reports.performed.markdown import markdown
from cutover_reports.performed.model import Command, CutoverReport, GateRecord, Step
from cutover_reports.performed.schema import schema
from cutover_reports.performed.verdict import EXIT_CODES
from pydantic import ValidationError

from tests.unit.conductor.world import World
from tests.unit.reports.cutover_folder import Run, partition, result
from tests.unit.reports.run_folders import SHAPES, write_run
from tests.unit.reports.test_plans import set_facts

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("moved"))
    assert run.move() == "completed"
    return run


def copied(run: Run, to: Path) -> Path:
    """Return a copy of the run's folder, which a test may change; runs can be moved."""

    shutil.copytree(run.home, to / "home")
    return to / "home" / run.path.name


def test_a_run_that_is_proved_in_every_point_is_complete_and_verified(moved: Run) -> None:
    report = build(moved.path)
    assert (report.verdict, report.missing, EXIT_CODES[report.verdict]) == ("COMPLETE AND VERIFIED", [], 0)
    (batch,) = report.batches
    journal = moved.entries()
    done = [entry.name for entry in journal if entry.kind == "done" and entry.step >= 0]
    assert [(step.name, step.state) for step in batch.steps[1:]] == [(name, "done") for name in done]
    gates = [(entry.name, entry.detail["evidence"]) for entry in journal if entry.kind == "gate"]
    assert [(gate.name, gate.evidence) for step in batch.steps for gate in step.gates] == gates
    assert not any(gate.again for step in batch.steps for gate in step.gates)
    approvals = {step.name: step.approvals for step in batch.steps if step.approvals}
    assert list(approvals) == ["create-task", "stop-consumers", "stop-producers", "delete-task"]
    (given,) = approvals["delete-task"]
    assert (given.approved, given.by, given.how) == (True, "ann@host", "kafka-cutover advance")
    assert given.shown == ["delete-task: does it", "now: 1 of 1 producers"]
    assert [(each.client, each.role, each.seconds) for each in batch.blackouts] == [
        ("p", "producer", 2.5),
        ("c", "consumer", 2.5),
    ]
    assert [(each.group, each.at_most, each.proved) for each in batch.read_again] == [("g", 0, 1)]
    assert batch.verified is not None
    assert (batch.verified.compared, len(batch.verified.partitions)) == (1234, 2)
    assert batch.going_back is not None
    assert not batch.going_back.possible


def test_a_read_back_that_proved_nothing_is_none(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.move(found=ReadBack())
    report = build(run.path)
    assert (report.verdict, report.batches[0].state) == ("COMPLETE, NOT PROVED", "complete, not read back")


@pytest.mark.parametrize("name", ["audit.jsonl", "batches/r/verify/result.json", "batches/r/snapshots/1.json"])
def test_a_pipe_is_not_waited_for(moved: Run, tmp_path: Path, name: str) -> None:
    file = copied(moved, tmp_path) / name
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    report = build(tmp_path / "home" / moved.path.name)
    assert report.verdict == "INCONCLUSIVE"
    assert any(f"{file.name}: cannot be read: is not a file" in line for line in report.missing)


def test_a_topic_that_came_into_the_plan_after_its_batch_had_moved_is_not_verified(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.move()
    plan = json.loads(run.folder.plan.read_text())
    plan["batches"][0]["topics"].append("late")
    run.folder.plan.write_text(json.dumps(plan))
    later = read_plan(run.folder.plan)
    plan_of_next = Audit(run.folder.audit, "run", later.digest)
    plan_of_next.write("continue", batch="another")
    (batch, *_) = build(run.path).batches
    assert batch.state == "complete, not verified"
    assert "topics: not as in the plan with which the batch was moved" in batch.reasons[0]


def test_every_output_has_the_figures(moved: Run) -> None:
    report = build(moved.path)
    for text in (html(report), markdown(report)):
        for words in ("COMPLETE AND VERIFIED", "2.5 s", "mirror at zero", "all 1 producers attest target", "Sign-off"):
            assert words in text
        assert "kafka-cutover advance" in text


def test_the_files_are_private_and_keep_to_the_schema(moved: Run, tmp_path: Path) -> None:
    assert report_command([moved.path], out=tmp_path / "out") == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"report.html", "report.md", "report.json"}
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "out").iterdir()} == {0o600}
    text = (tmp_path / "out" / "report.json").read_text()
    assert CutoverReport.model_validate_json(text, strict=True).kind == "cutover"
    with pytest.raises(ValidationError):
        CutoverReport.model_validate_json(text.replace('"verdict"', '"decided"'))


def test_the_published_schema_is_the_models() -> None:
    assert (ROOT / "docs" / "cutover-report.schema.json").read_text("utf-8") == schema()


def gone(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def torn(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:200])


def edited(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return edit


def journal_altered(folder: Path) -> None:
    with sqlite3.connect(folder / "batches/r/journal.sqlite") as db:
        db.execute(
            "UPDATE entry SET detail = replace(detail, 'lag 0', 'lag 1') WHERE name = 'mirror lag under the bar'"
        )
    db.close()


def a_line_gone(folder: Path) -> None:
    file = folder / "audit.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if '"gate": "mirror at zero"' not in line))


def a_line_of_another_form(folder: Path) -> None:
    journal = Journal(folder / "batches/r/journal.sqlite")
    asked = [entry.id for entry in journal.read() if entry.kind == "ask"]
    journal.close()
    line = {"at": "2026-11-30T09:00:00.000+00:00", "plan": "x", "event": "approval wanted", "batch": "r", "now": 5}
    with (folder / "audit.jsonl").open("a") as file:
        file.write(json.dumps(line | {"request": asked[0]}) + "\n")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (gone("batches/r/journal.sqlite"), "journal.sqlite: is not there"),
        (torn("batches/r/journal.sqlite"), "journal.sqlite: is damaged"),
        (journal_altered, "is damaged"),
        (gone("batches/r/conductor.json"), "conductor.json"),
        (torn("batches/r/conductor.json"), "conductor.json"),
        (edited("batches/r/conductor.json", '"lag_bar": 500', '"lag_bar": 900'), "gates: not as in the plan"),
        (gone("batches/r/verify/result.json"), "verify/result.json: is not there"),
        (torn("batches/r/verify/result.json"), "verify/result.json: cannot be read"),
        (edited("batches/r/verify/result.json", '"compared": 34', '"compared": 35'), "contains another result"),
        (edited("batches/r/verify/result.json", '"source_cluster": "S"', '"source_cluster": "X"'), "another source"),
        (gone("plan.yaml"), "plan.yaml"),
        (torn("plan.yaml"), "plan.yaml"),
        (edited("plan.yaml", '"name": "shop"', '"name": "shop2"'), "it was edited, or is that of another run"),
        (gone("audit.jsonl"), "audit.jsonl: is not there"),
        (a_line_gone, "audit.jsonl: lacks 1 line of its journal"),
        (a_line_of_another_form, "its records cannot be used"),
    ],
)
def test_a_damaged_or_missing_file_makes_it_inconclusive_with_the_reason(
    damage: Callable[[Path], object], said: str, moved: Run, tmp_path: Path
) -> None:
    folder = copied(moved, tmp_path)
    damage(folder)
    report = build(folder)
    assert (report.verdict, EXIT_CODES[report.verdict]) == ("INCONCLUSIVE", 3)
    assert any(said in line for line in report.missing), report.missing
    assert str(tmp_path) not in "".join(report.missing)
    assert said.rsplit(":", maxsplit=1)[-1].strip() in html(report).replace("&#39;", "'")


def test_nothing_of_a_folder_that_was_moved_is_damaged(moved: Run, tmp_path: Path) -> None:
    assert build(copied(moved, tmp_path)).verdict == "COMPLETE AND VERIFIED"


def test_a_torn_line_of_the_audit_log_is_a_note_as_long_as_nothing_lacks(moved: Run, tmp_path: Path) -> None:
    folder = copied(moved, tmp_path)
    with (folder / "audit.jsonl").open("a") as file:
        file.write('{"at": "2026-')
    report = build(folder)
    assert report.verdict == "COMPLETE AND VERIFIED"
    assert "1 torn line, as by a full disk" in report.notes[0]


def test_a_plan_that_changed_later_is_a_note(moved: Run, tmp_path: Path) -> None:
    folder = copied(moved, tmp_path)
    plan = folder.with_suffix(".yaml")
    plan.write_text(plan.read_text().replace("shop", "store"))
    assert "shop.yaml: has changed" in build(folder).notes[0]


# -- what is no yes ----------------------------------------------------------------------------------------------------


def verdict_of(run: Run) -> tuple[str, str]:
    report = build(run.path)
    (batch,) = report.batches
    return report.verdict, f"{batch.state}: {'; '.join(batch.reasons)}"


def test_a_run_that_was_not_read_back_is_not_verified(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.move(found=None) == "completed"
    word, why = verdict_of(run)
    assert (word, EXIT_CODES["COMPLETE, NOT PROVED"]) == ("COMPLETE, NOT PROVED", 3)
    assert "not read back" in why


@pytest.mark.parametrize(
    ("found", "word", "said"),
    [
        (ReadBack(unknown=["p has written no status"]), "COMPLETE, NOT PROVED", "not known: p has written no status"),
        (ReadBack(wrong=["p is source"]), "CONTRADICTED", "read back: p is source"),
    ],
)
def test_what_was_read_back_counts(found: ReadBack, word: str, said: str, tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.move(found=found) == "completed"
    assert verdict_of(run)[0] == word
    assert said in verdict_of(run)[1]


def test_a_path_that_does_not_verify_is_not_verified(tmp_path: Path) -> None:
    forward = ["create-task", "synchronise", "stop-consumers", "set-exact-offsets", "consumers-to-target"]
    steps = [{"step": name} for name in [*forward, "stop-producers", "producers-to-target"]]
    run = Run(tmp_path, {"path": steps})
    assert run.move() == "completed"
    assert verdict_of(run) == (
        "COMPLETE, NOT PROVED",
        "complete, not verified: no comparison of all records is recorded",
    )


def test_what_a_person_accepted_is_said(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.accept = True
    assert run.move(result(run.plan, partition(0), partition(1, 30, removed_source=4))) == "completed"
    word, why = verdict_of(run)
    assert (word, EXIT_CODES["COMPLETE, ACCEPTED UNPROVED"]) == ("COMPLETE, ACCEPTED UNPROVED", 3)
    assert "a person has accepted: t-1: retention has removed the source records of 4 target offsets" in why


def test_a_difference_stops_the_run_and_is_said(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.move(result(run.plan, partition(missing=Count(count=3)))) == "stopped"
    word, why = verdict_of(run)
    assert word == "UNFINISHED"
    assert "gate verified cannot open: t-0: 3 missing" in why


def test_a_declined_step_is_said_with_its_name(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.move(decline=StepName.STOP_PRODUCERS) == "stopped"
    report = build(run.path)
    (batch,) = report.batches
    assert (report.verdict, EXIT_CODES[report.verdict], batch.state) == ("UNFINISHED", 1, "unfinished")
    assert batch.reasons == ["stopped at step stop-producers: stop-producers was declined by ann@host"]
    assert (batch.consumers, batch.producers) == ("target", "source")
    assert batch.going_back is not None
    assert batch.going_back.costs == ["before stop-producers"], "the step was not done"
    assert batch.going_back.limits[0].what.startswith("the source removes the offsets")


def test_gates_are_asked_again_after_a_resume_and_that_is_said(tmp_path: Path) -> None:
    run = Run(tmp_path, world=(world := World(is_drained=False)))
    assert run.move() == "stopped"
    assert [each.seconds for each in build(run.path).batches[0].blackouts] == [None, 2.5], "producers are on hold"
    world.is_drained = True
    assert run.move() == "completed"
    (batch,) = build(run.path).batches
    assert batch.state == "complete and verified"
    again = [(gate.name, gate.state) for step in batch.steps for gate in step.gates if gate.again]
    assert ("mirror at zero", "passed") in again
    states = [gate.state for step in batch.steps for gate in step.gates if gate.name == "mirror at zero"]
    assert states == ["missed", "passed"]


def test_a_rolled_back_run_is_no_yes_and_has_its_way_back(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.move(decline=StepName.DELETE_TASK) == "stopped"
    assert run.move(back=True, found=ReadBack(proved=["all on source"])) == "turned-back"
    report = build(run.path)
    (batch,) = report.batches
    assert (report.verdict, EXIT_CODES[report.verdict], batch.state) == ("ROLLED BACK", 1, "rolled back")
    assert batch.going_back is not None
    assert (batch.going_back.costs, batch.going_back.limits) == (["3 records stay on the target"], [])
    back = [step.name for step in batch.steps if step.back]
    assert back == ["stop-producers", "producers-to-source", "stop-consumers", "consumers-to-source", "delete-task"]
    assert [step.state for step in batch.steps if step.name == "delete-task" and not step.back] == ["dropped"]
    assert {(each.client, each.to_cluster) for each in batch.blackouts} == {
        ("p", "target"), ("c", "target"), ("p", "source"), ("c", "source"),
    }  # fmt: skip


def test_an_earlier_attempt_is_shown_and_does_not_count(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.move(decline=StepName.STOP_CONSUMERS) == "stopped"
    assert run.move(back=True) == "turned-back"
    run.audit.write("again", batch="r", earlier=str(run.folder.set_aside("r")))
    assert run.move() == "completed"
    report = build(run.path)
    assert report.verdict == "COMPLETE AND VERIFIED"
    (earlier,) = report.earlier
    assert (earlier.attempt, earlier.state) == ("earlier/r-1", "rolled back")


def test_a_batch_that_has_not_begun_leaves_it_unfinished(moved: Run, tmp_path: Path) -> None:
    folder = copied(moved, tmp_path)
    content = json.loads((folder / "plan.yaml").read_text())
    content["batches"].append(content["batches"][0] | {"name": "rest", "topics": ["other"], "groups": {}})
    (folder / "plan.yaml").write_text(json.dumps(content))
    report = build(folder)
    assert [(batch.name, batch.state) for batch in report.batches][1] == ("rest", "not begun")
    assert report.verdict != "COMPLETE AND VERIFIED"


# -- figures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("exact", "at_most"), [(5, 2), (3, 0), (None, None)])
def test_what_translated_offsets_cost_is_counted_against_the_exact_ones(
    exact: int | None, at_most: int | None, tmp_path: Path
) -> None:
    run = Run(tmp_path, {"path": "stop-first"}, World(target_committed=3))
    offset = GroupOffset(group="g", topic="t", partition=0, source=5, target=9, exact=exact, proved=False, reason="")
    assert run.move(result(run.plan, groups=[offset])) == "completed"
    (row,) = build(run.path).batches[0].read_again
    assert (row.partitions, row.proved, row.at_most) == (1, 0, at_most)


def gate(name: str, ended: str) -> GateRecord:
    times: dict[str, Any] = {"begun": None, "ended": f"2026-11-30T09:00:{ended}Z", "wait_s": 1.0}
    return GateRecord(name=name, state="passed", evidence="", waited_for=None, again=False, **times)


def command(client: str, location: str, begun: str, ended: str) -> Command:
    times: dict[str, Any] = {"begun": f"2026-11-30T09:00:{begun}Z", "ended": f"2026-11-30T09:00:{ended}Z"}
    return Command(client=client, argv=["x"], location=location, seconds=1.0, exit_code=0, output="", **times)


def step(name: str, gates: list[GateRecord], commands: list[Command], ended: str = "59") -> Step:
    times: dict[str, Any] = {"begun": "2026-11-30T09:00:00Z", "done": f"2026-11-30T09:00:{ended}Z", "seconds": 1.0}
    return Step(number=1, name=name, back=False, state="done", approvals=[], gates=gates, commands=commands, **times)


def test_restarted_clients_have_bounds_from_groups_logs_and_commands(tmp_path: Path) -> None:
    mover = {"moves": "restart", "on_stop": ["x"], "on_start": ["x"]}
    run = Run(
        tmp_path,
        {"groups": {"legacy": mover}, "producers": {"erp": mover}, "gates": {"quiet_s": 4}, "path": "restart"},
    )
    config = run.configure()
    consumers = [
        step(
            "stop-consumers",
            [gate("restarted consumers have left source", "08")],
            [command("legacy", "hold", "05", "06")],
        ),
        step("consumers-to-target", [gate("restarted consumers have joined target", "12")], []),
    ]
    producers = [
        step(
            "stop-producers", [gate("restarted producers have left source", "30")], [command("erp", "hold", "20", "21")]
        ),
        step("producers-to-target", [], [command("erp", "target", "31", "33")]),
    ]
    found = {
        each.client: (each.bound, each.seconds, each.to_cluster)
        for each in blackouts([], config, [*consumers, *producers])
    }
    assert found == {"legacy": ("at most", 7.0, "target"), "erp": ("at least", 7.0, "target")}
    assert blackouts([], config, [consumers[0], producers[0]]) == [], "they have not come to a cluster yet"


def test_a_run_that_was_taken_over_says_so(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.move(decline=StepName.STOP_PRODUCERS) == "stopped"
    run.audit.write("lease lost", batch="r", why="bob@host has it")
    reasons = build(run.path).batches[0].reasons
    assert reasons[-1] == "its lease was lost, so the rest may be in the folder of another run: bob@host has it"


def test_a_client_on_the_wrong_cluster_is_shown_from_the_audit_log(moved: Run, tmp_path: Path) -> None:
    folder = copied(moved, tmp_path)
    with (folder / "audit.jsonl").open("a") as file:
        line = {"at": "2026-11-30T09:00:00.000+00:00", "who": "x", "command": "run", "plan": moved.plan.digest}
        file.write(json.dumps(line | {"event": "bypass", "batch": "r", "topic": "t", "records": 3}) + "\n")
    (found,) = build(folder).batches[0].bypass
    assert found.words == "topic: t; records: 3"


def test_addresses_are_shown_without_secrets(moved: Run, tmp_path: Path) -> None:
    folder = copied(moved, tmp_path)
    name = "batches/r/journal.sqlite"
    journal = Journal(folder / name)
    journal.write("note", -1, "x")
    journal.close()
    line = {"at": "2026-11-30T09:00:00.000+00:00", "plan": moved.plan.digest, "event": "bypass", "batch": "r"}
    with (folder / "audit.jsonl").open("a") as file:
        file.write(json.dumps(line | {"url": "https://ann:hunter2@host/x?token=hunter3"}) + "\n")
    report = build(folder)
    for text in (html(report), markdown(report), report.model_dump_json()):
        assert "hunter" not in text


# -- the rehearsal beside it -------------------------------------------------------------------------------------------


def rehearsal(folder: Path, digest: str, batch: str = "r") -> Path:
    """Write a rehearsal of one batch of a plan."""
    write_run(folder, [replace(shape, act_s=1.0, blackout_s=0.4) for shape in SHAPES if shape.name == "stop-first"])
    facts = RunFacts.load(folder / "stop-first" / "run.json")
    part = Planned(
        name="shop", file="shop.yaml", sha256=digest, inventory=None, inventory_sha256=None, route=batch,
        batches=[batch],
    )  # fmt: skip
    replace(facts, plan=part).save(folder / "stop-first" / "run.json")
    about: dict[str, Any] = {
        "name": "shop", "file": "shop.yaml", "sha256": digest, "batches": [batch], "all_batches": [batch]
    }  # fmt: skip
    set_facts(folder, plan=about)
    return folder


def test_the_rehearsal_of_the_same_plan_next_to_it_is_shown_beside_it(moved: Run, tmp_path: Path) -> None:
    folder = copied(moved, tmp_path)
    rehearsal(folder.parent / "rehearsal", moved.plan.digest)
    report = build(folder)
    assert [(each.folder, each.counts) for each in report.rehearsals] == [("rehearsal", True)]
    beside = report.batches[0].beside
    assert beside is not None
    rows = {row.what: row for row in beside.rows}
    row = rows["longest blackout of producers"]
    assert (row.rehearsed, row.happened, row.more) == ("1.5 s", "2.5 s", True)
    assert not rows["records read again on the target"].more
    assert rows["records read again on the target"].happened == "0"
    assert "step stop-consumers" in rows
    assert "more than rehearsed" in html(report)


def test_the_rehearsal_of_another_plan_is_named_and_does_not_count(moved: Run, tmp_path: Path) -> None:
    other = rehearsal(tmp_path / "other", "2" * 64)
    report = build(moved.path, other)
    (named,) = report.rehearsals
    assert (named.counts, report.batches[0].beside) == (False, None)
    assert "of another plan (SHA-256 222222222222), so it does not count" in named.note
    assert named.note in str(report.batches[0].not_beside)


def test_a_rehearsal_of_the_catalogue_that_was_given_does_not_count(moved: Run, tmp_path: Path) -> None:
    (named,) = build(moved.path, write_run(tmp_path / "plain", SHAPES[:1])).rehearsals
    assert "is no rehearsal of a plan" in named.note


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_finds_out_what_it_got(moved: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report_command([moved.path], out=tmp_path / "out") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("COMPLETE AND VERIFIED: 1 batch on the target: ")
    assert second == str(tmp_path / "out" / "report.html")
    assert report_command([moved.path], out=tmp_path / "out", json_output=True) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "COMPLETE AND VERIFIED"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"compare_them": True}, "give it alone"),
        ({"policy": Path("p.toml")}, "--policy p.toml: belongs to rehearsals"),
        ({"rehearsed": Path("nowhere")}, "nowhere: no such folder"),
    ],
)
def test_options_that_do_not_fit_a_run_are_refused(options: dict[str, Any], said: str, moved: Run) -> None:
    with pytest.raises(UsageError, match=said):
        report_command([moved.path], **options)


def test_a_folder_that_is_neither_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"neither a rehearsal .* nor a run"):
        report_command([tmp_path])


def test_a_rehearsal_beside_a_rehearsal_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "plain", SHAPES[:1])
    with pytest.raises(UsageError, match=r"--rehearsed .*: belongs to the folder of a run"):
        report_command([folder], rehearsed=folder)


def test_an_empty_run_folder_is_inconclusive(tmp_path: Path) -> None:
    (tmp_path / "x.run").mkdir()
    (tmp_path / "x.run" / "audit.jsonl").touch()
    report = build(tmp_path / "x.run")
    assert (report.verdict, report.batches) == ("INCONCLUSIVE", [])
    assert "Sign-off" in html(report)
