"""The judge on a day of production traffic, next to DuckDB and pandas on the same files.

    python -m benchmarks.judge [deliveries] [deliveries for the comparison with pandas] [times]

All three count lost, repeated and reordered records per group (the judge determines its other measures, too), each in a
process of its own; every count is checked against the planted one. Prints one JSON line for each: wall and processor
seconds, and the peak of anonymous memory (mapped files are in the page cache). Then the ratio of DuckDB's time to the
judge's, of medians: the two alternate. Exits with 1 if a bar is missed or a count is wrong: 10 s and 400 MB at 100
million deliveries on two processors.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.judge_data import GROUPS, Planted, generate

SECONDS, PEAK_MB = 10.0, 400.0


def main(deliveries: int = 100_000_000, compared: int = 10_000_000, times: int = 1) -> int:
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="judge-benchmark-") as folder:
        for size, contestants in ((compared, ("judge", "duckdb", "pandas")), (deliveries, ("judge", "duckdb"))):
            where = Path(folder) / str(size)
            planted = generate(where, size)
            seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
            for name in contestants * times:
                missed, wall, processor = _run(name, where, size, planted)
                wrong += missed
                seconds[name].append((wall, processor))
            _print_ratio(size, seconds)
    return int(wrong > 0)


def _print_ratio(size: int, seconds: dict[str, list[tuple[float, float]]]) -> None:
    """Print how many times as long DuckDB took, by the clock and in time of processors."""
    middle = {
        name: [statistics.median(column) for column in zip(*found, strict=True)] for name, found in seconds.items()
    }
    ratios = [round(of / to, 2) for of, to in zip(middle["duckdb"], middle["judge"], strict=True)]
    figures = {"deliveries": size, "duckdb_to_judge": ratios[0], "in_processor_seconds": ratios[1]}
    sys.stdout.write(json.dumps(figures | {"runs": len(seconds["judge"]), "load": os.getloadavg()[0]}) + "\n")


def _run(name: str, where: Path, size: int, planted: Planted) -> tuple[bool, float, float]:
    """Run one contestant; return whether it missed something, and its seconds by the clock and of processors."""
    begin, before = time.perf_counter(), os.times()
    with subprocess.Popen([sys.executable, "-c", CONTESTANTS[name], str(where)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        base = peak = 0
        while process.poll() is None:
            peak = max(peak, now := _anonymous_kb(process.pid))
            base = base or now
            time.sleep(0.01)
        found = process.stdout.read().decode()
    seconds, after = time.perf_counter() - begin, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    figures = {
        "contestant": name,
        "deliveries": size,
        "seconds": round(seconds, 2),
        "processor_seconds": round(used, 2),
        "peak_mb": round(peak / 1024),
    }
    expected = {group: [planted.lost, planted.repeated, planted.reordered] for group in GROUPS}
    missed = [] if found and json.loads(found) == expected else [f"wrong counts: {found[:200]}"]
    if name == "judge" and size == 100_000_000:
        missed += [f"{SECONDS:.0f} s"] if seconds > SECONDS else []
        missed += [f"{PEAK_MB:.0f} MB"] if peak / 1024 > PEAK_MB else []
    sys.stdout.write(json.dumps(figures | {"missed": missed}) + "\n")
    sys.stdout.flush()
    return bool(missed), seconds, used


def _anonymous_kb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0)


_JUDGE = """
import json, sys
from pathlib import Path
from cutover_harness.judge import RunFacts, judge
from cutover_harness.ledger import read_ledgers
folder = Path(sys.argv[1])
found = judge(read_ledgers(folder), RunFacts.load(folder / "run.json"))
print(json.dumps({g.group: [g.lost, g.duplicated.total, g.reordered] for g in found.groups}))
"""

_DUCKDB = """
import json, sys
import duckdb
folder = sys.argv[1]
db = duckdb.connect()
db.execute("SET preserve_insertion_order = false")
db.execute("SET enable_progress_bar = false")
found = {}
for group in ("billing", "shipping", "audit"):
    found[group] = list(db.execute(f'''
        WITH acked AS (SELECT stream, sequence
                       FROM read_parquet('{folder}/ledger/shop-*/events.parquet') WHERE event = 2),
        first AS (SELECT stream, sequence, min(time_ns) AS since, count(*) AS times
                  FROM read_parquet('{folder}/ledger/{group}-*/events.parquet') WHERE event = 4 GROUP BY ALL),
        ordered AS (SELECT sequence, times, max(sequence) OVER (PARTITION BY stream ORDER BY since
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS latest FROM first)
        SELECT (SELECT count(*) FROM acked ANTI JOIN first USING (stream, sequence)),
               sum(times - 1)::BIGINT, count(*) FILTER (WHERE latest > sequence) FROM ordered''').fetchone())
print(json.dumps(found))
"""

_PANDAS = """
import glob, json, sys
import pandas as pd
folder = sys.argv[1]
def read(pattern, event):
    columns = ["event", "stream", "sequence", "time_ns"]
    files = sorted(glob.glob(f"{folder}/ledger/{pattern}/*.parquet"))
    rows = pd.concat(pd.read_parquet(file, columns=columns) for file in files)
    return rows[rows.event == event].drop(columns="event")
acked = read("shop-*", 2)
found = {}
for group in ("billing", "shipping", "audit"):
    rows = read(f"{group}-*", 4).sort_values(["stream", "time_ns"], kind="stable")
    again = rows.duplicated(["stream", "sequence"])
    first = rows[~again]
    late = int((first.groupby("stream").sequence.cummax() > first.sequence).sum())
    joined = acked.merge(first[["stream", "sequence"]], how="left", indicator=True)
    found[group] = [int((joined._merge == "left_only").sum()), int(again.sum()), late]
print(json.dumps(found))
"""

CONTESTANTS = {"judge": _JUDGE, "duckdb": _DUCKDB, "pandas": _PANDAS}

if __name__ == "__main__":
    sys.exit(main(*(int(float(word)) for word in sys.argv[1:4])))
