"""Options of `kafka-cutover preflight PLAN` that cannot be used, and its outputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cutover_harness.cli.preflight_plan_output import as_json, as_script, as_text
from cutover_harness.planning.read import ReadPlan
from cutover_harness.preflight.planned.check import Checked, check
from cutover_harness.preflight.planned.facts import Facts
from cutover_harness.preflight.planned.needs import Operation, Resource

from tests.unit.conductor.run_folder import command_line
from tests.unit.preflight.plan_facts import OURS, WORKER, facts, plan, secured

PLAN = """\
name: shop
clusters: {source: {properties: source.properties}, target: {properties: target.properties}}
batches: [{name: first, path: restart, topics: [orders]}]
"""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "preflight: give a plan file, or --source FILE"),
        (["--source", "s", "--acl"], "--acl: needs a plan file"),
        (["--source", "s", "--diff", "x"], "--diff: needs a plan file"),
        (["plan.yaml", "--source", "s"], "--source: is in the plan plan.yaml"),
        (["plan.yaml", "--hours", "3"], "--hours: is in the plan"),
        (["plan.yaml", "--batch", "second"], "--batch second: the plan has no such batch: first"),
        (["plan.yaml", "--connect-principal", "me"], "--connect-principal me: write it as Kafka does: User:NAME"),
        (["plan.yaml", "--probe-connect"], "--probe-connect: the plan plan.yaml names no Connect"),
        (["plan.yaml", "--measure-spread"], "--measure-spread: the plan plan.yaml names no channel"),
        (["plan.yaml", "--diff", "."], "--diff .: has no rehearsal.json"),
    ],
)
def test_options_that_cannot_be_used(
    options: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    for name in ("source", "target"):
        (tmp_path / f"{name}.properties").write_text("bootstrap.servers=127.0.0.1:1\n")
    monkeypatch.chdir(tmp_path)
    with command_line(monkeypatch, capsys) as call:
        code, _, err = call("preflight", *options)
    assert code == 2
    assert f"kafka-cutover: {says}" in err


def lacking() -> tuple[ReadPlan, Facts, Checked]:
    both = secured((Resource("TOPIC", "orders"), Operation.READ))
    given = facts(worker=WORKER, source=both["source"], target=both["target"])
    return ReadPlan(Path("plan.yaml"), plan(), "a" * 64), given, check(given)


def test_outputs_name_plan_batch_and_grants() -> None:
    read, given, found = lacking()
    document = json.loads(as_json(read, given, found))
    assert document["plan"] == {"name": "shop", "file": "plan.yaml", "sha256": "a" * 64}
    assert document["batches"] == [{"name": "first", "topics": ["orders"], "groups": ["billing"]}]
    assert document["counts"] == {"blocker": 2, "unknown": 0, "warning": 0, "note": 0}
    assert document["principals"] == {"source": OURS, "target": OURS}
    assert [each["command"].split()[-1] for each in document["grants"]] == ["orders", "orders"]
    text = as_text(given, found)
    assert "BLOCKER  missing-right: batch first: User:mover on the source lacks Read on topic orders" in text
    assert "2 blockers, 0 unknown" in text
    script = as_script(given, found)
    assert [line.split()[0] for line in script.splitlines() if line[0] != "#"] == ["kafka-acls.sh", "kafka-acls.sh"]


def test_a_cluster_without_an_authorizer_is_named() -> None:
    given = facts()
    found = check(given)
    assert "rights: the source has no authorizer: everything is allowed to everyone" in as_text(given, found)
    assert as_script(given, found).splitlines()[-1] == "# no right is missing"
    assert found.grants == ()
