"""Which batch a run moves: never a second one, or the same one under another name, while one is in the middle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cutover_harness.cli.app import app
from cutover_harness.conductor.config import CONFIG, JOURNAL, ConductorConfig
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.verification import verified_batch
from cutover_harness.cutover.batches import Added, batch_folder, choose, refuse_edited
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.cutover.preparation import check_new
from cutover_harness.cutover.settings import config_of
from cutover_harness.errors import FinalError, UsageError
from cutover_harness.planning.read import read_plan
from typer.testing import CliRunner

PLAN = """\
name: shop
clusters: {source: {properties: source.properties}, target: {properties: target.properties}}
connect: {url: "http://127.0.0.1:1"}
reach: [{file: cutover.toml}]
statuses: statuses
batches:
  - {name: first, path: restart, topics: [orders, payments], groups: {billing: {moves: restart, on_stop: [x]}}}
  - {name: second, path: restart, topics: [clicks]}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Return a plan whose first batch is in the middle."""
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN)
    for name in ("source", "target"):
        (tmp_path / f"{name}.properties").write_text("bootstrap.servers=127.0.0.1:1\n")
    read, run = read_plan(file), RunFolder.of(file)
    run.begin(read)
    config_of(read, read.plan.batches[0], run, {}).save(run.batch("first") / CONFIG, run=tmp_path)
    journal = Journal(run.batch("first") / JOURNAL)
    journal.write("doing", 0, "create-task")
    journal.close()
    return file


def chosen(plan: Path, wanted: str | None = None) -> str:
    return choose(read_plan(plan), RunFolder.of(plan), wanted).name


def test_the_batch_in_the_middle_is_continued(plan: Path) -> None:
    assert chosen(plan) == "first"


@pytest.mark.parametrize("text", [PLAN.replace("first", "renamed"), PLAN.replace(", payments", "")])
@pytest.mark.parametrize("wanted", [None, "second"])
def test_no_batch_of_a_plan_that_has_changed_in_the_middle(plan: Path, text: str, wanted: str | None) -> None:
    plan.write_text(text)
    with pytest.raises(UsageError, match=r"batch first has begun and is not finished|changed since batch first began"):
        chosen(plan, wanted)


def test_a_path_whose_new_members_nothing_could_prove_is_refused(plan: Path) -> None:
    text = PLAN.replace("path: restart", "path: overlap", 1)
    plan.write_text(text)
    read = read_plan(plan)
    with pytest.raises(UsageError, match="batch first: its path has overlap-consumers, which is rehearsed only"):
        check_new(config_of(read, read.plan.batches[0], RunFolder.of(plan), {}))


@pytest.mark.parametrize("ends", ["\r\n", "\n"])
def test_a_plan_with_any_line_ends_has_not_changed(tmp_path: Path, ends: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_bytes(PLAN.replace("\n", ends).encode())
    run = RunFolder.of(file)
    run.begin(read_plan(file))
    assert not run.changed(read_plan(file))


def test_the_comparison_before_the_mirror_is_deleted_refuses_a_changed_plan(plan: Path) -> None:
    read, run = read_plan(plan), RunFolder.of(plan)
    journal = Journal(run.batch("first") / JOURNAL)
    config = config_of(read, read.plan.batches[0], run, {})
    assert config.plan is not None
    verified = verified_batch(config.plan, config, journal)
    assert verified.wanted().batch.topics == ("orders", "payments")
    plan.write_text(PLAN.replace(", payments", ""))
    with pytest.raises(FinalError, match="has changed since the batch began"):
        verified.wanted()
    journal.close()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("approvals", False),
        ("plan", None),
        ("topics", ["orders"]),
        ("gates", {"deadline_s": 1}),
        ("steps", [{"step": "delete-task"}]),
        ("asks", []),
    ],
)
def test_a_configuration_that_was_edited_is_refused(plan: Path, field: str, value: object) -> None:
    read, folder = read_plan(plan).plan, RunFolder.of(plan).batch("first")
    batch = read.batches[0]
    refuse_edited(ConductorConfig.load(folder / CONFIG), read, batch, folder)
    text = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(text | {field: value}))
    with pytest.raises(UsageError, match=rf"conductor\.json: {field}: not as in the plan"):
        refuse_edited(ConductorConfig.load(folder / CONFIG), read, batch, folder)


def test_status_shows_any_reason(plan: Path) -> None:
    journal = Journal(RunFolder.of(plan).batch("first") / JOURNAL)
    journal.write("missed", -1, "attested", why="client [/b] a\x1b[31m at https://u:hunter2@host did not answer")
    journal.close()
    done = CliRunner().invoke(app, ["status", str(plan)])
    assert (done.exit_code, done.exception) == (0, None)
    assert r"client [/b] a\x1b[31m at https://***@host did not answer" in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", ["plan", "plan.txt", "plan.of.may"])
def test_a_plan_with_any_name_has_its_batches(plan: Path, name: str) -> None:
    named = plan.with_name(name)
    plan.rename(named)
    plan.with_suffix(".run").rename(RunFolder.of(named).path)
    assert batch_folder(named, None) == RunFolder.of(named).batch("first")


def test_a_plan_and_its_run_cannot_have_one_name(plan: Path) -> None:
    with pytest.raises(UsageError, match="its run's folder would have the same name"):
        RunFolder.of(plan.with_name("x.run"))


def test_two_plans_that_would_share_a_run_folder_are_refused(plan: Path) -> None:
    (plan.parent / "plan.yml").write_text(PLAN)
    for file, other in ((plan, "plan.yml"), (plan.with_suffix(".yml"), "plan.yaml")):
        with pytest.raises(UsageError, match=rf"{other} is next to it, and both would have the run's folder plan\.run"):
            RunFolder.of(file)


def test_a_link_to_the_plan_is_the_same_plan(plan: Path) -> None:
    plan.with_suffix(".yml").symlink_to(plan)
    assert RunFolder.of(plan) == RunFolder.of(plan.with_suffix(".yml"))
    (plan.parent / "plan.json").write_text("{}")
    assert RunFolder.of(plan).path.name == "plan.run"


def test_a_batch_that_is_completed_does_not_hide_what_the_plan_has_in_it_since(plan: Path) -> None:
    run = RunFolder.of(plan)
    read = read_plan(plan)
    journal = Journal(run.batch("first") / JOURNAL)
    for number, step in enumerate(ConductorConfig.load(run.batch("first") / CONFIG).steps):
        journal.write("doing", number, str(step.step))
        journal.write("done", number, str(step.step))
    journal.write("end", 9, "completed")
    journal.close()
    with pytest.raises(UsageError, match=r"batch first is completed$"):
        choose(read, run, "first")
    assert "in part" not in CliRunner().invoke(app, ["status", str(plan)]).output
    (first, _) = json.loads(CliRunner().invoke(app, ["status", str(plan), "--json"]).output)["batches"]
    assert (first["progress"], first["added"], first["advice"]) == ("completed", [], "")
    plan.write_text(
        PLAN.replace("payments]", "payments, refunds]").replace("billing:", "audit: {moves: shim}, billing:")
    )
    words = "completed in part, without refunds, audit, which the plan has in it since: put"
    with pytest.raises(UsageError, match=f"is {words}"):
        choose(read_plan(plan), run, "first")
    shown = " ".join(CliRunner().invoke(app, ["status", str(plan)]).output.split())
    assert "first completed in part 7" in shown
    assert "not moved: refunds, audit, in the plan since" in shown
    (first, _) = json.loads(CliRunner().invoke(app, ["status", str(plan), "--json"]).output)["batches"]
    assert (first["progress"], first["added"]) == ("completed in part", ["refunds", "audit"])
    assert "a group moves only with its topics" in first["advice"]


@pytest.mark.parametrize(
    ("added", "has", "lacks"),
    [
        (Added(("refunds",), ()), "put the topics into a batch of their own", "group moves"),
        (Added((), ("audit",)), "list it in stays_groups", "of their own"),
        (Added((), ()), "", "put"),
    ],
)
def test_a_group_is_not_sent_to_a_batch_without_its_topics(added: Added, has: str, lacks: str) -> None:
    assert has in added.advice
    assert lacks not in added.advice
