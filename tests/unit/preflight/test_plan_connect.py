"""Rules about Connect, the reach of documents and the rehearsal: each fires on its problem, and not without it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.judge.model import RunFacts
from cutover_harness.judge.planned import Omitted, Planned, PlannedGroup, PlannedTopic
from cutover_harness.mirror.connect_properties import read_connect_properties
from cutover_harness.planning.model import PlanFile
from cutover_harness.planning.problems import Problem
from cutover_harness.preflight.model import Severity
from cutover_harness.preflight.planned.connect_facts import PLUGINS, Probe, RunningConnector
from cutover_harness.preflight.planned.facts import Facts, Spread
from cutover_harness.preflight.planned.read_rehearsal import read_rehearsal

from tests.unit.preflight.plan_facts import CONNECT, DOCUMENT, SEEN_TARGET, batch, facts, found, group, member, plan
from tests.unit.preflight_clusters import SOURCE

URL = {"connect": {"url": "http://connect:8083"}}


def connected(document: PlanFile | None = None, connectors: Any = (), **changed: Any) -> Facts:
    given = document or plan(**URL)
    return facts(given, connect=replace(CONNECT, **changed), connectors=dict(connectors))


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert found(connected()) == {}


def by_connector(**changed: Any) -> Facts:
    document = batch(groups={"billing": {"moves": "connector", "connector": "s3"}})
    running = {"state": "RUNNING", "tasks": ("RUNNING",), "group": "billing", **changed}
    given = connected(document, {"s3": RunningConnector(**running)} if changed.get("state") != "absent" else {})
    return replace(given, fleet=None if given.fleet is None else replace(given.fleet, clients=given.fleet.clients[1:]))


UNREACHED = Probe({"source": False, "target": True}, "no answer within 30 s")
PROBLEMS: dict[str, tuple[Facts, str, Severity, str]] = {
    "no Connect": (facts(connect=None), "connect-unknown", Severity.UNKNOWN, "names no Connect"),
    "no answer": (connected(problem="does not answer"), "connect", Severity.BLOCKER, "does not answer"),
    "too old to stop": (connected(version="3.4.1"), "connect-version", Severity.BLOCKER, "KIP-875"),
    "too old to reverse": (connected(version="3.6.2-ccs"), "connect-version", Severity.WARNING, "no rollback"),
    "odd version": (connected(version="unknown"), "connect-unknown", Severity.UNKNOWN, "version unknown"),
    "no MirrorMaker": (connected(plugins=PLUGINS[:1]), "connect-plugins", Severity.BLOCKER, "MirrorHeartbeatConnector"),
    "on the source": (connected(cluster_id="source-id"), "connect-cluster", Severity.BLOCKER, "works on the source"),
    "elsewhere": (connected(cluster_id="x"), "connect-cluster", Severity.BLOCKER, "cluster x"),
    "on no known cluster": (connected(cluster_id=None), "connect-unknown", Severity.UNKNOWN, "which cluster"),
    "policy": (
        connected(invalid={"first": ["producer.override.x: refused"]}),
        "mirror-config",
        Severity.BLOCKER,
        "x: r",
    ),
    "not probed": (connected(probe=None), "connect-unknown", Severity.UNKNOWN, "may not reach"),
    "not reached": (connected(probe=UNREACHED), "connect-reach", Severity.BLOCKER, "the source: no answer within 30 s"),
    "not provable": (
        connected(probe=Probe({"source": None, "target": True})),
        "connect-unknown",
        Severity.UNKNOWN,
        "the source",
    ),
    "probe left": (
        connected(probe=Probe({"source": True, "target": True}, left=("topic x",))),
        "probe-left",
        Severity.WARNING,
        "topic x",
    ),
    "earlier probe": (connected(names=["kafka-cutover-probe-1"]), "probe-left", Severity.WARNING, "probe-1"),
    "mirror exists": (connected(names=["cutover-first-source"]), "existing-mirror", Severity.WARNING, "cutover-first"),
    "no connector": (by_connector(state="absent"), "connector", Severity.BLOCKER, "no Connect that was asked has"),
    "connector paused": (by_connector(state="PAUSED"), "connector", Severity.BLOCKER, "is PAUSED"),
    "task failed": (by_connector(tasks=("FAILED",), failure="boom"), "connector", Severity.BLOCKER, "FAILED: boom"),
    "no task": (by_connector(tasks=()), "connector", Severity.BLOCKER, "no task"),
    "another group": (by_connector(group="connect-s3"), "connector", Severity.BLOCKER, "reads as group connect-s3"),
    "a source connector": (by_connector(group=None), "connector", Severity.BLOCKER, "no sink connector"),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_each_problem_is_found_alone(case: str) -> None:
    given, rule, severity, text = PROBLEMS[case]
    (finding,) = (each for its in found(given).values() for each in its)
    assert (finding.rule, finding.severity) == (rule, severity)
    assert text in f"{finding.subject} {finding.reason}"


def test_a_running_connector_is_no_problem() -> None:
    assert found(by_connector()) == {}


def test_a_path_with_a_reverse_mirror_needs_what_it_uses() -> None:
    path = ["create-task", "stop-producers", "reverse-mirror", "producers-to-target"]
    (finding,) = found(connected(batch(path=path), version="3.6.0"))["connect-version"]
    assert finding.severity == Severity.BLOCKER


REACH = plan(**URL, reach=[{"file": "cutover.toml"}])


@pytest.mark.parametrize(
    ("spread", "severity", "text"),
    [
        (None, Severity.UNKNOWN, "were not measured"),
        (
            Spread(7, {"a": 0.1, "b": 2.5}, (), 10),
            Severity.NOTE,
            "2 clients 0.10 to 2.50 s after it",
        ),
        (Spread(7, {"a": 70.0}, (), 90), Severity.WARNING, "deadline is 60 s"),
        (Spread(7, {}, ("b on h1 (at generation 6)",), 10), Severity.BLOCKER, "b on h1 (at generation 6) did not see"),
    ],
)
def test_spread(spread: Spread | None, severity: Severity, text: str) -> None:
    (finding,) = found(replace(connected(REACH), spread=spread))["spread"]
    assert finding.severity == severity
    assert text in f"{finding.subject} {finding.reason}"


def test_problems_of_the_plan_are_blockers() -> None:
    by_rule = found(replace(connected(), problems=[Problem("p.yaml", 3, "stays", "twice")], unset=["policy: none"]))
    assert [(each.subject, each.reason) for each in by_rule["plan"]] == [("p.yaml:3", "stays: twice")]
    assert "policy: none" in by_rule["plan-unset"][0].reason


# -- the rehearsal -----------------------------------------------------------------------------------------------------

PATH = [
    "create-task", "synchronise", "stop-consumers", "consumers-to-target", "stop-producers", "producers-to-target",
    "delete-task",
]  # fmt: skip
OWN = {"retention.ms": "1000"}
PLANNED = Planned(
    name="shop",
    file="plan.yaml",
    sha256="a" * 64,
    inventory=None,
    inventory_sha256=None,
    route="first",
    batches=["first"],
    topics={"orders": PlannedTopic(3, 3, OWN)},
    groups={"billing": PlannedGroup(1, 1, ["orders"], "shim")},
    producers={"checkout": 1},
)
VERSIONS = {"source": "Apache Kafka 3.4.1", "target": "Apache Kafka 3.9.1", "connect": "Kafka Connect 3.9.2"}


def folder(path: Path, planned: Planned | None = PLANNED, **changed: Any) -> Path:
    """Write the folder of a rehearsal."""
    (path / "first").mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {"path": PATH, "testbed": VERSIONS, "completed": True, **changed.pop("run", {})}
    RunFacts(run=1, scenario="first", plan=planned, **given).save(path / "first" / "run.json")
    (path / "first" / "verdict.json").write_text("{}")
    rehearsal = {"scenarios": ["first"], "not_rehearsed": {}, "target_kind": "automq", "plan": {"sha256": "a" * 64}}
    (path / "rehearsal.json").write_text(json.dumps(rehearsal | changed))
    return path


def compared(tmp_path: Path, document: PlanFile | None = None, **changed: Any) -> dict[str, Any]:
    topic = replace(SOURCE.topics["orders"], own=frozenset(OWN), config={**SOURCE.topics["orders"].config, **OWN})
    cluster = replace(SOURCE, topics={"orders": topic}, version=(3, 4))
    given = connected(document or plan(**URL, batches=[{**DOCUMENT["batches"][0], "path": list(PATH)}]))
    source = replace(given.source, **{"cluster": cluster, **changed.pop("source", {})})
    rehearsed = read_rehearsal(folder(tmp_path, **changed))
    return found(replace(given, seen={"source": source, "target": SEEN_TARGET}, digest="a" * 64, rehearsed=rehearsed))


def test_what_was_rehearsed_differs_in_nothing(tmp_path: Path) -> None:
    by_rule = compared(tmp_path)
    assert {rule for rule in by_rule if rule.startswith(("rehears", "not-rehearsed"))} == set()


def test_the_steps_of_the_batch_itself_are_compared(tmp_path: Path) -> None:
    """A run of several batches has the last one's steps as its path, and a rehearsal may also have rolled back."""
    for name, run in (
        ("several", {"path": ["create-task"], "paths": {"first": PATH, "last": ["create-task"]}}),
        ("rolled back", {"path": ["create-task", "delete-task"]}),
    ):
        by_rule = compared(tmp_path / name, run=run)
        assert ("rehearsed-path" in by_rule) == (name == "rolled back")
    there = folder(tmp_path / "both", run={"path": ["create-task", "delete-task"]}, scenarios=["first", "second"])
    (there / "first").rename(there / "second")
    compared(tmp_path / "both", scenarios=["first", "second"])
    by_rule = compared(tmp_path / "both", scenarios=["second", "first"])
    assert "rehearsed-path" not in by_rule


