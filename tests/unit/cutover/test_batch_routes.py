"""The route of a batch in the document, and documents that contradict the plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.cutover.preparation import refuse_moved
from cutover_harness.cutover.routes import with_route
from cutover_harness.errors import UsageError
from cutover_harness.planning.model import PlannedBatch
from cutover_harness.types import Location
from cutover_shim.cutover_file import parse
from cutover_shim.errors import CutoverFileError

BATCH = PlannedBatch.model_validate(
    {
        "name": "shop",
        "path": "in-process",
        "topics": ["shop.*"],
        "exclude": ["shop.tmp"],
        "groups": {"billing": {"moves": "shim"}, "legacy": {"moves": "restart"}},
    }
)
ON_SOURCE = {"producers": "source", "consumers": "source"}


def document(**routes: Any) -> dict[str, Any]:
    return {"generation": 4, "clusters": {}, "routes": routes}


def test_the_route_is_added_on_the_source() -> None:
    before = document(other={"topics": ["x"], "groups": [], **ON_SOURCE})
    after = with_route(before, BATCH, [])
    assert after["routes"]["shop"] == {"topics": ["shop.*"], "groups": ["billing"], **ON_SOURCE}
    assert after["routes"]["other"] == before["routes"]["other"]
    assert after["generation"] == 4
    assert "shop" not in before["routes"]


def test_topics_that_the_batch_leaves_out_get_a_route_that_stays() -> None:
    after = with_route(document(), BATCH, ["shop.tmp"])
    assert after["routes"]["stays"] == {"topics": ["shop.tmp"], "groups": [], **ON_SOURCE}
    assert with_route(after, BATCH, ["shop.tmp"]) == after


def test_a_route_that_is_there_stays_as_it_is() -> None:
    there = {"topics": ["shop.*"], "groups": ["billing"], "producers": "source", "consumers": "hold"}
    assert with_route(document(shop=there), BATCH, [])["routes"]["shop"] == there


def test_topics_that_a_glob_of_another_route_matches_are_named() -> None:
    # As `kafka-cutover file init --topic '*' --group '*'` writes it: the inventory has the writers of all topics then.
    before = document(all={"topics": ["*"], "groups": ["*"], **ON_SOURCE})
    after = with_route(before, BATCH, ["shop.tmp"], ["shop.a", "shop.b"])
    assert after["routes"]["shop"]["topics"] == ["shop.*", "shop.a", "shop.b"]
    assert after["routes"]["all"] == before["routes"]["all"]
    routes = "".join(
        f"[routes.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in route.items())
        for name, route in after["routes"].items()
    )
    clusters = "".join(f'[clusters.{name}]\n"bootstrap.servers" = "{name}:1"\n' for name in ("source", "target"))
    read = parse(f"generation = 5\n{clusters}{routes}")
    assert [read.route_of_topic(name) for name in ("shop.a", "shop.b", "cart")] == ["shop", "shop", "all"]
    with pytest.raises(CutoverFileError, match="matches globs of the routes all, shop"):
        read.route_of_topic("shop.new")  # why topics are named
    assert (read.route_of_group("billing"), read.route_of_group("legacy")) == ("shop", "all")
    assert with_route(after, BATCH, ["shop.tmp"], ["shop.a", "shop.b"]) == after
    newer = with_route(after, BATCH, ["shop.tmp"], ["shop.a", "shop.b", "shop.c"])
    assert newer["routes"]["shop"]["topics"] == ["shop.*", "shop.a", "shop.b", "shop.c"]
    after["routes"]["shop"]["consumers"] = "target"
    assert with_route(after, BATCH, ["shop.tmp"], ["shop.a", "shop.c"]) == after, "nothing changes while it moves"


@pytest.mark.parametrize("field", ["topics", "groups"])
def test_a_glob_of_a_route_that_has_moved_is_refused(field: str) -> None:
    moved = {"topics": ["x"], "groups": [], "producers": "source", "consumers": "target"} | {field: ["*"]}
    with pytest.raises(UsageError, match=f"route all of the document is not on the source, and its {field} match"):
        with_route(document(all=moved), BATCH, [], ["shop.a"])


@pytest.mark.parametrize(
    ("routes", "why"),
    [
        ({"shop": {"topics": ["shop.*"], "groups": [], **ON_SOURCE}}, "make them equal"),
        ({"shop": {"topics": ["shop.a"], "groups": ["billing"], **ON_SOURCE}}, "make them equal"),
        ({"shop": {"topics": ["shop.*", "y"], "groups": ["billing"], **ON_SOURCE}}, "make them equal"),
        ({"shop": {"topics": ["shop.*", "shop.tmp"], "groups": ["billing"], **ON_SOURCE}}, "make them equal"),
        ({"x": {"topics": ["y"], "groups": ["billing"], **ON_SOURCE}}, "route x of the document has groups billing"),
        ({"x": {"topics": ["shop.*"], "groups": [], **ON_SOURCE}}, "route x of the document has topics shop."),
    ],
)
def test_a_document_that_contradicts_the_plan_is_refused(routes: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        with_route(document(**routes), BATCH, [])


@pytest.mark.parametrize(("producers", "consumers"), [("target", "target"), ("source", "hold")])
def test_a_path_does_not_begin_with_clients_that_have_left_the_source(
    tmp_path: Path, producers: Location, consumers: Location
) -> None:
    routes = {"shop": RouteLocations(["shop.*"], [], producers, consumers), "other": RouteLocations(["x"], [])}
    writer = CutoverFileWriter(tmp_path / "cutover.toml", {}, routes)
    refuse_moved(writer, "other")
    refuse_moved(writer, "not there")
    with pytest.raises(UsageError, match="the run has no journal of it"):
        refuse_moved(writer, "shop")
