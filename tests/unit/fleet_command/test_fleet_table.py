"""The table on narrow and wide terminals."""

from __future__ import annotations

from typing import Any

import pytest
from cutover_harness.cli.fleet_rows import Expected, Fleet, fleet_of
from cutover_harness.cli.fleet_table import COLUMNS, blackouts, lines, span, summary
from rich.cells import cell_len

from tests.unit.fleet_command.statuses import of_first_version, status

LONG = (
    "the topic orders is missing on the target, or this client may not see it there, as it has no right to describe it"
)


LONGEST = "longest blackout of the last switch:"


def fleet(*statuses: dict[str, Any], silent: tuple[str, ...] = (), **more: Any) -> Fleet:
    return fleet_of({s["instance"]: s for s in statuses}, lambda name, _: 95.0 if name in silent else None, **more)


def table(found: Fleet, width: int | None = None, *, ended: bool = False, problem: str | None = None) -> list[str]:
    return [line.plain for line in lines("status", found, width=width, ended=ended, problem=problem)]


@pytest.fixture
def mixed() -> Fleet:
    return fleet(
        status("orders-7c9f6d5b8-x2x4z-31-1"),
        status("orders-7c9f6d5b8-k8s2p-31-1", on={"generation": 6, "state": "preparing", "error": LONG}),
        status("orders-7c9f6d5b8-p0d3k-31-1"),
        status("billing-0", role="consumer", app="billing", closed=True, ended="exited"),
        of_first_version("an-old-client"),
        silent=("orders-7c9f6d5b8-p0d3k-31-1",),
        expected=Expected(["stock-0"]),
    )


def test_the_whole_table(mixed: Fleet) -> None:
    first, _, heading, *rows = table(mixed)
    assert first == "status: generation 7: 2 of 5 attest; 1 missing, 1 silent, 1 behind, 1 ended"
    assert " ".join(heading.split()) == "client app route role on state gen channel in flight held last blackout silent"
    assert rows[0].split() == ["missing", "stock-0", *["-"] * 12]
    assert rows[1].strip() == "has written no status"
    assert " ".join(rows[2].split()) == (
        "silent orders-7c9f6d5b8-p0d3k-31-1 orders r producer target target 7 kafka@source 3 0 105 s 1.50 s 95 s"
    )
    assert rows[3].split()[:2] == ["behind", "orders-7c9f6d5b8-k8s2p-31-1"]
    assert "preparing>target  6>7" in rows[3]
    assert rows[4].strip() == f"is preparing and wants target; {LONG}"
    assert " ".join(rows[5].split()) == "attests an-old-client - r producer target target 7 - 3 0 - - -"
    assert rows[6].split()[:3] == ["attests", "orders-7c9f6d5b8-x2x4z-31-1", "orders"]
    producers = "producers 1.50 s (orders-7c9f6d5b8-x2x4z-31-1, generation 7)"
    assert rows[7:] == ["", f"{LONGEST} {producers}, consumers not known (generation 7)"]


def test_those_that_have_ended_are_shown_on_request(mixed: Fleet) -> None:
    assert not any("billing-0" in line for line in table(mixed))
    assert any(line.startswith("ended    billing-0") for line in table(mixed, ended=True))


@pytest.mark.parametrize("width", [36, 40, 60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_nothing_that_matters_is_cut(mixed: Fleet, width: int) -> None:
    shown = table(mixed, width)
    longest = max(cell_len(line) for line in shown)
    assert longest <= width, [line for line in shown if cell_len(line) == longest]
    words = " ".join(" ".join(shown).split())
    for client in ("stock-0", "an-old-client", *(f"orders-7c9f6d5b8-{x}-31-1" for x in ("x2x4z", "k8s2p", "p0d3k"))):
        assert client in words
    assert LONG in words
    assert "95 s" in words or width == 80  # a table without the column, not stacked rows
    assert ("no room for: " in words) == (width < 200)


def test_rows_of_the_narrowest_terminals_are_stacked(mixed: Fleet) -> None:
    shown = table(mixed, 60)
    at = shown.index("attests an-old-client")
    assert shown[at + 1 : at + 2] == ["    route r, on target, state target, gen 7, in flight 3,"]
    assert table(mixed, 120)[2].split()[:3] == ["client", "route", "on"]


def test_wide_characters_keep_the_columns_in_line() -> None:
    found = fleet(status("日本語-1"), status("abc"))
    heading, *rows = table(found)[2:5]
    at = cell_len(heading[: heading.index("route")])
    for row in rows:
        assert cell_len(row[: row.index("r      producer")]) == at


def test_the_problem_of_reading_is_shown(mixed: Fleet) -> None:
    assert table(mixed, problem="no broker answers")[1] == "not read again: no broker answers"


def test_a_blackout_that_is_not_over_and_one_that_is_not_known() -> None:
    def cell(**switch: Any) -> str:
        on = {"switch": {"generation": 7, "left_at": 990.0, "last_acked_at": None, "first_acked_at": None} | switch}
        row = fleet(status("a", on=on)).rows[0]
        return next(column for column in COLUMNS if column.heading == "blackout").cell(row)

    assert cell() == "unknown"
    assert cell(last_acked_at=989.0) == ">11 s"
    assert cell(first_acked_at=999.0) == "unknown"
    assert cell(last_acked_at=989.0, first_acked_at=989.25) == "0.25 s"


def test_the_longest_blackout_is_that_of_the_last_switch_of_each_role() -> None:
    earlier = {"generation": 5, "left_at": 100.0, "last_acked_at": 100.0, "first_acked_at": 200.0}
    consumer = {"generation": 6, "left_at": 900.0, "last_delivered_at": 898.0, "first_delivered_at": 903.5}
    found = fleet(
        status("a"), status("b", on={"switch": earlier}), status("c", role="consumer", on={"switch": consumer})
    )
    assert blackouts(found) == f"{LONGEST} producers 1.50 s (a, generation 7), consumers 5.50 s (c, generation 6)"
    assert found.to_json()["blackouts"] == {
        "producer": {"generation": 7, "seconds": 1.5, "client": "a"},
        "consumer": {"generation": 6, "seconds": 5.5, "client": "c"},
    }
    unfinished = {"generation": 8, "left_at": 900.0, "last_acked_at": 899.0, "first_acked_at": None}
    found = fleet(status("a"), status("b", on={"switch": unfinished}))
    assert blackouts(found) == f"{LONGEST} producers not known (generation 8)"
    assert found.to_json()["blackouts"]["consumer"] is None
    assert blackouts(fleet(status("b", on={"switch": None}))) is None


def test_summaries() -> None:
    assert summary(fleet()) == "no client reports"
    assert summary(fleet(status("a", closed=True))) == "no client reports; 1 ended"
    assert summary(fleet(expected=Expected(count=2))) == "no generation: 0 of 1 attest; 1 missing"
    assert table(fleet()) == ["status: no client reports"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0.00 s"), (9.994, "9.99 s"), (10, "10 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (2e5, "2 d")],
)
def test_spans(seconds: float, shown: str) -> None:
    assert span(seconds) == shown
