"""A producer instance of the application fleet: `python -m cutover_harness.replay.producer CONFIG.json`.

Replays its share of a capture on time and keeps a ledger. SIGTERM: no more records, then wait until the last one is
acknowledged or failed, and exit with 0. Standard error has problems only.
"""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cutover_harness.capture.format import CaptureReader
from cutover_harness.ledger import LedgerWriter
from cutover_harness.pauses import few_collections
from cutover_harness.replay.ahead import Ahead
from cutover_harness.replay.clients import open_producer
from cutover_harness.replay.config import ProducerConfig
from cutover_harness.replay.lateness import Lateness
from cutover_harness.replay.process import Stop, core_wait_ns, native_sleep, run_app
from cutover_harness.replay.records import passes, replay, schedule_of, warm_up
from cutover_harness.replay.sender import FULL_WAIT_S, EventLog, Prepared, ReplayProducer, Sender
from cutover_harness.replay.sequences import Earlier, earlier
from cutover_harness.replay.transactions import TransactionalSender

_CHUNK = 64
"""Most records between two checks of the clock and of the client's reports."""
_CHUNK_UNTIMED = 512
_IDLE_POLL_S = 0.05
_SPIN_NS = 2_000_000


class Pacer:
    """Sends records when they are due, and serves the client in between. Lateness is measured at the client."""

    def __init__(self, sender: Sender, stop: Stop) -> None:
        self.lateness = Lateness()
        self._sender = sender
        self._stop = stop
        # Due times are wall clock time, which may be stepped; the monotonic clock keeps the pace.
        self._wall_minus_mono = time.time_ns() - time.monotonic_ns()

    def send(self, batch: Prepared, *, timed: bool) -> bool:
        """Send all of `batch`, each when it is due if `timed`; return False if stopped before the end."""
        sender, due = self._sender, batch.due_ns
        at, count, chunk = 0, len(batch), _CHUNK if timed else _CHUNK_UNTIMED
        while at < count:
            if self._stop.wanted:
                return False
            end = min(at + chunk, count)
            if timed:
                if not self._wait(due[at]):
                    return False
                end = bisect_right(due, self._now(), at + 1, end)
            sender.send(batch, at, end)
            if timed:
                self.lateness.add(self._now() - np.array(due[at:end]))
            sender.poll(0)
            sender.tick()
            at = end
        return True

    def _now(self) -> int:
        return time.monotonic_ns() + self._wall_minus_mono

    def _wait(self, due_ns: int) -> bool:
        """Serve the client until `due_ns`; return False if stopped."""
        while not self._stop.wanted:
            ahead = due_ns - self._now()
            if ahead <= 0:
                return True
            self._sender.tick()
            if ahead > _SPIN_NS:  # the client's timeouts have a resolution of 1 ms
                self._sender.poll(min(_IDLE_POLL_S, (ahead - _SPIN_NS / 2) / 1e9))
            else:
                self._sender.poll(0)
                native_sleep(max(0, due_ns - self._now()) / 1e9)
        return False


def run(config: ProducerConfig, stop: Stop) -> None:
    """Replay until the end of the capture or `stop`, then flush; write a ledger."""
    folder, before = earlier(config.ledger)
    ledger = LedgerWriter(folder, instance=config.instance, role="producer", group=None, run=config.run)
    try:
        with few_collections():
            replay_share(config, stop, ledger, before)
    finally:
        ledger.close()


def replay_share(config: ProducerConfig, stop: Stop, ledger: EventLog, before: Earlier) -> None:
    """Replay `config` after the records sent `before`, writing to `ledger`; then flush and close."""
    options = config.replay
    with CaptureReader(options.capture) as reader, Ahead(passes(reader, loop=options.loop)) as batches:
        producer: ReplayProducer = open_producer(config)

        def serve() -> bool:
            sender.poll(FULL_WAIT_S)
            return not stop.wanted

        sender = _sender(config, producer, ledger, before, serve)
        warm_up()
        batches.wait()  # reading the first records does not count as lateness
        schedule = schedule_of(reader, options, options.start_ns or time.time_ns())
        pacer = Pacer(sender, stop)
        waited = core_wait_ns()
        timed = options.speed is not None
        for records in replay(reader, options, config.share, schedule, skip=before.sent, batches=batches):
            if not pacer.send(sender.prepare(records), timed=timed):
                break
        sender.finish()
        ended = core_wait_ns()
        _flush(sender, float(config.client.get("delivery.timeout.ms", 300_000)) / 1e3)
    if config.stats is not None:
        counts = {name: getattr(sender, name) for name in ("sent", "acked", "failed", "aborted", "full")}
        without_core = None if waited is None or ended is None else round((ended - waited) / 1e6, 1)
        pacer.lateness.write(config.stats, **counts, without_core_ms=without_core)


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


def _flush(sender: Sender, delivery_timeout_s: float) -> None:
    """Wait until nothing is in flight; the client fails a record after its delivery timeout at the latest."""
    deadline = time.monotonic() + delivery_timeout_s + 5
    while len(sender.producer) and time.monotonic() < deadline:
        sender.flush(0.5)
    close = getattr(sender.producer, "close", None)
    if close is not None:
        close()
    sender.settle()


def main() -> None:
    """Run the producer of the configuration file in the first argument."""
    run_app(lambda stop: run(ProducerConfig.load(Path(sys.argv[1])), stop))


if __name__ == "__main__":
    main()
