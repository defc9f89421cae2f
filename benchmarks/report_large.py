"""Report of a large run: 200 scenarios, an hour of series each.

    python -m benchmarks.report_large [scenarios] [seconds]

Wall time and peak memory of a fresh process that writes the report, and the size of the page.
The time of reading the same folder with `json` alone, in the same run, is the yardstick.
Exits with 1 if a bar is missed: 10 s, 1 GB, 5 MB (for the default size).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.figures import at_most, conclude
from tests.unit.reports.run_folders import SHAPES, write_run

BARS = {"seconds": 10.0, "peak_mb": 1000.0, "page_mb": 5.0}


def main(scenarios: int = 200, seconds: int = 3600) -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        shapes = [
            replace(SHAPES[number % len(SHAPES)], name=f"scenario-{number:03d}", seconds=seconds)
            for number in range(scenarios)
        ]
        write_run(out, shapes)
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", _READ, str(out)], check=True)
        reading = time.perf_counter() - begin
        begin = time.perf_counter()
        # A process of its own, so that its memory is its own and imports are counted.
        done = subprocess.run([sys.executable, "-c", _WRITE, str(out)], check=True, capture_output=True, text=True)
        took, page = time.perf_counter() - begin, (out / "report.html").stat().st_size
    size = f"{scenarios} scenarios with {seconds:,} s of series each"
    return conclude(
        [
            at_most(f"report of {size}", took, "s", BARS["seconds"]),
            at_most("its files, read by json alone", reading, "s"),
            at_most("memory of the report", int(done.stdout) / 1024, "MB", BARS["peak_mb"]),
            at_most("its page", page / 1e6, "MB", BARS["page_mb"]),
        ]
    )


_READ = "import json, pathlib, sys; [json.loads(f.read_bytes()) for f in pathlib.Path(sys.argv[1]).glob('*/*.json')]"
_WRITE = (
    "import pathlib, resource, sys; from cutover_reports import write_report; write_report(pathlib.Path(sys.argv[1])); "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)

if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:3])))
