"""Time of a plan of 20,000 topics and 4,000 groups in 50 systems: the first one, planning again, and the checks.

    python -m benchmarks.plan_large [topics] [groups]

Exits with 1 if one of them takes more than 60 s of a CPU.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cutover_harness.planning.read import read_plan

from benchmarks.figures import at_most, conclude
from tests.unit.planning.listings import CREATED, group, listing, producer, shim_producer, topic

MOST_S = 60.0
SYSTEMS, APPS = 50, 500
PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()", "plan"]


def write_inventory(file: Path, topics: int, groups: int) -> None:
    """Write an inventory whose groups read three topics of a system; each hundredth reads one of another as well."""
    choice = random.Random(1)  # noqa: S311 - the same inventory each time
    names = [f"sys{number % SYSTEMS:03}.domain.topic-{number:05}" for number in range(topics)]
    of_system = [names[number::SYSTEMS] for number in range(SYSTEMS)]
    known = {"partitions": 10, "first_write": CREATED, "retention_ms": 604_800_000, "bytes": 10_000_000}
    entries = [topic(name, producers=[producer(number)], **known) for number, name in enumerate(names)]
    readers = []
    for number in range(groups):
        read = choice.sample(of_system[number % SYSTEMS], 3) + choice.sample(names, int(number % 100 == 0))
        readers.append(group(f"group-{number:04}", read, ["client"] * 3))
    apps = [shim_producer(f"app-{number}", choice.sample(of_system[number % SYSTEMS], 2)) for number in range(APPS)]
    file.write_text(listing(entries, readers, apps).model_dump_json(), encoding="utf-8")


def timed(folder: Path, *args: str) -> float:
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, time.monotonic()
    done = subprocess.run([*PROGRAM, *args], cwd=folder, capture_output=True, text=True, check=False)
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    print(f"plan {' '.join(args)}: {seconds:.1f} s of a CPU, {time.monotonic() - begun:.1f} s", flush=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return seconds


def main(topics: int = 20_000, groups: int = 4_000) -> int:
    print(f"{topics:,} topics, {groups:,} groups, {APPS} applications, {SYSTEMS} systems")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for cluster in ("source", "target"):
            (folder / f"{cluster}.properties").write_text("bootstrap.servers=127.0.0.1:1\n", encoding="utf-8")
        write_inventory(folder / "inventory.json", topics, groups)
        print(f"inventory.json: {(folder / 'inventory.json').stat().st_size / 1e6:.1f} MB")
        make = ("inventory.json", "-o", "plan.yaml")
        times = [timed(folder, *make), timed(folder, *make)]
        plan = folder / "plan.yaml"
        plan.write_text(plan.read_text(encoding="utf-8").replace("name: cutover", "name: mine"), encoding="utf-8")
        times += [timed(folder, *make), timed(folder, "check", "plan.yaml")]
        assert len(read_plan(plan).plan.batches) == SYSTEMS
        print(f"plan.yaml: {plan.stat().st_size / 1e6:.1f} MB")
    names = ("first plan", "plan again", "plan again with an edit", "plan check")
    size = f"{topics:,} topics and {groups:,} groups"
    return conclude(
        [at_most(f"{name}, {size}, processor time", took, "s", MOST_S) for name, took in zip(names, times, strict=True)]
    )


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
