"""A batch with a fleet of which a part is restarted: its conductor is killed on the way, and its hooks misbehave.

CUTOVER_SHOWS=1 kills before, during and after every step; with CUTOVER_TEST_AUTOMQ_HOME=DIR the target is AutoMQ.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_harness.testbed import ProcessTestbed

from tests.cluster.shop.fleet import Clients, Fleet
from tests.cluster.shop.kills import MOMENTS, Kill
from tests.cluster.shop.ledgers import Difference, difference
from tests.cluster.shop.plain_shop import plain_fleet, plain_shop
from tests.cluster.shop.shop import AT_THE_END, STEPS, Shop
from tests.cluster.test_run_plan import reported

ALL = bool(os.environ.get("CUTOVER_SHOWS"))
EVERY = tuple(Kill(step, moment, alone=n % 2 == 1) for step in STEPS for n, moment in enumerate(MOMENTS))
SAMPLE = (
    Kill("create-task", "during", alone=True),
    Kill("set-exact-offsets", "during"),
    Kill("producers-to-target", "during"),
)
CLIENTS = Clients(
    "kills",
    ("kills.placed", "kills.paid", "kills.shipped"),
    {"kills-billing": 2, "kills-stock": 1, "kills-legacy": 0},
    {"checkout": 1, "erp": 0},
)
LEGACY = "kills-legacy"
MISBEHAVE = {
    "hang": f"{LEGACY}: ./service stop: did not end within 8 s",
    "fail": f"{LEGACY}: ./service stop: exit code 3: no such service",
    "lie": f"group {LEGACY} has 1 member ({LEGACY} at 127.0.0.1) on source: stop them",
}
"""What a run reports that stops at stop-consumers because of a command that hangs, fails or lies."""


@pytest.fixture
def shop(testbed: ProcessTestbed, tmp_path: Path) -> Shop:
    hooks = {"within_s": 8, "on_stop": ["./service", "stop"], "on_start": ["./service", "start"]}
    return plain_shop(testbed, tmp_path, CLIENTS, hooks)


@pytest.fixture
def fleet(shop: Shop) -> Iterator[Fleet]:
    with plain_fleet(shop, CLIENTS) as fleet:
        yield fleet


def test_a_batch_with_lying_hooks_whose_conductor_is_killed_ends_as_an_undisturbed_one(
    shop: Shop, fleet: Fleet
) -> None:
    kills = EVERY if ALL else SAMPLE
    early = [
        kill for kill in kills if kill.step in STEPS[:2] or (kill.step, kill.moment) == ("stop-consumers", "before")
    ]
    shop.kill(CLIENTS.batch, early)
    for mode, said in MISBEHAVE.items() if ALL else [("lie", MISBEHAVE["lie"])]:
        fleet.mode(LEGACY, mode)
        assert said in shop.call("run", str(shop.plan), "--yes-until", "end", code=1)
        assert not [e for e in shop.entries(CLIENTS.batch) if (e.kind, e.name) == ("done", "stop-consumers")]
    fleet.mode(LEGACY, "")
    if not ALL:  # and to the source, from where it is moved again
        assert "back on the source" in shop.call("rollback", str(shop.plan), "--yes")
    shop.kill(CLIENTS.batch, kills[len(early) :])
    shop.finish(CLIENTS.batch)
    fleet.finish()
    acked = fleet.acked()
    assert len(acked.streams) == fleet.expected_streams()
    assert {group: difference(fleet.read(group), acked) for group in CLIENTS.groups} == dict.fromkeys(
        CLIENTS.groups, Difference()
    )
    assert shop.end_state(CLIENTS) == AT_THE_END
    assert shop.unaudited(CLIENTS.batch) == []
    check_report(shop)


def check_report(shop: Shop) -> None:
    of_run = reported(shop.folder, "COMPLETE AND VERIFIED", CLIENTS.batch)
    assert [each["state"] for each in of_run["earlier"]] == ([] if ALL else ["rolled back"])
    (batch,) = of_run["batches"]
    bounds = {each["client"]: (each["bound"], each["seconds"] is not None) for each in batch["blackouts"]}
    assert bounds[LEGACY] == ("at most", True)
    assert bounds["erp"] == ("at least", True)
    commands = {(each["client"], each["location"]) for step in batch["steps"] for each in step["commands"]}
    assert commands == {(client, location) for client in (LEGACY, "erp") for location in ("hold", "target")}
