"""One application of `benchmarks.reach`: a producer of the shim that sends a record every 50 ms until SIGTERM.

python -m benchmarks.reach_app TOPIC '{"bootstrap.servers": …, "cutover.file": …}'
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys

from cutover_shim import Producer


def run(topic: str, properties: dict[str, str]) -> None:
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    producer = Producer(properties)
    while not ended:
        with contextlib.suppress(BufferError):
            producer.produce(topic, b"x")
        producer.poll(0.05)
    producer.flush(10)
    producer.close()


if __name__ == "__main__":
    run(sys.argv[1], json.loads(sys.argv[2]))
