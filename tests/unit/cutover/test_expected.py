"""The clients of a batch are those of the plan, or what contradicts it is named."""

from __future__ import annotations

from typing import Any

import pytest
from cutover_harness.cutover.expected import expected
from cutover_harness.planning.model import PlannedBatch

BATCH = PlannedBatch.model_validate(
    {
        "name": "shop",
        "path": "in-process",
        "topics": ["orders"],
        "groups": {"billing": {"moves": "shim", "instances": 2}, "legacy": {"moves": "restart"}},
        "producers": {"checkout": {"moves": "shim"}},
    }
)


def status(instance: str, role: str = "consumer", **other: Any) -> dict[str, Any]:
    return {"instance": instance, "role": role, "closed": False, "routes": {"shop": {}}, **other}


FLEET = [
    status("b1", group="billing"),
    status("b2", group="billing"),
    status("c1", "producer", app="checkout", client_id="rdkafka"),
]


def test_the_clients_of_the_plan() -> None:
    found = expected(BATCH, FLEET)
    assert found.clients == {"b1": "consumer", "b2": "consumer", "c1": "producer"}
    assert not found.problems


def test_a_producer_without_an_app_is_known_by_its_client_id() -> None:
    found = expected(BATCH, [*FLEET[:2], status("c1", "producer", app=None, client_id="checkout")])
    assert not found.problems


@pytest.mark.parametrize(
    ("statuses", "problem"),
    [
        (FLEET[1:], "group billing has 1 clients that report, and the plan has instances: 2"),
        (FLEET[:2], "producer checkout has no client that reports on the route"),
        (
            [*FLEET, status("l1", group="legacy")],
            "consumer l1 (legacy) reports with the shim, and the plan",
        ),
        ([*FLEET, status("x", group="other")], "consumer x (other) reports on the route, and its group is not among"),
        ([*FLEET, status("x", "producer")], "producer x reports on the route, and its cutover.app or client.id is not"),
    ],
)
def test_what_contradicts_the_plan_is_named(statuses: list[dict[str, Any]], problem: str) -> None:
    (found,) = expected(BATCH, statuses).problems
    assert found.startswith(problem)


@pytest.mark.parametrize(
    "other",
    [
        status("x", group="other", routes={"elsewhere": {}}),
        status("x", group="other", closed=True),
        status("x", group="other", routes=None),
    ],
)
def test_other_clients_do_not_count(other: dict[str, Any]) -> None:
    assert expected(BATCH, [*FLEET, other]) == expected(BATCH, FLEET)


def test_clients_that_keep_another_route_have_to_be_restarted() -> None:
    found = expected(BATCH, [*FLEET[:2], status("c1", "producer", app="checkout") | {"routes": {"all": {}}}])
    [problem] = found.problems
    assert problem.endswith("its clients report on all: restart them, as a running client keeps its route")
    closed = status("c1", "producer", app="checkout", closed=True) | {"routes": {"all": {}}}
    assert expected(BATCH, [*FLEET[:2], closed]).problems[0].endswith("on the route: start it with the shim")
