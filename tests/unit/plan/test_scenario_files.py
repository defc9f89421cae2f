from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.plan.fault import KINDS
from cutover_harness.plan.load import catalogue, find, load_all, parse
from cutover_harness.plan.scenario import Scenario

GOOD = """\
name: mine
title: My own path
path:
  - create-task
  - act: synchronise
    dwell_s: 1
  - stop-consumers
  - consumers-to-target
"""


def test_the_catalogue_is_valid_and_named_after_its_files() -> None:
    for name, scenario in zip(catalogue(), load_all(), strict=True):
        assert scenario.name == name


def test_the_default_set_has_a_switchover_a_rollback_and_a_negative_control() -> None:
    default = [scenario for scenario in load_all() if scenario.default]
    stages = [[state.stage for state in scenario.states()] for scenario in default]
    assert [1, 2, 3, 4, 5, 6, 7] in stages
    assert any(later < earlier for walked in stages for earlier, later in pairwise(walked))
    assert any(scenario.expect.must_fail for scenario in default)


def test_a_step_is_a_name_or_a_mapping() -> None:
    scenario = parse(GOOD, "mine.yaml")
    assert [step.dwell_s for step in scenario.path] == [1.5, 1.0, 1.5, 1.5]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("name: mine", "name: Mine!"), "mine.yaml:1: name: .*found 'Mine!'"),
        (("title: My own path", "tittle: x"), "mine.yaml:1: title: Field required"),
        (("    dwell_s: 1", "    dwell_s: -1"), r"mine.yaml:6: path.1.dwell_s: .*found -1"),
        (("    dwell_s: 1", "    dwel: 1"), r"mine.yaml:6: path.1.dwel: Extra inputs"),
        (("  - stop-consumers", "  - stop-everything"), r"mine.yaml:7: path.2.act: .*found 'stop-everything'"),
        (("  - consumers-to-target", "  - stop-producers"), "mine.yaml:1: .*on hold"),
        (("  - create-task\n", ""), r"path: step 1 \(synchronise\) is impossible"),
        (("path:", "path: ["), "mine.yaml:4: not YAML"),
    ],
)
def test_a_bad_file_names_line_and_field(change: tuple[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        parse(GOOD.replace(*change), "mine.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (("freeze", "cutover-file", ""), "11: faults.0.of: freeze cannot happen to cutover-file: tear or delete or"),
        (("tear", "connect", ""), "11: faults.0.of: tear cannot happen to connect: freeze or kill or restart or disco"),
        (("freeze", "conductor", ""), "11: faults.0.of: freeze cannot happen to conductor: kill can"),
        (("kill", "group", ""), "11: faults.0.of: kill cannot happen to group: join can"),
        (("kill", "topics", ""), "11: faults.0.of: kill cannot happen to topics: expire or recreate or compact can"),
        (("explode", "connect", ""), "10: faults.0.kind: .*found 'explode'"),
        (("tear", "cutover-file", "when: after"), "13: faults.0.when: .*break it before an act"),
        (("join", "group", "seconds: 2"), "13: faults.0.seconds: join happens at once"),
        (("recreate", "topics", "seconds: 2"), "13: faults.0.seconds: recreate happens at once"),
        (("freeze", "connect", "topic: a"), "13: faults.0.topic: Extra inputs"),
    ],
)
def test_a_fault_that_cannot_be_names_its_line(fault: tuple[str, str, str], says: str) -> None:
    kind, of, more = fault
    text = f"{GOOD}faults:\n  - kind: {kind}\n    of: {of}\n    at: synchronise\n    {more}\n"
    with pytest.raises(UsageError, match=f"mine.yaml:{says}"):
        parse(text, "mine.yaml")


@pytest.mark.parametrize(("kind", "of"), [(kind, of) for of, kinds in KINDS.items() for kind in kinds])
def test_every_fault_that_can_happen_is_accepted(kind: str, of: str) -> None:
    traffic = "traffic: {p: {config: {cleanup.policy: compact}}}\n"
    text = f"{GOOD}{traffic}faults:\n  - {{kind: {kind}, of: {of}, at: synchronise}}\n"
    assert parse(text, "mine.yaml").faults[0].of == of


@pytest.mark.parametrize("of", ["cutover-file", "group"])
def test_apps_without_the_shim_know_no_cutover_file(of: str) -> None:
    text = f"{GOOD}fleet: {{apps: restart}}\nfaults:\n  - {{kind: {KINDS[of][0]}, of: {of}, at: synchronise}}\n"
    with pytest.raises(UsageError, match=r"mine.yaml:1: scenario: faults: .* is for apps with the shim"):
        parse(text, "mine.yaml")


@pytest.mark.parametrize(("text", "found"), [("", "nothing"), ("- a", "list"), ("42", "int")])
def test_a_file_that_is_no_mapping(text: str, found: str) -> None:
    with pytest.raises(UsageError, match=f"found {found}"):
        parse(text, "x.yaml")


def test_unknown_names_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no scenario is called 'no-such-scenario'"):
        find("no-such-scenario")
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        find(str(tmp_path / "none.yaml"))
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD, encoding="utf-8")
    assert find(str(file)).title == "My own path"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("traffic:\n  prices: {keys: -1}", "10: traffic.prices.keys: .*found -1"),
        ("traffic:\n  prices: {colour: red}", "10: traffic.prices.colour: Extra inputs"),
        ("traffic:\n  'a b': {}", "10: traffic.a b.*: String should match"),
        ("traffic:\n  p: {keys: 0, config: {cleanup.policy: compact}}", "10: traffic.p: .*needs a key in every record"),
        (
            "traffic:\n  p: {unkeyed: 0.1, config: {cleanup.policy: 'compact,delete'}}",
            "10: traffic.p: .*needs a key in every record",
        ),
        ("faults:\n  - {kind: compact, of: topics, at: synchronise}", "1: .*needs a topic with cleanup.policy compact"),
        ("behind_at: [delete-task]", "1: .*behind_at: delete-task is not in the path"),
        ("fleet:\n  transactions:\n    abort_every: 1", "11: fleet.transactions.abort_every: .*found 1"),
    ],
)
def test_traffic_and_fleet_that_cannot_be_name_their_line(more: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"mine.yaml:{says}"):
        parse(f"{GOOD}{more}\n", "mine.yaml")


def test_the_json_schema_knows_faults_traffic_and_transactions() -> None:
    schema = Scenario.model_json_schema()
    kinds = schema["$defs"]["Fault"]["properties"]["kind"]["enum"]
    assert set(kinds) == {kind for possible in KINDS.values() for kind in possible}
    assert set(schema["$defs"]["Fault"]["properties"]["of"]["enum"]) == set(KINDS)
    assert schema["$defs"]["TopicTraffic"]["additionalProperties"] is False
    assert {"traffic", "behind_at"} <= set(schema["properties"])
    assert "transactions" in schema["$defs"]["Fleet"]["properties"]


def test_the_catalogue_has_every_fault_that_is_no_signal_and_hits_everything_that_can_be_hit() -> None:
    used = {(fault.kind, fault.of) for scenario in load_all() for fault in scenario.faults}
    new = {(kind, of) for of in ("cutover-file", "group", "topics") for kind in KINDS[of]}
    assert new <= used
    assert {of for _, of in used} == set(KINDS)
