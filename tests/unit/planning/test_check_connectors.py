"""Connectors of a plan, and the Connect clusters that run them: what is wrong, and what is not set yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.cutover.settings import connectors_of, fields_of
from cutover_harness.errors import UsageError
from cutover_harness.planning.check import check_plan
from cutover_harness.planning.read import read_plan

PLAN = """\
name: shop
clusters: {source: {properties: source.properties}, target: {properties: target.properties}}
connect: {url: "http://mirror:8083"}
connect_clusters:
  etl: {url: "http://etl:8083", properties: etl.properties, on_repoint: [./etl-to.sh]}
  cdc: {url: "http://cdc:8083", target: {url: "http://new-cdc:8083"}}
batches:
  - name: sales
    path: restart
    topics: [sales]
    groups: {connect-s3: {moves: connector, connector: s3, connect: etl}}
    producers: {crm: {moves: connector, connector: crm, connect: etl}}
  - name: orders
    path: restart
    topics: [orders]
    groups: {connect-dwh: {moves: connector, connector: dwh, connect: cdc}}
    producers: {tables: {moves: connector, connector: tables, connect: cdc}}
"""


def write(folder: Path, text: str = PLAN) -> Path:
    for name in ("source", "target"):
        (folder / f"{name}.properties").write_text("bootstrap.servers=127.0.0.1:1\n")
    (folder / "etl.properties").write_text("ca=ca.pem\n")
    (folder / "plan.yaml").write_text(text)
    return folder / "plan.yaml"


def test_a_good_plan(tmp_path: Path) -> None:
    checked = check_plan(write(tmp_path), {})
    assert checked.problems == []
    assert not [line for line in checked.unset if "connect" in line]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "connect: etl}}\n    producers: {crm",
            "connect: elt}}\n    producers: {crm",
            "no Connect cluster is called elt",
        ),
        (
            "connect: cdc}}\n    producers",
            "connect: etl}}\n    producers",
            "moves as a whole, and batches sales, orders",
        ),
        ("http://etl:8083", "http://mirror:8083", "runs the mirror"),
        ("path: restart", "path: overlap", "a connector runs once: choose another path"),
        ("etl.properties", "none.properties", "there is no file"),
        ("http://new-cdc:8083", "http://me:hunter2@new-cdc:8083", "has a password"),
        ("target: {url", "on_repoint: [x], target: {url", "target and on_repoint exclude each other"),
        (
            "moves: connector, connector: s3, ",
            "moves: restart, ",
            "connect is set, and moves is restart",
        ),
        ("connector: s3, ", "connector: s3, on_stop: [x], ", "on_repoint of its Connect cluster moves a connector"),
    ],
)
def test_a_problem(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in PLAN
    problems = list(map(str, check_plan(write(tmp_path, PLAN.replace(old, new, 1)), {}).problems))
    assert len([each for each in problems if words in each]) == 1, problems
    assert not any("hunter2" in each for each in problems)


@pytest.mark.parametrize("name", ['""', '" "', '"s3\\n"', '"s\\n3"', '"\\ts3"'])
def test_a_name_that_no_connector_can_have(tmp_path: Path, name: str) -> None:
    (line,) = map(str, check_plan(write(tmp_path, PLAN.replace("connector: s3", f"connector: {name}")), {}).problems)
    place = f"{tmp_path / 'plan.yaml'}:11: batches.sales.groups.connect-s3.connector: "
    assert line.startswith(f"{place}a connector's name is not empty, and has no line break")
    assert "\n" not in line


@pytest.mark.parametrize("name", ["s 3", "größe", "s3.[x]/y"])
def test_names_that_connectors_can_have(tmp_path: Path, name: str) -> None:
    assert check_plan(write(tmp_path, PLAN.replace("connector: s3", f'connector: "{name}"')), {}).problems == []


SECOND_GROUP = "groups: {more: {moves: connector, connector: s3, connect: etl}, connect-s3"


@pytest.mark.parametrize(
    ("old", "new", "line", "place", "before"),
    [
        ("groups: {connect-s3", SECOND_GROUP, 11, "sales.groups.connect-s3", 11),
        ("connector: crm", "connector: s3", 12, "sales.producers.crm", 11),
        ("connector: tables", "connector: dwh", 17, "orders.producers.tables", 16),
        ("connector: dwh, connect: cdc", "connector: s3, connect: etl", 16, "orders.groups.connect-dwh", 11),
        # another name of the same Connect cluster
        ("connector: dwh, connect: cdc", "connector: s3, connect: again", 16, "orders.groups.connect-dwh", 11),
    ],
)
def test_a_connector_that_two_clients_have(
    tmp_path: Path, old: str, new: str, line: int, place: str, before: int
) -> None:
    plan = PLAN.replace(old, new, 1)
    if "again" in new:
        plan = plan.replace("connect_clusters:\n", 'connect_clusters:\n  again: {url: "http://etl:8083/"}\n')
        line, before = line + 1, before + 1
    else:
        assert old in PLAN
    problems = [str(each) for each in check_plan(write(tmp_path, plan), {}).problems if "moves as a" not in each.text]
    (problem,) = problems
    assert problem.startswith(f"{tmp_path / 'plan.yaml'}:{line}: batches.{place}.connector: ")
    assert f"is that of line {before} too: correct it, or keep it in one place" in problem


def test_connectors_of_one_name_on_two_connect_clusters(tmp_path: Path) -> None:
    assert check_plan(write(tmp_path, PLAN.replace("connector: dwh", "connector: s3")), {}).problems == []


def test_a_connect_cluster_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    (line,) = map(str, check_plan(write(tmp_path, PLAN.replace("http://etl:8083", "etl:8083")), {}).problems)
    assert ":5: connect_clusters.etl.url: " in line


def test_a_connector_without_its_connect_cluster_is_not_set_and_cannot_be_run(tmp_path: Path) -> None:
    file = write(tmp_path, PLAN.replace("connector: s3, connect: etl", "connector: s3"))
    checked = check_plan(file, {})
    assert checked.problems == []
    assert "connect_clusters, and connect of s3: where these connectors run" in checked.unset
    plan = read_plan(file).plan
    with pytest.raises(
        UsageError, match=r"groups\.connect-s3\.connect: is missing: name the Connect cluster .* etl, cdc"
    ):
        connectors_of(plan, plan.batches[0])


def test_connectors_of_a_batch_are_clients_whose_evidence_is_on_the_clusters(tmp_path: Path) -> None:
    plan = read_plan(write(tmp_path)).plan
    fields = fields_of(plan, plan.batches[0])
    assert [(each.name, each.client, each.role, each.repointed) for each in fields["connectors"]] == [
        ("s3", "connect-s3", "consumer", True),
        ("crm", "crm", "producer", True),
    ]
    assert [(each.name, each.role) for each in fields["restarts"]] == [("connect-s3", "consumer"), ("crm", "producer")]
    assert fields["asks"]
    assert [each.repointed for each in connectors_of(plan, plan.batches[1])] == [False, False]
