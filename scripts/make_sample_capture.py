"""Make the sample capture: write public events to a broker with their own timestamps, and record them off it.

    python scripts/make_sample_capture.py EVENTS.parquet

EVENTS has the columns timestamp (UTC), topic, key and value, in time order: the flights and weather of the data set
nycflights13 (CC0) as events. The capture is written over the one in the package of scenarios.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    NewTopic,
)
from cutover_harness.capture.options import RecordOptions
from cutover_harness.capture.recorder import Recorder
from cutover_harness.testbed import ProcessTestbed
from cutover_scenarios import sample_capture

PARTITIONS = {"flights.departed": 6, "flights.arrived": 6, "weather.observed": 3, "flights.cancelled": 1}


def main(events: Path) -> None:
    """Make the capture out of `events`."""
    with tempfile.TemporaryDirectory() as folder, ProcessTestbed(Path(folder)) as testbed:
        client: dict[str, str | int | float | bool] = {**testbed.source.client_config()}
        admin = AdminClient(client)
        # The events are of 2013, so the broker must not delete them for their age.
        new = [NewTopic(name, n, 1, config={"retention.ms": "-1"}) for name, n in PARTITIONS.items()]
        for future in admin.create_topics(new).values():
            future.result(30)
        # Java's partitioner, which most producers use.
        producer = Producer({**client, "partitioner": "murmur2_random", "enable.idempotence": True})
        for batch in pq.ParquetFile(events).iter_batches():
            columns = batch.to_pydict()
            stamps = batch.column("timestamp").cast("int64").to_pylist()
            rows = zip(columns["topic"], columns["value"], columns["key"], stamps, strict=True)
            for topic, value, key, stamp in rows:
                producer.produce(topic, value, key, timestamp=stamp)
                producer.poll(0)
        producer.flush()
        out = sample_capture()
        out.unlink(missing_ok=True)
        recorded = Recorder(client, out, RecordOptions(tuple(PARTITIONS))).record()
    print(f"{out}: {recorded.records} records, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
