"""What a person sees of a rehearsal while it runs."""

from __future__ import annotations

import io
import threading

import pytest
from cutover_harness.cli.progress import Progress
from rich.console import Console


def plain(*prefixes: str) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    return Progress(Console(file=out, width=100), prefixes=prefixes), out


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)


def terminal(*prefixes: str, width: int = 80) -> tuple[Progress, Console]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, record=True)
    return Progress(console, prefixes=prefixes), console


def test_one_after_the_other_the_lines_are_plain() -> None:
    progress, out = plain()
    with progress:
        first = progress.begin("first", 1, 2)
        first.step(1, 7, "create-task", 1)
        first.opened("mirror running", "running", 2.0)
        progress.ended("first", "PASS")
    assert out.getvalue().splitlines() == [
        "   0.0 s [1/2] first",
        "   0.0 s   1/7 create-task",
        "   0.0 s       mirror running after 2.0 s: running",
        "   0.0 s first: PASS",
    ]


def test_side_by_side_every_line_begins_with_its_scenario() -> None:
    progress, out = plain("first", "the-second")
    with progress:
        watchers = [progress.begin("first", 1, 2), progress.begin("the-second", 2, 2)]
        for watcher in watchers:
            watcher.step(1, 7, "create-task", 1)
        progress.ended("the-second", "FAIL")
    assert out.getvalue().splitlines() == [
        "   0.0 s first      [1/2]",
        "   0.0 s the-second [2/2]",
        "   0.0 s first        1/7 create-task",
        "   0.0 s the-second   1/7 create-task",
        "   0.0 s the-second FAIL",
    ]


def test_further_live_lines_come_below() -> None:
    progress = Progress(Console(file=io.StringIO()), more=lambda: ["blackout so far"])
    progress.begin("shop", 1, 1)
    assert [line.strip().split()[-1] for line in progress.live_lines()] == ["shop", "far"]


def test_slow_gate_is_printed_once_without_live_lines() -> None:
    progress, out = plain()
    watcher = progress.begin("first", 1, 1)
    for elapsed in (1.0, 6.0, 7.0):
        watcher.waiting("mirror at zero", "lag 5", elapsed, 60.0)
    assert out.getvalue().count("waiting for mirror at zero: lag 5 (6/60 s)") == 1


def test_on_a_terminal_each_running_scenario_has_a_live_line_that_fits() -> None:
    progress, console = terminal("first", "second")
    with progress:
        first, second = progress.begin("first", 1, 2), progress.begin("second", 2, 2)
        first.step(2, 7, "synchronise", 1)
        first.lag(1234)
        second.waiting("mirror at zero", "lag 5 records " * 20, 1.0, 60.0)
        lines = [line.rstrip() for line in progress.live_lines()]
        assert len(lines) == 2
        assert "stage 1 synchronise (2/7)" in lines[0]
        assert "lag 1,234" in lines[0]
        progress.ended("first", "PASS")
        assert len(progress.live_lines()) == 1
    assert max(map(len, console.export_text().splitlines())) <= 80


def test_long_line_on_a_terminal_continues_below_its_beginning() -> None:
    progress, console = terminal("first", "second", width=60)
    with progress:
        progress.begin("first", 1, 2).opened("attested on source", "all 3 attest: " + "billing-1, " * 5, 1.0)
    lines = [line.rstrip() for line in console.export_text().splitlines() if line.strip()]
    at = next(number for number, line in enumerate(lines) if "attested" in line)
    assert max(map(len, lines)) <= 60
    assert lines[at + 1].startswith(" " * (lines[at].index("attested") + 2))


def test_lines_of_many_threads_are_not_mixed() -> None:
    names = tuple(f"s{number}" for number in range(8))
    progress, out = plain(*names)

    def work(name: str, number: int) -> None:
        watcher = progress.begin(name, number, len(names))
        for _ in range(50):
            watcher.note("something happened")
            watcher.lag(1)
        progress.ended(name, "PASS")

    with progress:
        threads = [threading.Thread(target=work, args=(name, n)) for n, name in enumerate(names, start=1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = out.getvalue().splitlines()
    assert len(lines) == 8 * 52
    assert all(line.split(" s ", 1)[1].split()[0] in names for line in lines)


def test_names_of_clients_do_not_reach_the_terminal_as_they_are() -> None:
    progress, out = plain()
    with progress:
        progress.begin("first", 1, 1).waiting("attested", "waits for a\x1b[2J [/b] \u202e", 6.0, 30.0)
    assert r"waits for a\x1b[2J [/b] \u202e" in out.getvalue()
