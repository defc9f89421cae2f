"""Who attests, who does not, and why; whatever is written in a status."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cutover_harness.cli.fleet_freshness import Freshness
from cutover_harness.cli.fleet_rows import Expected, Fleet, fleet_of
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fleet_command.statuses import of_first_version, route, status


def fleet(*statuses: dict[str, Any], silent: dict[str, float] | None = None, **more: Any) -> Fleet:
    return fleet_of({s["instance"]: s for s in statuses}, lambda name, _: (silent or {}).get(name), **more)


def standings(found: Fleet) -> dict[str, str]:
    return {row.client: row.standing for row in found.rows}


def test_a_fleet_that_attests_one_generation() -> None:
    found = fleet(status("a"), status("b", role="consumer"), of_first_version("c"))
    assert standings(found) == {"a": "attests", "b": "attests", "c": "attests"}
    assert (found.generation, found.exit_code) == (7, 0)


@pytest.mark.parametrize(
    ("other", "standing", "why"),
    [
        (status("x", seen_generation=6, on={"generation": 6}), "behind", "has not read generation 7"),
        (status("x", on={"generation": 6, "state": "preparing"}), "behind", "is preparing and wants target"),
        (status("x", on={"state": "draining", "desired": "hold"}), "behind", "is draining and wants hold"),
        (status("x", on={"generation": 6}), "behind", "is target and wants target"),
        (
            status("x", on={"state": "preparing", "error": "no topic orders"}),
            "behind",
            "is preparing and wants target; no topic orders",
        ),
        (
            status("x", routes={}, unrouted=1, seen_generation=6),
            "behind",
            "has not read generation 7; 1 topic in no route stays on the source",
        ),
        (status("x", rejected="generation 8: forged"), "refuses", "generation 8: forged"),
        (
            status("x", channels=[{"channel": "kafka:c@source", "generation": 7, "refused": "forged", "error": None}]),
            "refuses",
            "kafka:c@source: forged",
        ),
        (status("x", on={"state": "failed", "error": "stays on the source"}), "refuses", "stays on the source"),
        (status("x", updated=None), "silent", "its status has no time"),
    ],
)
def test_one_client_that_does_not_attest_is_enough(other: dict[str, Any], standing: str, why: str) -> None:
    found = fleet(status("a"), other)
    assert standings(found) == {"x": standing, "a": "attests"}
    assert (found.rows[0].client, found.rows[0].why, found.exit_code) == ("x", why, 1)


@pytest.mark.parametrize(
    "other",
    [
        status("x", role="consumer", on={"state": "held", "desired": "hold", "cluster": None}),
        status("x", routes={}, unrouted=1),
        status("x", on={"error": "partition 3 has no committed offset"}),
        status("x", channels=[{"channel": "kafka:c@source", "generation": 7, "refused": None, "error": "no broker"}]),
    ],
)
def test_what_is_no_obstacle(other: dict[str, Any]) -> None:
    assert fleet(status("a"), other).exit_code == 0


@pytest.mark.parametrize(
    ("client", "why"),
    [
        (status("x", unrouted=2), "2 topics in no route stay on the source"),
        (status("x", routes={}, unrouted=1), "1 topic in no route stays on the source"),
        (
            status("x", role="consumer", group="g", routes={}, unrouted=1),
            "its group is in no route and stays on the source",
        ),
        (status("x", unrouted=1, on={"error": "no quorum"}), "no quorum; 1 topic in no route stays on the source"),
        (status("x"), None),
        (status("x", unrouted=-1), None),
        (status("x", unrouted="2"), None),
        (status("x", unrouted=2, on={"state": "source", "desired": "source", "cluster": "source"}), None),
    ],
)
def test_what_stays_on_the_source_without_a_route_is_said(client: dict[str, Any], why: str | None) -> None:
    found = fleet(client)
    assert (standings(found), found.rows[0].why) == ({"x": "attests"}, why)


def test_a_silent_client_proves_nothing_whatever_its_last_status_says() -> None:
    found = fleet(status("a"), status("x"), silent={"x": 95.0})
    assert standings(found) == {"x": "silent", "a": "attests"}
    assert (found.rows[0].silent_s, found.exit_code) == (95.0, 1)
    stale = fleet(status("a"), status("x", seen_generation=6, rejected="forged"), silent={"x": 95.0})
    assert stale.rows[0].why == "has not read generation 7; forged"


def test_the_worst_come_first() -> None:
    found = fleet(
        status("a"),
        status("b", seen_generation=6),
        status("c", rejected="forged"),
        status("d"),
        status("e", closed=True, ended="exited"),
        silent={"d": 9.0},
        expected=Expected(["a", "f"]),
    )
    assert [row.standing for row in found.rows] == ["missing", "silent", "refuses", "behind", "attests", "ended"]
    assert found.counts == dict.fromkeys(["missing", "silent", "refuses", "behind", "attests", "ended"], 1)


def test_a_client_that_ended_in_order_does_not_count_unless_it_is_expected() -> None:
    ended = status("x", closed=True, ended="exited", seen_generation=6, rejected="forged")
    assert fleet(status("a"), ended).exit_code == 0
    assert fleet(status("a"), ended, expected=Expected(["a"])).exit_code == 0
    found = fleet(status("a"), ended, expected=Expected(["a", "x"]))
    assert (found.rows[0].standing, found.rows[0].why, found.exit_code) == ("missing", "has ended (exited)", 1)
    old = fleet(status("a"), {k: v for k, v in ended.items() if k != "ended"})
    assert [row.ended for row in old.of("ended")] == ["closed"]


def test_nobody_to_attest_is_no_success() -> None:
    assert fleet().exit_code == 3
    assert fleet(status("a", closed=True, ended="closed")).exit_code == 3
    assert fleet(expected=Expected(count=1)).exit_code == 1


def test_too_few_clients_are_missing() -> None:
    found = fleet(status("a"), status("b"), expected=Expected(count=5))
    assert (found.rows[0].client, found.rows[0].why) == ("3 clients", "2 of 5 expected clients report")
    assert fleet(status("a"), status("b"), expected=Expected(count=2)).exit_code == 0


def test_one_route_alone() -> None:
    both = status("a", routes={"r": route(), "s": route(generation=6, state="preparing")})
    assert fleet(both).exit_code == 1
    assert fleet(both, route="r").exit_code == 0
    assert [row.route for row in fleet(both, route="s").rows] == ["s"]
    assert fleet(both, route="none").exit_code == 3
    found = fleet(both, status("b", routes={}, unrouted=1), route="r", expected=Expected(["a", "b"]))
    assert standings(found) == {"b": "missing", "a": "attests"}


def test_blackouts() -> None:
    def consumer(last: float | None, first: float | None) -> dict[str, Any]:
        switch = {"generation": 7, "left_at": 900.0, "last_delivered_at": last, "first_delivered_at": first}
        return status("c", role="consumer", on={"switch": switch})

    for found, seconds in (
        (fleet(status("a")), 1.5),
        (fleet(consumer(899.0, 903.0)), 4.0),
        (fleet(consumer(None, 903.0)), None),
        (fleet(consumer(899.0, None)), None),
        (fleet(consumer(903.0, 899.0)), 0.0),  # the host's clock was set back
    ):
        blackout = found.rows[0].blackout
        assert blackout is not None
        assert blackout.seconds == seconds
    assert fleet(status("a", on={"switch": None})).rows[0].blackout is None
    assert fleet(of_first_version()).rows[0].blackout is None


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.just("\x1b[31m"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(sorted(status())), json_values),
    st.dictionaries(st.sampled_from(sorted(route())), json_values),
)
def test_no_value_in_a_status_ends_it(change: dict[str, Any], on: dict[str, Any]) -> None:
    found = fleet_of({"a": status("a", on=on) | change, "b": status("b")}, lambda *_: None)
    assert "\x1b" not in json.dumps(found.to_json())
    json.dumps(found.to_json(), allow_nan=False)
    assert found.exit_code in {0, 1}


class Clock:
    """Two clocks that tests set: the time since a start, and that of the day."""

    def __init__(self) -> None:
        self.since, self.of_day = 0.0, 1000.0

    def wait(self, seconds: float) -> None:
        self.since += seconds
        self.of_day += seconds


def test_a_time_of_the_last_seconds_is_believed_and_others_after_a_second_look() -> None:
    clock = Clock()
    fresh = Freshness(lambda: clock.since, lambda: clock.of_day)
    statuses = {
        name: status(name, updated=updated)
        for name, updated in {"now": 999.0, "early": 1003600.0, "late": 100.0, "dead": 90.0}.items()
    }
    fresh.look(statuses)
    assert fresh.silent_s("now", 999.0) is None
    assert fresh.silent_s("dead", 90.0) == 910.0
    assert fresh.silent_s("early", 1003600.0) == 0.0
    assert fresh.in_doubt(statuses)
    clock.wait(1.2)
    for name in ("now", "early", "late"):
        statuses[name]["updated"] += 1.0
    fresh.look(statuses)
    silent = {name: fresh.silent_s(name, s["updated"]) for name, s in statuses.items()}
    assert silent == {"now": None, "early": None, "late": None, "dead": 911.2}
    assert fresh.in_doubt(statuses)  # the dead one may be slow
    assert not fresh.in_doubt({name: s for name, s in statuses.items() if name != "dead"})
    clock.wait(9.0)
    fresh.look(statuses)
    silent = {name: fresh.silent_s(name, s["updated"]) for name, s in statuses.items()}
    assert silent == {"now": 9.0, "early": 9.0, "late": 9.0, "dead": 920.2}


def test_one_that_has_ended_is_not_in_doubt() -> None:
    clock = Clock()
    fresh = Freshness(lambda: clock.since, lambda: clock.of_day)
    ended = {"a": status("a", updated=1.0, closed=True, ended="exited")}
    fresh.look(ended)
    assert not fresh.in_doubt(ended)


def test_a_route_is_judged_by_the_generation_of_the_whole_fleet() -> None:
    behind = status("a", seen_generation=6, on={"generation": 6})
    ahead = status("b", routes={"other": route()})
    found = fleet(behind, ahead, route="r")
    assert (found.generation, found.exit_code, standings(found)) == (7, 1, {"a": "behind"})
    found = fleet(status("a"), ahead, route="r")
    assert (found.exit_code, standings(found)) == (0, {"a": "attests"})


@pytest.mark.parametrize("routes", [{}, {"other": route(generation=6)}])
def test_a_client_that_may_open_the_route_by_an_older_document_is_behind_on_it(routes: dict[str, Any]) -> None:
    found = fleet(status("a"), status("late", routes=routes, seen_generation=6), route="r")
    assert (found.exit_code, standings(found)) == (1, {"a": "attests", "late": "behind"})


def test_clients_that_attest_different_locations_follow_different_documents() -> None:
    other = status("b", on={"desired": "source", "state": "source", "cluster": "source"})
    found = fleet(status("a"), other)
    assert (found.exit_code, standings(found)) == (1, {"a": "behind", "b": "behind"})
    assert found.rows[0].why == "wants target, and others want source at the same generation"
    # Producers and consumers of a route have locations of their own.
    assert fleet(status("a"), other | {"role": "consumer"}).exit_code == 0


@pytest.mark.parametrize("location", [None, "preparing", "held", 5])
def test_what_is_no_location_is_not_attested(location: Any) -> None:
    assert standings(fleet(status("a"), status("x", on={"desired": location, "state": location})))["x"] == "behind"


@pytest.mark.parametrize("routes", [None, [], "x", 7, {"r": 7}, {"r": None}])
def test_routes_that_cannot_be_read_attest_nothing(routes: Any) -> None:
    found = fleet(status("a"), status("b") | {"routes": routes})
    assert (standings(found), found.exit_code) == ({"a": "attests", "b": "behind"}, 1)
    assert standings(fleet(status("b", closed=True) | {"routes": routes})) == {"b": "ended"}
    silent = fleet(status("a"), status("b", rejected="x") | {"routes": routes}, silent={"b": 9.0})
    assert standings(silent)["b"] == "silent"


def test_a_generation_that_is_wanted_has_to_be_read_by_somebody() -> None:
    found = fleet(status("a"), status("b"), wanted=8)
    assert (found.generation, set(standings(found).values())) == (8, {"behind"})
    assert fleet(status("a"), wanted=6).exit_code == 0
    assert fleet(wanted=8).exit_code == 3
