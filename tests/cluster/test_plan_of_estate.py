"""The cluster of `estate`: the inventory finds exactly what the script made, and the plan has the routes as wired."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.planning.listing import read_listing
from cutover_harness.planning.make import Wanted, make_plan
from cutover_harness.planning.model import ListedBy, PlanFile
from cutover_harness.planning.read import read_plan
from cutover_harness.planning.systems import read_systems

from tests.cluster.estate import (
    ADMIN,
    ALONE,
    BUSY,
    GROUPS,
    LISTER,
    PLAIN_MEMBERS,
    ROUTES,
    SHIM_MEMBERS,
    STALE,
    SYSTEMS,
    SYSTEMS_YAML,
    TOPICS,
    Estate,
    estate,
)

PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()"]
PASSWORD = "correct-horse-9f41"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with estate(tmp_path_factory.mktemp("estate"), PASSWORD) as made, made.clients():
        yield made


@pytest.fixture(scope="module")
def inventory(running: Estate) -> Path:
    """The inventory by a user with the rights of the docs, and no others."""
    out = running.folder / "inventory.json"
    source, statuses = str(running.properties(LISTER)), str(running.statuses)
    with running.traffic():
        command = ("inventory", "--source", source, "--statuses", statuses, "--sample", "3", "-o", str(out))
        code, said = command_line(running, *command)
    assert code == 0, said
    assert PASSWORD not in out.read_text()
    return out


def command_line(running: Estate, *args: str) -> tuple[int, str]:
    """Return the exit code of kafka-cutover, and what it has printed, which must have no secret."""
    env = {**os.environ, "ESTATE_PASSWORD": PASSWORD}
    done = subprocess.run([*PROGRAM, *args], env=env, capture_output=True, text=True, check=False, cwd=running.folder)
    said = done.stdout + done.stderr
    assert PASSWORD not in said
    return done.returncode, said


@pytest.fixture(scope="module")
def plan(running: Estate, inventory: Path) -> PlanFile:
    (running.folder / "systems.yaml").write_text(SYSTEMS_YAML)
    files = ("--source", running.properties(ADMIN).name, "--target", running.properties(ADMIN, "target").name)
    args = ("plan", inventory.name, "--systems", "systems.yaml", "-o", "plan.yaml", *files)
    code, said = command_line(running, *args)
    assert code == 0, said
    return read_plan(running.folder / "plan.yaml").plan


def listed(inventory: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(inventory.read_text())
    assert not document["partial"]
    return document


def test_the_inventory_is_exactly_what_was_made(inventory: Path) -> None:
    source = listed(inventory)["clusters"]["source"]
    topics = {each["name"]: each for each in source["topics"] if not each["internal"]}
    assert {name: each["partitions"] for name, each in topics.items()} == TOPICS
    assert len(TOPICS) == 60
    groups = {each["name"]: {topic["topic"] for topic in each["topics"]} for each in source["groups"]}
    assert groups == {name: set(read) for name, read in GROUPS.items()}
    assert len(GROUPS) == 20
    members = {each["name"]: len(each["members"]) for each in source["groups"] if each["members"]}
    assert members == SHIM_MEMBERS | PLAIN_MEMBERS
    assert {name for name, each in topics.items() if each["stale"] == "yes"} == set(STALE)
    assert {name for name, each in topics.items() if each["grown"]} == set(BUSY)


def test_the_inventory_has_who_writes(inventory: Path) -> None:
    topics = listed(inventory)["clusters"]["source"]["topics"]
    apps: dict[str, set[str]] = {}
    transactional: dict[str, set[str]] = {}
    for topic in topics:
        for writer in topic["writers"]:
            apps.setdefault(writer.removeprefix("shim "), set()).add(topic["name"])
        for producer in topic["producers"] or ():
            if name := producer["transactional_id"]:
                transactional.setdefault(name, set()).add(topic["name"])
    assert apps == {name: set(written) for route in ROUTES for name, written in route.apps.items()}
    assert transactional == {name: set(written) for route in ROUTES for name, written in route.transactional.items()}


def test_the_routes_are_as_wired(running: Estate, plan: PlanFile, inventory: Path) -> None:
    listing, _ = read_listing(inventory)
    made = make_plan(listing, ListedBy(file="x"), read_systems(running.folder / "systems.yaml"), Wanted())
    routes = {frozenset(route.topics): route for batch in made.batches for route in batch.routes}
    wired = {frozenset(route.topics): route for route in ROUTES}
    assert routes.keys() == wired.keys() | {frozenset({topic}) for topic in ALONE if topic not in STALE}
    for topics, route in wired.items():
        found = {(link.kind, link.name) for link in routes[topics].links}
        wanted = {("group", name) for name in route.groups} | {("app", name) for name in route.apps}
        assert found == wanted | {("transactional id", name) for name in route.transactional}


def test_batches_are_systems_and_what_is_offline_moves_first(plan: PlanFile) -> None:
    assert [batch.name for batch in plan.batches] == ["billing", "logistics", "shop", "reporting"]
    reporting = plan.batches[-1]
    assert reporting.topics == ("reporting.*", "shop.clicks")
    assert reporting.notes[0] == (
        "topics of other systems: shop.clicks (shop): tied to this one by group reporting-sales"
    )
    assert set(STALE) < set(plan.stays)
    groups = {name: mover for batch in plan.batches for name, mover in batch.groups.items()}
    assert groups.keys() == GROUPS.keys()
    assert {name: mover.instances for name, mover in groups.items() if mover.moves == "shim"} == SHIM_MEMBERS
    assert {name for name, mover in groups.items() if mover.instances} == set(SHIM_MEMBERS | PLAIN_MEMBERS)
    producers = {name: mover.moves for batch in plan.batches for name, mover in batch.producers.items()}
    apps = {name: "shim" for route in ROUTES for name in route.apps}
    assert producers == apps | {name: "restart" for route in ROUTES for name in route.transactional}


def test_the_plan_has_no_problem_and_planning_again_changes_nothing(running: Estate, plan: PlanFile) -> None:
    code, said = command_line(running, "plan", "check", "plan.yaml")
    assert code == 0, said
    before = (running.folder / "plan.yaml").read_bytes()
    assert command_line(running, "plan", "inventory.json", "-o", "plan.yaml")[0] == 0
    assert (running.folder / "plan.yaml").read_bytes() == before


def test_a_topic_is_explained(running: Estate, inventory: Path) -> None:
    code, said = command_line(running, "plan", inventory.name, "--systems", "systems.yaml", "--explain", "shop.clicks")
    assert code == 0
    assert "shop.clicks and reporting.sales-facts: group reporting-sales (has committed offsets of 3 topics" in said


def test_the_walk_through_of_the_docs(running: Estate, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "plan.md").read_text(encoding="utf-8")
    first, *others = [line.strip() for line in page.splitlines() if line.startswith("    kafka-cutover ")]
    assert len(others) == 3
    folder = tmp_path / "migration"
    assert shell(first, tmp_path)[0] == 0
    # What a person fills in.
    for cluster in ("source", "target"):
        file = running.properties(LISTER, "source" if cluster == "source" else "target")
        (folder / f"{cluster}.properties").write_text(file.read_text())
    (folder / "systems.yaml").write_text(SYSTEMS_YAML)
    for line in others:
        code, said = shell(line.replace("kafka:cutover-status", str(running.statuses)), folder)
        assert code == 0, said
    assert "plan.yaml: no problem" in said
    assert len(read_plan(folder / "plan.yaml").plan.batches) == len(SYSTEMS)


def shell(line: str, folder: Path) -> tuple[int, str]:
    """Return exit code and output of a line of the docs."""
    quicker = line.replace("-o inventory.json", "--sample 1 -o inventory.json")
    text = f'kafka-cutover() {{ {shlex.join(PROGRAM)} "$@"; }}; {quicker}'
    env = {**os.environ, "ESTATE_PASSWORD": PASSWORD}
    command = ["/bin/bash", "-c", text]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=folder)
    assert PASSWORD not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def test_batches_of_the_plan_pass_their_rehearsal(running: Estate, plan: PlanFile) -> None:
    """Groups and producers with the shim and without it move in one batch; with CUTOVER_SHOWS=1 two of them.

    Two batches in their order are always rehearsed in `test_rehearse_plan`.
    """
    batches = ["logistics", "reporting"] if os.environ.get("CUTOVER_SHOWS") else ["logistics"]
    chosen = [word for name in batches for word in ("--batch", name)]
    code, said = command_line(running, "rehearse", "--plan", "plan.yaml", *chosen, "--out", "rehearsal")
    assert code == 0, said
    out = running.folder / "rehearsal"
    for batch in plan.batches:
        if batch.name in batches:
            judged = json.loads((out / batch.name / "verdict.json").read_text())
            assert judged["verdict"]["outcome"] == "PASS"
            assert {each["group"] for each in judged["judgement"]["groups"]} >= set(batch.groups)
    part = json.loads((out / "logistics" / "run.json").read_text())["plan"]
    assert set(part["topics"]) == {name for name in TOPICS if name.startswith("logistics.")}
    assert part["groups"]["logistics-tracking"]["moves"] == "shim"
    assert part["groups"]["logistics-stock"]["moves"] == "restart"
