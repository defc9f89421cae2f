"""How long a generation takes from being written to being carried out in 20 processes, by file and by control topic.

    python -m benchmarks.reach [generations [processes]]

The processes are producers of the shim under traffic; each generation moves all of them between two real brokers. Both
channels are measured in the same run, with the same processes and generations: first each process follows the file on a
local disk alone, then a control topic as well, while its own copy of the file is 60 s late. Prints the median, the 99th
percentile and the longest time until a process saw a generation, and until it worked on the other broker. The exit code
is 1 if the control topic is not faster than the file (its median), or if a process missed a generation.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from cutover_harness.admin import Admin
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.files import write_atomic
from cutover_harness.judge.model import Spread
from cutover_harness.judge.spread import spread
from cutover_harness.plan.fleet import FileDelay, Fleet
from cutover_harness.processes import Process, spawn, stop_all
from cutover_harness.rehearsal.arrivals import ArrivalSampler
from cutover_harness.rehearsal.mounts import Mounts
from cutover_harness.testbed import ProcessTestbed
from cutover_harness.types import Location
from cutover_harness.waits import wait_until

from benchmarks.figures import Figure, at_most, conclude

TOPIC, CONTROL = "reach", "reach-control"
ROOT = Path(__file__).parents[1]
LATE = FileDelay(least_s=60, most_s=60)


def start(folder: Path, number: int, properties: dict[str, str]) -> Process:
    args = [sys.executable, "-m", "benchmarks.reach_app", TOPIC, json.dumps(properties)]
    return spawn(args, cwd=ROOT, stdout=folder / "logs" / f"app-{number}.log")


def attested(statuses: Path, names: list[str], generation: int, place: Location) -> bool:
    for name in names:
        try:
            found = json.loads((statuses / f"{name}.json").read_text(encoding="utf-8"))["routes"]["r"]
        except (OSError, ValueError, KeyError):
            return False
        if found["generation"] < generation or found["state"] != place:
            return False
    return True


def measured(bed: ProcessTestbed, folder: Path, generations: int, count: int, *, topic: bool) -> Spread:
    """Return the spread over so many generations and processes, by the control topic or by the file."""
    clusters = {"source": bed.source.client_config(), "target": bed.target.client_config()}
    key = folder / "key"
    folder.mkdir()
    write_atomic(key, "5c" * 32, mode=0o600)
    channels = [f"kafka:{CONTROL}"] if topic else []
    reference = f"${{file:{key}}}"
    names = [f"app-{n}" for n in range(count)]
    routes = {"r": RouteLocations([TOPIC], [])}
    writer = CutoverFileWriter(folder / "cutover.toml", clusters, routes, channels=channels, key=reference)
    with closing(writer), Mounts(folder / "cutover.toml", folder / "mounts", LATE, 1) as mounts:
        writer.write()
        statuses = folder / "status"
        statuses.mkdir()
        apps = []
        for number, name in enumerate(names):
            file = mounts.mount(name) if topic else folder / "cutover.toml"
            conf = {**clusters["source"], "cutover.file": str(file), "cutover.key": reference}
            conf |= {"cutover.status": str(statuses), "cutover.instance": name}
            apps.append(start(folder, number, conf | ({"cutover.channel": channels[0]} if topic else {})))
        try:
            wait(statuses, names, 1, "source")
            with ArrivalSampler(folder / "cutover.toml", statuses) as sampler:
                for number in range(generations):
                    place: Location = "source" if number % 2 else "target"
                    wait(statuses, names, writer.point("r", producers=place), place)
                    time.sleep(0.5)
        finally:
            stop_all(apps, grace=20)
    arrivals = sampler.reach(Fleet()).arrivals
    # Of the two control topics, whichever was first brought a generation.
    found = spread(
        replace(a, channel="control topic" if a.channel != "file" else "file") for a in arrivals if a.seen_ns
    )
    return next(each for each in found if (each.channel == "file") != topic)


def wait(statuses: Path, names: list[str], generation: int, place: Location) -> None:
    def failure(_: object) -> AssertionError:
        return AssertionError(f"not all of {len(names)} processes attest generation {generation} on {place}")

    wait_until(lambda: attested(statuses, names, generation, place), 120, backoff_s=0.02, failure=failure)


def shown(its: Spread) -> str:
    seen = f"seen {its.seen_p50_ms:.0f}, {its.seen_p99_ms:.0f}, {its.seen_max_ms:.0f} ms"
    done = f"carried out {its.applied_p50_ms:.0f}, {its.applied_p99_ms:.0f}, {its.applied_max_ms:.0f} ms"
    return f"{its.channel:<13} {its.arrivals:>4} arrivals   {seen}   {done}"


def main(generations: int = 20, count: int = 20) -> int:
    with tempfile.TemporaryDirectory() as name, ProcessTestbed(Path(name) / "bed") as bed:
        for cluster in (bed.source, bed.target):
            Admin(cluster.client_config()).create_topics({TOPIC: 4})
        print(f"{generations} generations in {count} processes: median, 99th percentile, longest", flush=True)
        by_file = measured(bed, Path(name) / "file", generations, count, topic=False)
        print(shown(by_file), flush=True)
        by_topic = measured(bed, Path(name) / "topic", generations, count, topic=True)
        print(shown(by_topic), flush=True)
    missed = generations * count - min(by_file.arrivals, by_topic.arrivals)
    faster = by_file.seen_p50_ms / by_topic.seen_p50_ms
    figures = [Figure("generation seen, median, file to control topic", (faster,), "ratio", 1.0)]
    for channel, its in (("file", by_file), ("control topic", by_topic)):
        figures.append(at_most(f"generation seen by {channel}, p99", its.seen_p99_ms, "ms"))
        if its.applied_p99_ms is not None:
            figures.append(at_most(f"generation carried out by {channel}, p99", its.applied_p99_ms, "ms"))
    return conclude(figures, [f"{missed} generations did not reach a process"] if missed else [])


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:3])))
