"""When generations of the cutover file were written, seen and carried out, from the file and the statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.judge.model import Arrival
from cutover_harness.judge.spread import spread
from cutover_harness.plan.fleet import FileDelay, Fleet
from cutover_harness.rehearsal.arrivals import ArrivalSampler

from tests.waiting import wait_until


class Written:
    """A cutover file and a folder of statuses."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "cutover.toml"
        self.statuses = folder / "status"
        self.statuses.mkdir()
        self.generation(1)
        self.sampler = ArrivalSampler(self.file, self.statuses)

    def generation(self, number: int) -> int:
        """Write a generation and return when it was there, in ns."""
        new = self.file.with_name("new")
        new.write_text(f"generation = {number}\n", encoding="utf-8")
        new.replace(self.file)
        return self.file.stat().st_ctime_ns

    def status(self, instance: str, at_ns: int, newest: int, *applied: int, pid: int = 1, **more: Any) -> None:
        document = {
            "instance": instance,
            "pid": pid,
            "role": "consumer",
            "updated": at_ns / 1e9,
            "seen_generation": newest,
            "routes": {f"r{n}": {"generation": generation} for n, generation in enumerate(applied)},
            **more,
        }
        new = self.statuses / "new"
        new.write_text(json.dumps(document), encoding="utf-8")
        new.replace(self.statuses / f"{instance}.json")
        self.sampler.look()

    def arrivals(self) -> list[tuple[int, str, str | None, int | None, int | None]]:
        """Return generation, instance, channel, and after how many ms it was seen and carried out."""
        return [
            (
                each.generation,
                each.instance,
                each.channel,
                None if each.seen_ns is None else round((each.seen_ns - each.written_ns) / 1e6),
                None if each.applied_ns is None else round((each.applied_ns - each.written_ns) / 1e6),
            )
            for each in self.sampler.reach(Fleet()).arrivals
        ]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    made = Written(tmp_path)
    made.sampler.look()
    return made


def after(begin_ns: int, ms: int) -> int:
    return begin_ns + ms * 10**6


def test_a_generation_arrives_when_it_is_seen_and_is_carried_out_later(written: Written) -> None:
    begin = written.generation(1)
    written.status("a", after(begin, -1), 1, 1)
    begin = written.generation(2)
    written.status("a", after(begin, 120), 2, 1)
    written.status("a", after(begin, 300), 2, 2)
    written.status("a", after(begin, 900), 2, 2)
    assert written.arrivals() == [(2, "a", "file", 120, 300)]


def test_all_routes_of_a_client_have_to_carry_it_out(written: Written) -> None:
    written.status("a", written.generation(1) - 1, 1, 1, 1)
    begin = written.generation(2)
    written.status("a", after(begin, 100), 2, 2, 1)
    assert written.arrivals() == [(2, "a", "file", 100, None)]
    written.status("a", after(begin, 200), 2, 2, 2)
    assert written.arrivals() == [(2, "a", "file", 100, 200)]


def test_the_status_has_the_channel_and_the_exact_time(written: Written) -> None:
    written.status("a", written.generation(1) - 1, 1, 1)
    written.status("b", written.generation(1) - 1, 1, 1)
    begin = written.generation(2)
    seen = {"generation": 2, "at": after(begin, 5) / 1e9}
    written.status("a", after(begin, 90), 2, 2, seen={**seen, "channel": "kafka:control@source"})
    written.status("b", after(begin, 90), 2, 2, seen={**seen, "channel": "file:/tmp/b/cutover.toml"})
    assert written.arrivals() == [(2, "a", "kafka:control@source", 5, 90), (2, "b", "file", 5, 90)]


def test_what_an_instance_has_when_it_starts_did_not_arrive(written: Written) -> None:
    begin = written.generation(2)
    written.status("a", after(begin, 50), 2, 2)
    assert written.arrivals() == []


def test_a_generation_that_a_running_instance_never_saw_is_named(written: Written) -> None:
    written.status("a", written.generation(1) - 1, 1, 1)
    begin = written.generation(2)
    written.status("b", after(begin, 50), 2, 2)
    assert written.arrivals() == [(2, "a", None, None, None)]
    begin = written.generation(3)
    written.status("a", after(begin, 100), 3, 3, pid=2)
    written.status("b", after(begin, 100), 3, 3)
    assert written.arrivals() == [(2, "a", None, None, None), (3, "a", None, None, None), (3, "b", "file", 100, 100)]


def test_a_generation_that_a_later_one_overtook_is_left_out(written: Written) -> None:
    written.status("a", written.generation(1) - 1, 1, 1)
    written.generation(2)
    written.sampler.look()
    begin = written.generation(3)
    written.status("a", after(begin, 10), 3, 3)
    assert written.arrivals() == [(3, "a", "file", 10, 10)]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"instance": "a"}', '{"instance": "a", "pid": null}'])
def test_a_file_that_is_no_status_is_left_out(written: Written, content: str) -> None:
    (written.statuses / "a.json").write_text(content, encoding="utf-8")
    written.sampler.look()
    assert written.arrivals() == []


def test_the_thread_reads_what_changes(written: Written) -> None:
    with written.sampler as sampler:
        written.status("a", written.generation(1) - 1, 1, 1)
        begin = written.generation(2)
        wait_until(lambda: 2 in sampler._written)
        written.status("a", after(begin, 1), 2, 2)
    assert written.arrivals() == [(2, "a", "file", 1, 1)]


def test_the_facts_contain_how_late_the_copies_were(written: Written) -> None:
    reach = written.sampler.reach(Fleet(file_delay=FileDelay(least_s=5, most_s=8)))
    assert (reach.channel, reach.least_s, reach.most_s) == ("file", 5, 8)
    assert written.sampler.reach(Fleet()).most_s is None


def arrival(channel: str | None, seen: int | None, applied: int | None = None) -> Arrival:
    ns = 10**6
    return Arrival(2, "a", "consumer", ns, channel, seen and ns + seen * ns, applied and ns + applied * ns)


def test_the_spread_of_each_channel() -> None:
    found = spread(
        [*(arrival("file", n, 2 * n) for n in range(1, 101)), arrival("kafka:c@source", 3), arrival(None, None)]
    )
    assert [(s.channel, s.arrivals, s.seen_p50_ms, s.seen_p99_ms, s.seen_max_ms) for s in found] == [
        ("file", 100, 50, 99, 100),
        ("kafka:c@source", 1, 3, 3, 3),
    ]
    assert (found[0].applied_p50_ms, found[0].applied_p99_ms, found[0].applied_max_ms) == (100, 198, 200)
    assert found[1].applied_max_ms is None


def test_nothing_arrives_before_it_is_written() -> None:
    (found,) = spread([Arrival(2, "a", "consumer", 5_000_000, "file", 4_000_000)])
    assert found.seen_max_ms == 0
