"""The judge on a Dask cluster of two worker processes on this machine, next to the judge alone.

    python -m benchmarks.judge_dask [deliveries]

Measured are seconds by the clock, and the peak of anonymous memory (of each worker). Every count is
checked against the planted one. Exits with 1 if a count is wrong, or if a worker or the judge needs more than 600 MB.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cutover_harness.judge import Judgement, RunFacts, judge
from cutover_harness.judge.dask_command import judge_on
from cutover_harness.judge.remote import Place
from cutover_harness.ledger import read_ledgers
from distributed import Client, LocalCluster

from benchmarks.figures import Figure, at_most, conclude
from benchmarks.judge import _anonymous_kb
from benchmarks.judge_data import GROUPS, Planted, generate

PEAK_MB = 600


def main(deliveries: int = 10_000_000) -> int:
    with tempfile.TemporaryDirectory(prefix="judge-benchmark-") as name:
        folder = Path(name)
        planted = generate(folder, deliveries)
        ledgers, facts = read_ledgers(folder), RunFacts.load(folder / "run.json")
        cluster = LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)  # type: ignore[no-untyped-call]
        client = Client(cluster)  # type: ignore[no-untyped-call]
        with cluster, client:
            workers = {f"worker {i}": pid for i, pid in enumerate(client.run(os.getpid).values())}
            places = [Place(str(folder))]
            figures = _run("dask", workers, deliveries, planted, lambda: judge_on(client, places, ledgers, facts))
        figures += _run("alone", {"judge": os.getpid()}, deliveries, planted, lambda: judge(ledgers, facts))
    return conclude(figures)


def _run(
    name: str, pids: Mapping[str, int], size: int, planted: Planted, work: Callable[[], Judgement]
) -> list[Figure]:
    """Judge; return time and memory of each process. Raises AssertionError if a count is wrong."""
    peaks, ended = dict.fromkeys(pids, 0.0), threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            for who, pid in pids.items():
                peaks[who] = max(peaks[who], _anonymous_kb(pid) / 1024)

    watcher = threading.Thread(target=watch)
    watcher.start()
    begin = time.perf_counter()
    try:
        found = work()
    finally:
        ended.set()
        watcher.join()
    seconds = time.perf_counter() - begin
    counts = {g.group: (g.lost, g.duplicated.total, g.reordered) for g in found.groups}
    assert counts == dict.fromkeys(GROUPS, (planted.lost, planted.repeated, planted.reordered)), counts
    what = f"judge {name}, {size:,} deliveries"
    memory = [at_most(f"{what}, memory of {who}", peak, "MB", PEAK_MB) for who, peak in peaks.items()]
    return [at_most(what, seconds, "s"), *memory]


if __name__ == "__main__":
    sys.exit(main(*(int(float(word)) for word in sys.argv[1:2])))
