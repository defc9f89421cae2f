"""An application of the shop as a process, `python -m tests.cluster.shop.client FILE`: works until SIGTERM.

FILE is JSON with the fields of `Config`. With `shim` the client follows documents; otherwise it is a plain client of
confluent_kafka. Each acknowledged, or delivered, record is a line of its ledger: time in ns, topic, key, number.
`${NAME}` in properties is the variable NAME.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import confluent_kafka
import cutover_shim

STREAMS = 4
"""Keys per topic of a producer."""
PARTITIONS = 2
"""Partitions of each topic; each has half of the keys."""


@dataclass(frozen=True)
class Config:
    """role: `producer` or `consumer`. key: the first part of the keys that a producer uses. every_s: its pause."""

    role: str
    shim: bool
    properties: dict[str, Any]
    topics: list[str]
    ledger: str
    key: str = ""
    every_s: float = 0.03


def main() -> None:
    """Run the client of the file in the first argument."""
    config = Config(**json.loads(os.path.expandvars(Path(sys.argv[1]).read_text())))
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    with Path(config.ledger).open("a", buffering=1) as ledger:
        (_produce if config.role == "producer" else _consume)(config, ledger, end)


def _produce(config: Config, ledger: TextIO, end: threading.Event) -> None:
    module: Any = cutover_shim if config.shim else confluent_kafka
    producer = module.Producer(config.properties)

    def acked(error: object, message: Any) -> None:
        if error is not None:
            print(f"not acknowledged: {error}", file=sys.stderr, flush=True)
            end.set()
        else:
            _write(ledger, message)

    number = _next(Path(config.ledger))
    while not end.is_set():
        for topic in config.topics:
            stream = number % STREAMS
            key, value = f"{config.key}{stream}".encode(), str(number).encode()
            producer.produce(topic, value, key, stream % PARTITIONS, on_delivery=acked)
        number += 1
        deadline = time.monotonic() + config.every_s
        while (left := deadline - time.monotonic()) > 0:
            producer.poll(left)
    producer.flush(60)


def _next(ledger: Path) -> int:
    """Return the number after the last one that this producer has written, 0 for a new one."""
    return max((int(line.split()[3]) + 1 for line in ledger.read_text().splitlines()), default=0)


def _consume(config: Config, ledger: TextIO, end: threading.Event) -> None:
    module: Any = cutover_shim if config.shim else confluent_kafka
    consumer = module.Consumer(config.properties)

    def commit(*_: object) -> None:
        with suppress(confluent_kafka.KafkaException):  # nothing new, or no cluster at the moment
            consumer.commit(asynchronous=False)

    consumer.subscribe(config.topics, on_revoke=commit)
    last = time.monotonic()
    while not end.is_set():
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            _write(ledger, message)
        if time.monotonic() - last > 0.5:
            last = time.monotonic()
            commit()
    commit()
    consumer.close()


def _write(ledger: TextIO, message: Any) -> None:
    ledger.write(f"{time.time_ns()} {message.topic()} {message.key().decode()} {message.value().decode()}\n")


if __name__ == "__main__":
    main()
