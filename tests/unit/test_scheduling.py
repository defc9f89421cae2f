"""The order in which the workers of pytest-xdist get the files of the tests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.scheduling import LATE, LONGEST, ByKind, choose, has_services, scheduler

ROOT = Path(__file__).parents[2]
SHORT, COMPUTES, FEW = "tests/docker/test_a.py", "tests/unit/test_a.py", "tests/contract/test_a.py"
LAST = f"{LATE}test_a.py"
FILES = {FEW: 1, COMPUTES: 9, LAST: 50, SHORT: 30, LONGEST[1]: 1, LONGEST[0]: 1}


def test_each_long_file_is_there_and_needs_services() -> None:
    assert [file for file in LONGEST if not (ROOT / file).is_file() or not has_services(file)] == []


def order(**kind: bool) -> list[str]:
    left, found = dict(FILES), []
    while left:
        found.append(choose(left, **kind))
        del left[found[-1]]
    return found


def test_long_files_with_services_come_first_and_computing_ones_last() -> None:
    assert order(compute=False) == [LONGEST[0], LONGEST[1], SHORT, LAST, COMPUTES, FEW]


def test_a_worker_that_computes_helps_with_the_others_at_the_end() -> None:
    assert order(compute=True) == [COMPUTES, FEW, LONGEST[0], LONGEST[1], SHORT, LAST]


class Worker:
    """A worker of pytest-xdist that runs nothing, and keeps what it was sent."""

    shutting_down = False
    gateway = SimpleNamespace(id="gw")

    def __init__(self) -> None:
        self.sent: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices

    def shutdown(self) -> None:
        self.shutting_down = True


@pytest.mark.parametrize("count", [2, 3])
def test_each_test_is_run_once_and_files_stay_whole(count: int) -> None:
    tests = [f"{file}::test_{n}" for file, number in FILES.items() for n in range(number)]
    config = SimpleNamespace(getvalue=lambda _: [f"{count}*popen"], option=SimpleNamespace(loadscopereorder=True))
    made: Any = ByKind(config, None)
    workers = [Worker() for _ in range(count)]
    for worker in workers:
        made.add_node(worker)
        made.add_node_collection(worker, tests)
    made.schedule()
    first = [tests[worker.sent[0]].split("::")[0] for worker in workers]
    assert first == [LONGEST[0], LONGEST[1], COMPUTES][:count]
    done = dict.fromkeys(workers, 0)
    while made.has_pending:
        worker = min((each for each in workers if done[each] < len(each.sent)), key=done.__getitem__)
        made.mark_test_complete(worker, worker.sent[done[worker]])
        done[worker] += 1
    assert sorted(index for worker in workers for index in worker.sent) == list(range(len(tests)))
    homes = [{tests[index].split("::")[0] for index in worker.sent} for worker in workers]
    assert sum(map(len, homes)) == len(FILES)


def test_another_distribution_is_left_to_xdist() -> None:
    assert scheduler(SimpleNamespace(getvalue=lambda _: "worksteal"), None) is None
