"""A producer instance of the app fleet: `python -m cutover_harness.replay.producer CONFIG.json`.

Replays its share of a capture on time and keeps a ledger. SIGTERM: no more records, then wait until the last one is
acknowledged or failed, and exit with 0. Standard error has problems only.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cutover_harness.capture.format import CaptureReader
from cutover_harness.ledger import LedgerWriter
from cutover_harness.replay.clients import open_producer
from cutover_harness.replay.config import ProducerConfig
from cutover_harness.replay.lateness import Lateness
from cutover_harness.replay.process import Stop, native_sleep, run_app
from cutover_harness.replay.records import Records, replay, schedule_of
from cutover_harness.replay.sender import FULL_WAIT_S, EventLog, ReplayProducer, Sender
from cutover_harness.replay.sequences import Earlier, earlier
from cutover_harness.replay.transactions import TransactionalSender

_POLL_EVERY = 64
_IDLE_POLL_S = 0.05
_SPIN_NS = 2_000_000


class Pacer:
    """Sends records when they are due, and serves the client in between."""

    def __init__(self, producer: ReplayProducer, sender: Sender, stop: Stop) -> None:
        self.lateness = Lateness()
        self._producer = producer
        self._sender = sender
        self._stop = stop
        # Due times are in wall clock time, which may be stepped; the pace is kept by the clock that is not.
        self._wall_minus_mono = time.time_ns() - time.monotonic_ns()

    def send(self, records: Records, *, timed: bool) -> bool:
        """Send all of `records`, each when it is due where `timed`; returns False when told to stop before the end."""
        send, tick, poll, stop = self._sender.send, self._sender.tick, self._producer.poll, self._stop
        columns = zip(
            records.topics, records.partitions, records.keys, records.values, records.headers, records.streams,
            records.stamps_ms, records.due_ns, strict=True,
        )  # fmt: skip
        for number, (topic, partition, key, value, headers, stream, stamp, due_ns) in enumerate(columns):
            if timed:
                if not self._wait(due_ns - self._wall_minus_mono):
                    return False
            elif stop.wanted:
                return False
            if not number % _POLL_EVERY:
                poll(0)
                tick()
            send(topic, partition, key, value, headers, stream, stamp)
        return True

    def _wait(self, due_ns: int) -> bool:
        """Serve the client until `due_ns` (monotonic) has come; False when told to stop."""
        while not self._stop.wanted:
            ahead = due_ns - time.monotonic_ns()
            if ahead <= 0:
                self.lateness.add(-ahead)
                return True
            self._sender.tick()
            if ahead > _SPIN_NS:  # the client's timeouts have a resolution of 1 ms
                self._producer.poll(min(_IDLE_POLL_S, (ahead - _SPIN_NS / 2) / 1e9))
            else:
                self._producer.poll(0)
                native_sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        return False


def run(config: ProducerConfig, stop: Stop) -> None:
    """Replay until the end of the capture or `stop`, then flush; keep a ledger of its own."""
    folder, before = earlier(config.ledger)
    ledger = LedgerWriter(folder, instance=config.instance, role="producer", group=None, run=config.run)
    try:
        replay_share(config, stop, ledger, before)
    finally:
        ledger.close()


def replay_share(config: ProducerConfig, stop: Stop, ledger: EventLog, before: Earlier) -> None:
    """Replay what `config` says, from after what was sent `before`, writing to `ledger`; then flush and close."""
    with CaptureReader(config.replay.capture) as reader:
        schedule = schedule_of(reader, config.replay, config.replay.start_ns or time.time_ns())
        producer: ReplayProducer = open_producer(config)

        def serve() -> bool:
            producer.poll(FULL_WAIT_S)
            return not stop.wanted

        sender = _sender(config, producer, ledger, before, serve)
        pacer = Pacer(producer, sender, stop)
        timed = config.replay.speed is not None
        for records in replay(reader, config.replay, config.share, schedule, skip=before.sent):
            if not pacer.send(records, timed=timed):
                break
        sender.finish()
        _flush(producer, float(config.client.get("delivery.timeout.ms", 300_000)) / 1e3)
    if config.stats is not None:
        counts = {name: getattr(sender, name) for name in ("sent", "acked", "failed", "aborted", "full")}
        pacer.lateness.write(config.stats, **counts)


def _sender(
    config: ProducerConfig, producer: Any, ledger: EventLog, before: Earlier, wait: Callable[[], bool]
) -> Sender:
    keep = config.replay.partitioning == "recorded"
    shape = config.in_transactions
    if shape is None:
        return Sender(producer, ledger, config.run, keep_partition=keep, sequences=before.sequences, wait=wait)
    return TransactionalSender(
        producer, ledger, config.run, shape, keep_partition=keep, sequences=before.sequences, wait=wait
    )


def _flush(producer: ReplayProducer, delivery_timeout_s: float) -> None:
    """Wait until nothing is in flight; the client fails a record at the latest after its delivery timeout."""
    deadline = time.monotonic() + delivery_timeout_s + 5
    while len(producer) and time.monotonic() < deadline:
        producer.flush(0.5)
    close = getattr(producer, "close", None)
    if close is not None:
        close()


def main() -> None:
    """Run the producer that the file in the first argument describes."""
    run_app(lambda stop: run(ProducerConfig.load(Path(sys.argv[1])), stop))


if __name__ == "__main__":
    main()
