from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from cutover_harness.conductor.checks import Checks
from cutover_harness.conductor.statuses import joined_later, missing, read_statuses


def write(folder: Path, instance: str, *, updated: float = 100.0, closed: bool = False, **route: Any) -> None:
    on_route = {"generation": 2, "desired": "hold", "state": "held", "in_flight": 0, "queued": 0, "error": None} | route
    status = {
        "format": 1, "instance": instance, "role": "producer", "group": None, "updated": updated,
        "rejected": None, "routes": {"r": on_route}, "closed": closed,
    }  # fmt: skip
    (folder / f"{instance}.json").write_text(json.dumps(status), encoding="utf-8")


def test_the_barrier_counts_attestations_and_names_who_is_missing(tmp_path: Path) -> None:
    write(tmp_path, "p-0")
    write(tmp_path, "p-1", state="draining", in_flight=7)
    write(tmp_path, "p-2", generation=1, updated=90.0)
    write(tmp_path, "p-3", error="topic t is missing on target", state="failed")
    (tmp_path / "torn.json").write_text('{"instance": "p-', encoding="utf-8")
    said = missing(read_statuses(tmp_path, "r"), ["p-0", "p-1", "p-2", "p-3", "p-4"], "hold", 2, now=100.0)
    assert list(said) == [
        "p-1 is draining at generation 2, 7 in flight",
        "p-2 is held at generation 1, silent for 10 s",
        "p-3 is failed at generation 2, topic t is missing on target",
        "p-4 has written no status",
    ]


def test_held_is_not_on_the_target(tmp_path: Path) -> None:
    write(tmp_path, "p-0")
    statuses = read_statuses(tmp_path, "r")
    assert not missing(statuses, ["p-0"], "hold", 2)
    assert missing(statuses, ["p-0"], "target", 2)
    assert missing(statuses, ["p-0"], "hold", 3)


def test_a_closed_client_attests_nothing(tmp_path: Path) -> None:
    write(tmp_path, "p-0", closed=True)
    assert missing(read_statuses(tmp_path, "r"), ["p-0"], "hold", 2) == ["p-0 has written no status"]


def test_clients_that_nobody_announced_count_while_they_report(tmp_path: Path) -> None:
    write(tmp_path, "p-0")
    write(tmp_path, "late", updated=99.0)
    write(tmp_path, "slow", updated=80.0)  # a busy machine, or a frozen process: it still runs where it was
    write(tmp_path, "gone", updated=60.0)
    write(tmp_path, "ended", updated=99.0, closed=True)
    statuses = read_statuses(tmp_path, "r")
    assert joined_later(statuses, "producer", ["p-0"], now=100.0) == ["late", "slow"]
    assert joined_later(statuses, "producer", ["p-0", "late", "slow"], now=100.0) == []
    assert joined_later(statuses, "consumer", [], now=100.0) == []


@pytest.mark.parametrize(
    "text",
    ["[]", "1", '{"routes": []}', '{"routes": {"r": 1}}', '{"routes": {"r": {}}, "instance": "x"}', "[" * 100_000],
)
def test_a_file_that_is_no_status_is_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    write(tmp_path, "p-0", generation=2, state="held")
    assert list(read_statuses(tmp_path, "r")) == ["p-0"]


def test_what_a_client_reports_although_it_has_followed_is_in_the_evidence(tmp_path: Path) -> None:
    write(tmp_path, "p-0")
    write(tmp_path, "p-1", error="no committed offset in 1 of 2 partitions")
    checks = Checks("r", tmp_path, *cast("Any", (None, None, None)))
    reading = checks.attested("producer", ["p-0", "p-1"], "hold", 2, 1.0).read()
    assert reading.open
    assert reading.evidence.endswith("p-0, p-1; p-1 reports: no committed offset in 1 of 2 partitions")
