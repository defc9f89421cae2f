from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.faults.union import FAULTS
from cutover_harness.plan.catalogue import catalogue
from cutover_harness.plan.load import find, load_all, mistakes_in, parse
from cutover_harness.plan.scenario import Scenario

GOOD = """\
name: mine
title: My own path
path:
  - create-task
  - step: synchronise
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
    assert any(later < earlier for its in stages for earlier, later in pairwise(its))
    assert any(scenario.expect.must_fail for scenario in default)


def test_a_step_is_a_name_or_a_mapping() -> None:
    scenario = parse(GOOD, "mine.yaml")
    assert [step.dwell_s for step in scenario.path] == [1.5, 1.0, 1.5, 1.5]


def test_names_of_earlier_versions_are_read_with_one_line_of_warning(caplog: pytest.LogCaptureFixture) -> None:
    earlier = GOOD.replace("- step: ", "- act: ") + "expect:\n  ends: walked\n"
    scenario = parse(earlier, "mine.yaml")
    assert [step.step for step in scenario.path] == [step.step for step in parse(GOOD, "mine.yaml").path]
    assert scenario.expect.ends == "completed"
    (line,) = caplog.messages
    assert line == "mine.yaml: names of an earlier version: act (now step), ends: walked (now completed): rename them"


def test_the_catalogue_uses_the_names_of_this_version(caplog: pytest.LogCaptureFixture) -> None:
    assert load_all()
    assert not caplog.messages


def test_a_step_that_has_its_name_twice_is_refused() -> None:
    with pytest.raises(UsageError, match=r"path\.1\.act: no such field"):
        parse(GOOD.replace("    dwell_s: 1", "    act: synchronise"), "mine.yaml")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("name: mine", "name: Mine!"), "mine.yaml:1: name: .*found 'Mine!'"),
        (("title: My own path", "tittle: x"), "mine.yaml:1: title: is missing: add it"),
        (("    dwell_s: 1", "    dwell_s: -1"), r"mine.yaml:6: path.1.dwell_s: .*found -1"),
        (
            ("    dwell_s: 1", "    dwel: 1"),
            r"mine.yaml:6: path.1.dwel: no such field, found 1: did you mean dwell_s\?",
        ),
        (("  - stop-consumers", "  - stop-everything"), r"mine.yaml:7: path.2: .*found 'stop-everything'"),
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
        (
            ("freeze", "cutover-file", ""),
            "11: faults.0.of: freeze cannot happen to cutover-file, only to connect, .*; cutover-file can have tear",
        ),
        (
            ("tear", "connect", ""),
            "11: faults.0.of: tear cannot happen to connect, only to cutover-file; connect can have freeze, kill",
        ),
        (
            ("freeze", "conductor", ""),
            "11: faults.0.of: freeze cannot happen to conductor, .*; conductor can have kill",
        ),
        (("kill", "group", ""), "11: faults.0.of: kill cannot happen to group, .*; group can have join"),
        (
            ("kill", "topics", ""),
            "11: faults.0.of: kill cannot happen to topics, .*; topics can have expire, recreate, compact",
        ),
        (("explode", "connect", ""), "10: faults.0.kind: .*found 'explode'"),
        (("freeze", "everything", ""), "11: faults.0.of: freeze cannot happen to everything, only to connect"),
        (("kill", "connect", "delay_ms: 5"), "13: faults.0.delay_ms: kill has no such field"),
        (("delay", "connect", "delay_ms: 0"), "13: faults.0.delay_ms: must be above 0, found 0"),
        (("tear", "cutover-file", "when: after"), "13: faults.0.when: .*break it before a step"),
        (
            ("join", "group", "seconds: 2"),
            "13: faults.0.seconds: join has no such field, leave it out; it has kind, of, at, when, found 2",
        ),
        (("recreate", "topics", "seconds: 2"), "13: faults.0.seconds: recreate has no such field"),
        (("freeze", "connect", "topic: a"), "13: faults.0.topic: freeze has no such field, leave it out"),
    ],
)
def test_the_error_of_an_invalid_fault_contains_its_line(fault: tuple[str, str, str], says: str) -> None:
    kind, of, more = fault
    text = f"{GOOD}faults:\n  - kind: {kind}\n    of: {of}\n    at: synchronise\n    {more}\n"
    with pytest.raises(UsageError, match=f"mine.yaml:{says}"):
        parse(text, "mine.yaml")


FLEETS = {
    "mount": "fleet: {file_delay: {least_s: 1, most_s: 2}}\n",
    "documents": "fleet: {channel: kafka}\n",
}
"""The fleet that a fault needs, by its victim."""


@pytest.mark.parametrize(("kind", "of"), [(kind, of) for kind, fault in FAULTS.items() for of in fault.victims()])
def test_every_fault_that_can_happen_is_accepted(kind: str, of: str) -> None:
    traffic = "traffic: {p: {config: {cleanup.policy: compact}}}\n"
    fleet = FLEETS.get(of, "")
    text = f"{GOOD}brokers: 3\n{traffic}{fleet}faults:\n  - {{kind: {kind}, of: {of}, at: synchronise}}\n"
    assert parse(text, "mine.yaml").faults[0].of == of


def test_a_fault_without_a_kind_names_its_line() -> None:
    with pytest.raises(UsageError, match=r"mine.yaml:10: faults.0.kind: is missing: add it"):
        parse(f"{GOOD}faults:\n  - of: connect\n    at: synchronise\n", "mine.yaml")


@pytest.mark.parametrize(("kind", "of"), [("tear", "cutover-file"), ("join", "group")])
def test_apps_without_the_shim_follow_no_cutover_file(kind: str, of: str) -> None:
    text = f"{GOOD}fleet: {{apps: restart}}\nfaults:\n  - {{kind: {kind}, of: {of}, at: synchronise}}\n"
    with pytest.raises(UsageError, match=r"mine.yaml:1: faults: .* is for apps with the shim"):
        parse(text, "mine.yaml")


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(UsageError, match=r"x\.yaml:4: title is there twice, first in line 2: remove one"):
        parse("name: a\ntitle: b\npath: [create-task]\ntitle: c\n", "x.yaml")
    with pytest.raises(UsageError, match=r"x\.yaml:3: most is there twice"):
        parse("name: a\nexpect: {lost: {most: 0,\n most: 9}}\n", "x.yaml")


def test_the_error_of_a_field_with_an_earlier_name_contains_its_line() -> None:
    with pytest.raises(UsageError, match=r"x\.yaml:5: expect\.reordered"):
        parse("name: a\ntitle: b\npath: [create-task]\nexpect:\n  disordered: many\n", "x.yaml")


def test_until_may_be_null_for_every_fault() -> None:
    parse(
        "name: a\ntitle: b\npath: [create-task, synchronise]\n"
        "faults: [{kind: kill, of: connect, at: synchronise, until: null}]\n",
        "x.yaml",
    )


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
        (
            "traffic:\n  prices: {colour: red}",
            "10: traffic.prices.colour: no such field, found 'red': there are partitions, per_second",
        ),
        ("traffic:\n  'a b': {}", "10: traffic.a b: name: expected the name of a topic"),
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
def test_the_error_of_invalid_traffic_or_fleet_contains_its_line(more: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"mine.yaml:{says}"):
        parse(f"{GOOD}{more}\n", "mine.yaml")


def test_the_json_schema_contains_faults_traffic_and_transactions() -> None:
    schema = Scenario.model_json_schema()
    faults = schema["properties"]["faults"]["items"]["discriminator"]["mapping"]
    assert [*faults] == sorted(FAULTS)
    for kind, reference in faults.items():
        fault = schema["$defs"][reference.rpartition("/")[2]]
        of = fault["properties"]["of"]
        assert fault["properties"]["kind"]["const"] == kind
        assert tuple(of.get("enum", [of.get("const")])) == FAULTS[kind].victims()
        assert fault["additionalProperties"] is False
    assert schema["$defs"]["TopicTraffic"]["additionalProperties"] is False
    assert {"traffic", "behind_at"} <= set(schema["properties"])
    assert "transactions" in schema["$defs"]["Fleet"]["properties"]


def test_the_catalogue_has_every_fault_that_is_no_signal_and_hits_everything_that_can_be_hit() -> None:
    used = {(fault.kind, fault.of) for scenario in load_all() for fault in scenario.faults}
    processes = {"freeze", "kill", "restart", "disconnect", "delay", "loss"}
    assert {*FAULTS} - processes <= {kind for kind, _ in used}
    assert {of for _, of in used} == {of for fault in FAULTS.values() for of in fault.victims()}


@pytest.mark.parametrize(
    ("fleet", "says"),
    [
        ("{file_delay: {least_s: 3, most_s: 2}}", "least_s 3 is above most_s 2: exchange them"),
        ("{file_delay: {most_s: 2}}", "fleet.file_delay.least_s: is missing: add it"),
        ("{file_delay: {least_s: 1, most_s: 2}, apps: restart}", "are for apps with the shim"),
        ("{channel: kafka, apps: restart}", "are for apps with the shim"),
        ("{channel: pigeon}", "fleet.channel: expected 'file' or 'kafka', found 'pigeon'"),
    ],
)
def test_ways_to_reach_a_fleet_that_are_refused(fleet: str, says: str) -> None:
    parse(GOOD + "fleet: {file_delay: {least_s: 2, most_s: 2}, channel: kafka}\n", "mine.yaml")
    with pytest.raises(UsageError, match=says):
        parse(GOOD + f"fleet: {fleet}\n", "mine.yaml")


def test_the_cutover_file_is_not_broken_if_no_app_follows_it() -> None:
    fault = "faults:\n  - {kind: tear, of: cutover-file, at: synchronise}\n"
    parse(GOOD + fault, "mine.yaml")
    with pytest.raises(UsageError, match=r"with fleet\.file_delay no app follows the file itself"):
        parse(GOOD + FLEETS["mount"] + fault, "mine.yaml")


@pytest.mark.parametrize("more", ["sasl.password: hunter2-x", "api_token: hunter2-x", "traffic: {x.secret: hunter2-x}"])
def test_a_value_under_the_name_of_a_secret_is_not_shown(more: str) -> None:
    with pytest.raises(UsageError, match=r"mine\.yaml:4: ") as caught:
        parse(f"name: x\ntitle: x\npath: [create-task]\n{more}\n", "mine.yaml")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(UsageError, match="found 'hunter2-x'"):
        parse("name: x\ntitle: x\npath: [create-task]\nbroker: hunter2-x\n", "mine.yaml")


def test_a_list_whose_only_entry_is_wrong_is_not_also_too_short(tmp_path: Path) -> None:
    batches = "batches:\n  a: {topics: ['or ders'], groups: [billing]}\n"
    with pytest.raises(UsageError) as refused:
        parse(f"{GOOD}{batches}", "mine.yaml")
    assert "batches.a.topics.0" in str(refused.value)
    assert "and 1 more" not in str(refused.value)
    (tmp_path / "mine.yaml").write_text(f"{GOOD}{batches}")
    assert len(mistakes_in(str(tmp_path / "mine.yaml"))) == 1
