from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, cast

import pytest
from cutover_harness.conductor.statuses import FolderStatuses, read_statuses
from cutover_harness.procedure.client_status import GONE_AFTER_S, StatusWatch, joined_later, missing
from cutover_harness.procedure.conditions import Conditions
from cutover_harness.procedure.gates import Gate


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def renew(folder: Path, instance: str) -> None:
    file = folder / f"{instance}.json"
    status = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(status | {"updated": status["updated"] + 1}), encoding="utf-8")


def write(folder: Path, instance: str, *, updated: float = 100.0, closed: bool = False, **route: Any) -> None:
    on_route = {"generation": 2, "desired": "hold", "state": "held", "in_flight": 0, "queued": 0, "error": None} | route
    status = {
        "format": 1, "instance": instance, "role": "producer", "group": None, "updated": updated,
        "rejected": None, "routes": {"r": on_route}, "closed": closed,
    }  # fmt: skip
    (folder / f"{instance}.json").write_text(json.dumps(status), encoding="utf-8")


def test_the_barrier_counts_attestations_and_lists_missing_clients(tmp_path: Path) -> None:
    write(tmp_path, "p-0")
    write(tmp_path, "p-1", state="draining", in_flight=7)
    write(tmp_path, "p-2", generation=1, updated=90.0)
    write(tmp_path, "p-3", error="topic t is missing on target", state="failed")
    (tmp_path / "torn.json").write_text('{"instance": "p-', encoding="utf-8")
    clock = Clock()
    watch = StatusWatch(clock)
    watch.look(read_statuses(FolderStatuses(tmp_path), "r"))
    clock.now += 10
    for name in ("p-0", "p-1", "p-3"):
        renew(tmp_path, name)
    watch.look(read_statuses(FolderStatuses(tmp_path), "r"))
    said = missing(read_statuses(FolderStatuses(tmp_path), "r"), ["p-0", "p-1", "p-2", "p-3", "p-4"], "hold", 2, watch)
    assert list(said) == [
        "p-1 is draining at generation 2, 7 in flight",
        "p-2 is held at generation 1, silent for 10 s",
        "p-3 is failed at generation 2, topic t is missing on target",
        "p-4 has written no status",
    ]


@pytest.mark.parametrize("time", ["NaN", "Infinity", "1" + "0" * 400])
def test_a_time_that_is_no_number_renews_nothing(tmp_path: Path, time: str) -> None:
    """NaN differs from itself: a client that died would be taken for one that renews its status."""
    write(tmp_path, "p-0")
    file = tmp_path / "p-0.json"
    file.write_text(
        file.read_text(encoding="utf-8").replace('"updated": 100.0', f'"updated": {time}'), encoding="utf-8"
    )
    clock = Clock()
    watch = StatusWatch(clock)
    for _ in range(3):
        watch.look(read_statuses(FolderStatuses(tmp_path), "r"))
        clock.now += 1
    assert not watch.renews("p-0")
    assert missing(read_statuses(FolderStatuses(tmp_path), "r"), ["p-0"], "hold", 2, watch) == [
        "p-0 has written no status"
    ]


def test_files_that_are_no_status_are_ignored(tmp_path: Path) -> None:
    write(tmp_path, "p-0")
    write(tmp_path, "p-1", generation=float("inf"))
    os.mkfifo(tmp_path / "pipe.json")  # no process writes into it
    (tmp_path / "folder.json").mkdir()
    assert list(read_statuses(FolderStatuses(tmp_path), "r")) == ["p-0"]


def test_held_is_not_on_the_target(tmp_path: Path) -> None:
    write(tmp_path, "p-0")
    statuses = read_statuses(FolderStatuses(tmp_path), "r")
    assert not missing(statuses, ["p-0"], "hold", 2)
    assert missing(statuses, ["p-0"], "target", 2)
    assert missing(statuses, ["p-0"], "hold", 3)


def test_a_closed_client_attests_nothing(tmp_path: Path) -> None:
    write(tmp_path, "p-0", closed=True)
    assert missing(read_statuses(FolderStatuses(tmp_path), "r"), ["p-0"], "hold", 2) == ["p-0 has written no status"]


