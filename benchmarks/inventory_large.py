"""Time and memory of an inventory of 20,000 topics with 200,000 partitions and 4,000 groups.

    python -m benchmarks.inventory_large [topics] [partitions of each] [groups]

The AdminClient is a stub that answers at once; the rate of requests is the default. Exits with 1 if a bar is missed:
5 minutes, 1 GB.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cutover_harness.inventory.calls import Calls
from cutover_harness.inventory.cluster import ClusterReader
from cutover_harness.inventory.collect import finished, read
from cutover_harness.inventory.completeness import Gaps
from cutover_harness.inventory.options import Options
from cutover_harness.inventory.page import html
from cutover_harness.token_bucket import TokenBucket

from benchmarks.figures import at_most, conclude
from tests.unit.inventory.stub_cluster import StubBrokers, StubCluster, without_sockets

MOST_S, MOST_MB = 300.0, 1000.0


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main(topics: int = 20_000, per_topic: int = 10, groups: int = 4_000) -> int:
    begun, options, gaps = time.monotonic(), Options(), Gaps()
    stub: Any = StubCluster(topics, per_topic, groups)
    calls = Calls(stub, "source", gaps, TokenBucket(options.rate), lambda line: print(f"  {line}", flush=True))
    print(f"{topics:,} topics, {topics * per_topic:,} partitions, {groups:,} groups; {peak_mb():.0f} MB before")
    reader = ClusterReader(calls, StubBrokers(stub), {"bootstrap.servers": "127.0.0.1:1"})
    with without_sockets():
        listing = finished(read({"source": reader}, options, gaps, print), gaps)
    print(f"collected after {time.monotonic() - begun:.1f} s, {peak_mb():.0f} MB")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("inventory.json", listing.model_dump_json(indent=1)), ("inventory.html", html(listing))):
            file = Path(folder) / name
            file.write_text(text, encoding="utf-8")
            print(f"{name}: {file.stat().st_size / 1e6:.1f} MB")
    seconds, memory = time.monotonic() - begun, peak_mb()
    found = listing.clusters["source"]
    assert (len(found.topics), len(found.groups)) == (topics, groups)
    assert all(topic.bytes is not None and topic.last_write is not None for topic in found.topics)
    size = f"{topics:,} topics, {topics * per_topic:,} partitions, {groups:,} groups"
    return conclude(
        [
            at_most(f"inventory of {size}, brokers that answer immediately", seconds, "s", MOST_S),
            at_most("its memory", memory, "MB", MOST_MB),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