def planned(**changed: Any) -> Planned:
    return replace(PLANNED, **changed)


DIFFERENCES: dict[str, tuple[dict[str, Any], str, Severity, str]] = {
    "no plan": ({"plan": {}}, "rehearsal", Severity.BLOCKER, "no plan"),
    "plan": ({"plan": {"sha256": "b" * 64}}, "rehearsed-plan", Severity.WARNING, "has changed"),
    "scenario": ({"not_rehearsed": {"second": "disk full"}}, "not-rehearsed", Severity.WARNING, "disk full"),
    "batch": ({"planned": planned(batches=["other"])}, "not-rehearsed", Severity.BLOCKER, "not in the rehearsal"),
    "stopped": ({"run": {"completed": False}}, "not-rehearsed", Severity.BLOCKER, "not completed"),
    "topic": ({"planned": planned(topics={})}, "rehearsed-topics", Severity.WARNING, "were not rehearsed"),
    "partitions": (
        {"planned": planned(topics={"orders": PlannedTopic(2, 2, OWN)})},
        "rehearsed-topics",
        Severity.WARNING,
        "2 partitions -> 3",
    ),
    "config": (
        {"planned": planned(topics={"orders": PlannedTopic(3, 3, {})})},
        "rehearsed-topics",
        Severity.WARNING,
        "retention.ms (default) -> 1000",
    ),
    "group": ({"planned": planned(groups={})}, "rehearsed-groups", Severity.WARNING, "was not rehearsed"),
    "moves": (
        {"planned": planned(groups={"billing": PlannedGroup(1, 1, ["orders"], "restart")})},
        "rehearsed-groups",
        Severity.WARNING,
        "moves: restart -> shim",
    ),
    "members": (
        {"source": {"groups": group(member(), member(2))}},
        "rehearsed-groups",
        Severity.WARNING,
        "1 member -> 2",
    ),
    "reads": (
        {"planned": planned(groups={"billing": PlannedGroup(1, 1, [], "shim")})},
        "rehearsed-groups",
        Severity.WARNING,
        "also reads orders",
    ),
    "path": ({"run": {"path": PATH[:-1]}}, "rehearsed-path", Severity.BLOCKER, "delete-task"),
    "version": (
        {"run": {"testbed": VERSIONS | {"source": "Apache Kafka 3.9.2"}}},
        "rehearsed-version",
        Severity.WARNING,
        "source is 3.4, and Apache Kafka 3.9.2",
    ),
    "version of Connect": (
        {"run": {"testbed": VERSIONS | {"connect": "Kafka Connect 3.7.0"}}},
        "rehearsed-version",
        Severity.WARNING,
        "connect is 3.9",
    ),
    "unknown version": (
        {"run": {"testbed": {**VERSIONS, "source": "a cluster"}}},
        "rehearsed-version",
        Severity.UNKNOWN,
        "does not name",
    ),
    "target": ({"target_kind": "stand-in"}, "rehearsed-target", Severity.WARNING, "is AutoMQ"),
    "left out": (
        {"planned": planned(not_rehearsed=[Omitted("Transactions", "aborts", "more")])},
        "not-rehearsed",
        Severity.NOTE,
        "leaves open aborts",
    ),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_each_difference_is_named(tmp_path: Path, case: str) -> None:
    changed, rule, severity, text = DIFFERENCES[case]
    (finding,) = compared(tmp_path, **changed)[rule]
    assert finding.severity == severity
    assert text in f"{finding.subject} {finding.reason}"


def test_what_is_no_rehearsal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no rehearsal\.json"):
        read_rehearsal(tmp_path)
    (tmp_path / "rehearsal.json").write_text("[]")
    with pytest.raises(UsageError, match="is not a rehearsal's"):
        read_rehearsal(tmp_path)


# -- properties of Connect ---------------------------------------------------------------------------------------------


def test_files_are_relative_to_the_properties(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECT_PASSWORD", "hidden-1")
    file = tmp_path / "connect.properties"
    file.write_text("# login\nca=ca.pem\nuser=mirror\npassword=${CONNECT_PASSWORD}\n")
    access = read_connect_properties(file)
    assert (access.ca, access.user) == (tmp_path / "ca.pem", "mirror")
    assert access.secrets() == {"hidden-1"}
    (tmp_path / "password").write_text("hidden-2\n")
    file.write_text("user=mirror\npassword=${file:password}\n")
    assert read_connect_properties(file).secrets() == {"hidden-2"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user", "line 1: expected name=value"),
        ("\nname=x", "line 2: no property of this name: use ca, certificate"),
        ("user=a\npassword=hidden-1", "password: holds something that is no reference"),
        ("user=a", "user and password belong together"),
    ],
)
def test_mistakes_name_the_place_and_no_value(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "connect.properties"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        read_connect_properties(file)
    assert message in str(error.value)
    assert "hidden-1" not in str(error.value)
