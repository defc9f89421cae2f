"""Cost of a ledger for its application, compared with CSV and JSON lines flushed per event.

    python -m benchmarks.judge_ledger [events]

Prints nanoseconds an event; the others survive a kill only because they are flushed. Exits with 1 above 3 microseconds.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cutover_harness.ledger import LedgerWriter

from benchmarks.figures import at_most, conclude

NANOSECONDS = 3000.0
STREAM = 2**63 + 5


def main(events: int = 500_000) -> int:
    with tempfile.TemporaryDirectory() as folder:
        ledger = LedgerWriter(Path(folder) / "a", instance="a", role="consumer", group="g", run=1)
        figures = {"ledger": _time(events, lambda n: ledger.delivered("orders", 3, n, STREAM, n, 0))}
        ledger.close()
        with (Path(folder) / "events.csv").open("w") as file:
            writer = csv.writer(file)

            def to_csv(n: int) -> None:
                writer.writerow(("DELIVERED", 0, "orders", 3, n, STREAM, n, time.time_ns()))
                file.flush()

            figures["csv"] = _time(events, to_csv)
        with (Path(folder) / "events.jsonl").open("w") as file:

            def to_json(n: int) -> None:
                row = {"event": 4, "cluster": 0, "topic": "orders", "partition": 3, "offset": n, "stream": STREAM}
                file.write(json.dumps(row | {"sequence": n, "time_ns": time.time_ns()}) + "\n")
                file.flush()

            figures["json_lines"] = _time(events, to_json)
    return conclude(
        [
            at_most(f"{name}, processor time of an event", its, "ns", NANOSECONDS if name == "ledger" else None)
            for name, its in figures.items()
        ]
    )


def _time(events: int, append: Callable[[int], None]) -> float:
    begin = time.process_time()  # what it costs, not how busy the machine is
    for n in range(events):
        append(n)
    return round((time.process_time() - begin) / events * 1e9)


if __name__ == "__main__":
    sys.exit(main(*(int(float(word)) for word in sys.argv[1:2])))
