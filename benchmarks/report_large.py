"""Report of a large run: 200 scenarios, an hour of series each.

    python -m benchmarks.report_large [scenarios] [seconds]

Prints one JSON line: wall time and peak memory of a fresh process that writes the report, and the size of the page.
The time of reading the same folder with `json` alone, in the same run, is the yardstick.
Exits with 1 if a bar is missed: 10 s, 1 GB, 5 MB (for the default size).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

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
        figures = {
            "scenarios": scenarios,
            "series_s": seconds,
            "seconds": round(time.perf_counter() - begin, 2),
            "json_alone_seconds": round(reading, 2),
            "peak_mb": round(int(done.stdout) / 1024, 1),
            "page_mb": round((out / "report.html").stat().st_size / 1e6, 2),
        }
    missed = [name for name, bar in BARS.items() if figures[name] > bar]
    sys.stdout.write(json.dumps(figures | {"missed": missed}) + "\n")
    return 1 if missed else 0


_READ = "import json, pathlib, sys; [json.loads(f.read_bytes()) for f in pathlib.Path(sys.argv[1]).glob('*/*.json')]"
_WRITE = (
    "import pathlib, resource, sys; from cutover_reports import write_report; write_report(pathlib.Path(sys.argv[1])); "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)

if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:3])))
