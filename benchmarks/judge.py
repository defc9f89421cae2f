"""The judge on a day of production traffic, next to DuckDB and pandas on the same files.

    python -m benchmarks.judge [deliveries] [deliveries for the comparison with pandas] [times]

All three count lost, repeated and reordered records per group (the judge determines its other measures, too), each in a
process of its own; every count is checked against the planted one. They alternate. Measured are time by the clock and
of processors, and the peak of anonymous memory (mapped files are in the page cache). Exits with 1 if a bar is missed or
a count is wrong: a tenth of DuckDB's time and 300 MB at 100 million deliveries on two processors, and DuckDB's time at
a million, most of which is start-up: compiled modules are cached, as they are after an installation.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Figure, at_most, conclude, ratio
from benchmarks.judge_data import GROUPS, Planted, generate

PEAK_MB = 300.0
SMALL, LARGE = 1_000_000, 100_000_000
TIMES_AS_FAST = {SMALL: 1.0, LARGE: 10.0}
"""DuckDB's time to the judge's at least, by deliveries."""


@dataclass
class Measured:
    """What a contestant took in each of its runs."""

    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)


def main(deliveries: int = LARGE, compared: int = 10_000_000, times: int = 1) -> int:
    figures: list[Figure] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="judge-benchmark-") as folder:
        compared_sizes = (
            (SMALL, ("judge", "duckdb"), 5 * times),
            (compared, ("judge", "duckdb", "pandas"), times),
            (deliveries, ("judge", "duckdb"), times),
        )
        for number, (size, contestants, rounds) in enumerate(compared_sizes):
            where, compiled = Path(folder) / str(number), Path(folder) / "compiled"
            planted = generate(where, size)
            if size == SMALL:
                for name in contestants:  # the first run compiles
                    _run(name, where, compiled, planted, Measured())
            found = {name: Measured() for name in contestants}
            right = {(name, _run(name, where, compiled, planted, found[name])) for name in contestants * rounds}
            wrong += [f"{name}: wrong counts of {size:,} deliveries" for name, counted in sorted(right) if not counted]
            figures += _figures(size, found)
    return conclude(figures, wrong)


def _figures(size: int, found: dict[str, Measured]) -> list[Figure]:
    """Return the judge's figures, and how many times as long DuckDB took."""
    judge, duckdb = found["judge"], found["duckdb"]
    what, bar = f"{size:,} deliveries", TIMES_AS_FAST.get(size)
    return [
        at_most(f"judge, {what}", judge.seconds, "s"),
        at_most(f"judge, {what}, processor time", judge.processor_seconds, "s"),
        at_most(f"judge, {what}, memory", judge.peak_mb, "MB", PEAK_MB if size == LARGE else None),
        ratio(f"DuckDB's time to the judge's, {what}", duckdb.seconds, judge.seconds, bar),
        ratio(f"DuckDB's processor time to the judge's, {what}", duckdb.processor_seconds, judge.processor_seconds),
        *(at_most(f"{name}, {what}, memory", its.peak_mb, "MB") for name, its in found.items() if name != "judge"),
    ]


def _run(name: str, where: Path, compiled: Path, planted: Planted, measured: Measured) -> bool:
    """Run one contestant, with a folder for compiled modules; return whether its counts are right."""
    environment = {each: value for each, value in os.environ.items() if each != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(compiled)
    command = [sys.executable, "-c", CONTESTANTS[name], str(where)]
    begin, before = time.perf_counter(), os.times()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        peak = 0
        while process.poll() is None:
            peak = max(peak, _anonymous_kb(process.pid))
            time.sleep(0.01)
        found = process.stdout.read().decode()
    after = os.times()
    measured.seconds.append(time.perf_counter() - begin)
    measured.processor_seconds.append(
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    measured.peak_mb.append(peak / 1024)
    expected = {group: [planted.lost, planted.repeated, planted.reordered] for group in GROUPS}
    return bool(found) and json.loads(found) == expected


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
