"""Batches: topics that move together, topics that stay, and mistakes in scenario files."""

from __future__ import annotations

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.plan.batch import STAYS, WHOLE, Batch, resolve
from cutover_harness.plan.load import parse

TOPICS = ["flights.arrived", "flights.cancelled", "weather.observed"]
FLIGHTS = Batch(topics=("flights.*",), exclude=("flights.cancelled",), groups=("billing",))
WEATHER = Batch(topics=("weather.observed",), groups=("forecast",))

SCENARIO = """\
name: mine
title: Mine
path: [create-task, synchronise, stop-consumers, consumers-to-target, stop-producers, producers-to-target, delete-task]
fleet:
  groups: {billing: 1, forecast: 1, rebooking: 1}
"""


def test_without_batches_everything_moves_together() -> None:
    (route,) = resolve({}, TOPICS, ["billing"])
    assert (route.name, route.topics, route.groups, route.moves) == (WHOLE, tuple(TOPICS), ("billing",), True)


def test_topics_in_no_batch_stay_by_name() -> None:
    flights, weather, stays = resolve(
        {"flights": FLIGHTS, "weather": WEATHER}, TOPICS, ["billing", "forecast", "rebooking"]
    )
    assert (flights.topics, flights.groups) == (("flights.arrived",), ("billing",))
    assert (weather.topics, weather.groups) == (("weather.observed",), ("forecast",))
    assert (stays.name, stays.patterns, stays.groups, stays.moves) == (
        STAYS,
        ("flights.cancelled",),
        ("rebooking",),
        False,
    )
    assert flights.has("flights.diverted")
    assert not flights.has("flights.cancelled")
    assert not weather.has("flights.diverted")


@pytest.mark.parametrize(
    ("batches", "groups", "why"),
    [
        ({"a": FLIGHTS, "b": Batch(topics=("*",), groups=("audit",))}, ["billing", "audit"], "is in batch a too"),
        ({"a": Batch(topics=("orders",), groups=("billing",))}, ["billing"], "none of the capture's topics matches"),
        ({"a": Batch(topics=("*",), groups=("billing",))}, ["billing", "audit"], "audit is in no batch"),
    ],
)
def test_batches_that_cannot_move(batches: dict[str, Batch], groups: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        resolve(batches, TOPICS, groups)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("batches:\n  all: {topics: [a], groups: [billing]}\n", "all is reserved for topics of no batch"),
        ("batches:\n  a: {topics: [a], groups: [nobody]}\n", "nobody is not among fleet.groups"),
        (
            "batches:\n  a: {topics: [a], groups: [billing]}\n  b: {topics: [b], groups: [billing]}\n",
            "billing is in a and in b",
        ),
        ("batches:\n  a: {topics: ['a b'], groups: [billing]}\n", r"mine.yaml:7: batches.a.topics.0"),
        (
            "batches:\n  a: {topics: [a], groups: [billing]}\ngrowth: {at: synchronise, like: a, topic: b}\n",
            "no batch has both a and b",
        ),
        (
            "batches:\n  a: {topics: ['*'], groups: [billing]}\ngrowth: {at: reverse-mirror, like: a, topic: b}\n",
            "reverse-mirror, which is not in the path",
        ),
    ],
)
def test_scenario_files_with_invalid_batches(more: str, why: str) -> None:
    parse(SCENARIO, "mine.yaml")
    with pytest.raises(UsageError, match=why):
        parse(SCENARIO + more, "mine.yaml")