def test_unannounced_clients_count_while_they_renew_their_statuses(tmp_path: Path) -> None:
    """The times in the statuses are far off, as hosts' clocks may be; only that they change counts."""
    clock = Clock()
    watch = StatusWatch(clock)
    write(tmp_path, "p-0")
    write(tmp_path, "late", updated=-600.0)
    write(tmp_path, "gone", updated=1e12)
    write(tmp_path, "ended", updated=99.0, closed=True)
    for _ in range(int(GONE_AFTER_S)):
        statuses = read_statuses(FolderStatuses(tmp_path), "r")
        watch.look(statuses)
        assert joined_later(statuses, "producer", ["p-0"], watch) == ["gone", "late"]
        clock.now += 1
        renew(tmp_path, "late")
    clock.now += 1
    statuses = read_statuses(FolderStatuses(tmp_path), "r")
    watch.look(statuses)
    assert joined_later(statuses, "producer", ["p-0"], watch) == ["late"]
    assert joined_later(statuses, "producer", ["p-0", "late"], watch) == []
    assert joined_later(statuses, "consumer", [], watch) == []
    clock.now += GONE_AFTER_S / 2  # a busy machine, or a frozen process
    assert joined_later(statuses, "producer", ["p-0"], watch) == ["late"]


def attested(folder: Path, clock: Clock, deadline_s: float) -> Gate:
    conditions = Conditions(
        lambda: read_statuses(FolderStatuses(folder), "r"), StatusWatch(clock), *cast("Any", (None, None, None))
    )
    return conditions.attested("producer", ["p-0"], "hold", 2, deadline_s)


@pytest.mark.parametrize("minutes_off", [-10, 10])
def test_a_client_whose_clock_is_off_is_waited_for_while_it_renews_its_status(tmp_path: Path, minutes_off: int) -> None:
    clock = Clock()
    write(tmp_path, "p-0")
    write(tmp_path, "late", updated=time.time() + 60 * minutes_off, state="draining", in_flight=3)
    gate = attested(tmp_path, clock, 3600)
    for _ in range(120):
        reading = gate.read()
        assert not reading.open
        assert reading.waits_for == "1 of 2: late is draining at generation 2, 3 in flight"
        clock.now += 1
        renew(tmp_path, "late")
    write(tmp_path, "late", updated=time.time() + 60 * minutes_off)
    assert gate.read().open


@pytest.mark.parametrize("deadline_s", [3600.0, 10.0])
@pytest.mark.parametrize("minutes_off", [-10, 10])
def test_a_status_that_is_not_renewed_does_not_close_the_gate_for_good(
    tmp_path: Path, minutes_off: int, deadline_s: float
) -> None:
    clock = Clock()
    write(tmp_path, "p-0")
    write(tmp_path, "killed", updated=time.time() + 60 * minutes_off, generation=1)
    gate = attested(tmp_path, clock, deadline_s)
    assert not gate.read().open
    clock.now += GONE_AFTER_S
    assert not gate.read().open
    clock.now += 0.1
    assert gate.read().open


@pytest.mark.parametrize(
    "text",
    ["[]", "1", '{"routes": []}', '{"routes": {"r": 1}}', '{"routes": {"r": {}}, "instance": "x"}', "[" * 100_000],
)
def test_a_file_that_is_no_status_is_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    write(tmp_path, "p-0", generation=2, state="held")
    assert list(read_statuses(FolderStatuses(tmp_path), "r")) == ["p-0"]


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"{", "not a JSON document"), (b"[" * 100_000, "not a JSON"), (b" " * (1 << 21), "larger than")],
)
def test_a_status_that_cannot_be_read_closes_the_gate(tmp_path: Path, content: bytes, why: str) -> None:
    write(tmp_path, "p-0")
    source = FolderStatuses(tmp_path)
    nothing: Any = None
    conditions = Conditions(
        lambda: read_statuses(source, "r"), StatusWatch(), nothing, nothing, nothing, unread=lambda: source.problem
    )
    gate = conditions.attested("producer", ["p-0"], "hold", 2, 60.0)
    assert gate.read().open
    (tmp_path / "hidden.json").write_bytes(content)
    reading = gate.read()
    assert not reading.open
    assert f"statuses cannot be read: hidden.json: {why}" in reading.waits_for
    (tmp_path / "hidden.json").unlink()
    assert gate.read().open


def test_an_error_of_a_client_that_has_followed_is_in_the_evidence(tmp_path: Path) -> None:
    write(tmp_path, "p-0")
    write(tmp_path, "p-1", error="no committed offset in 1 of 2 partitions")
    reading = attested(tmp_path, Clock(), 1.0).read()
    assert reading.open
    assert reading.evidence.endswith("p-0, p-1; p-1 reports: no committed offset in 1 of 2 partitions")
