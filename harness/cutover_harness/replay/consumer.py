"""A member of a consumer group of the application fleet: `python -m cutover_harness.replay.consumer CONFIG.json`.

Polls, works, commits, and keeps a ledger of all of it. SIGTERM: commit, leave the group, exit with 0.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from cutover_harness.headers import headers_or_none
from cutover_harness.ledger import LedgerWriter
from cutover_harness.ledger.identity import HEADER, decode
from cutover_harness.replay.clients import open_consumer
from cutover_harness.replay.config import ConsumerConfig
from cutover_harness.replay.process import Stop, native_sleep, run_app
from cutover_harness.replay.sender import CLUSTERS, EventLog
from cutover_harness.replay.sequences import next_folder

log = logging.getLogger(__name__)
_POLL_S = 0.1
NO_STREAM, NO_SEQUENCE = 0, -1


class Receiver:
    """The consuming side of a replay: polls, and logs deliveries and commits."""

    def __init__(
        self, ledger: EventLog, run: int, *, manual: bool, observe: Callable[[Any], None] | None = None
    ) -> None:
        self.delivered = 0
        self.uncommitted = 0
        self._ledger = ledger
        self._run = run
        self._manual = manual
        self._observe = observe
        self._consumer: Any = None

    def attach(self, consumer: Any, topics: list[str]) -> None:
        """Subscribe `consumer`, and log its assignments."""
        self._consumer = consumer
        consumer.subscribe(topics, on_assign=self._assigned, on_revoke=self._revoked)

    def receive(self, timeout: float) -> bool:
        """Poll once; return whether a record was delivered."""
        message = self._consumer.poll(timeout)
        if message is None:
            return False
        error = message.error()
        if error is not None:
            log.warning("%s", error)
            return False
        topic = message.topic()
        stream, sequence = identity(headers_or_none(message), self._run)
        cluster = CLUSTERS[self._consumer.cutover_cluster(topic)]
        self._ledger.delivered(topic, message.partition(), message.offset(), stream, sequence, cluster)
        self.delivered += 1
        self.uncommitted += 1
        if self._observe is not None:
            self._observe(message)
        return True

    def commit(self) -> None:
        """Commit the positions and log them; do nothing if there are no new ones."""
        if not self.uncommitted:
            return
        try:
            self.committed(None, self._consumer.commit(asynchronous=False) or [])
        except KafkaException as why:  # nothing to commit, a rebalance, a broker down: the next commit covers it
            if why.args[0].code() != KafkaError._NO_OFFSET:  # noqa: SLF001 - the client's name
                log.warning("commit: %s", why)
            return
        self.uncommitted = 0

    def committed(self, error: Any, partitions: list[Any]) -> None:
        """Log a commit; the client's on_commit callback."""
        if error is not None:
            log.warning("commit: %s", error)
            return
        for each in partitions:
            if each.error is None and each.offset >= 0:
                self._ledger.committed(
                    each.topic, each.partition, each.offset, CLUSTERS[self._consumer.cutover_cluster(each.topic)]
                )

    def _assigned(self, _: Any, partitions: list[Any]) -> None:
        for each in partitions:
            self._ledger.assigned(each.topic, each.partition, CLUSTERS[self._consumer.cutover_cluster(each.topic)])

    def _revoked(self, _: Any, partitions: list[Any]) -> None:
        if self._manual:  # otherwise the next owner reads again from the last commit
            self.commit()
        for each in partitions:
            self._ledger.revoked(each.topic, each.partition, CLUSTERS[self._consumer.cutover_cluster(each.topic)])


def identity(headers: list[tuple[str, bytes]] | None, run: int) -> tuple[int, int]:
    """Return stream and sequence of a record that the replay `run` sent, (0, -1) for any other."""
    for name, value in headers or ():
        if name == HEADER:
            try:
                found = decode(value)
            except ValueError:
                break
            if found.run == run:
                return found.stream, found.sequence
            break
    return NO_STREAM, NO_SEQUENCE


def run(config: ConsumerConfig, stop: Stop) -> None:
    """Consume until `stop`, then commit and leave the group; write a ledger."""
    uncommitted = config.client.get("isolation.level") == "read_uncommitted"
    ledger = LedgerWriter(
        next_folder(config.ledger),
        instance=config.instance,
        role="consumer",
        group=config.group,
        run=config.run,
        isolation="read_uncommitted" if uncommitted else "read_committed",
        topics=config.topics,
    )
    try:
        consume(config, stop, ledger)
    finally:
        ledger.close()


def consume(config: ConsumerConfig, stop: Stop, ledger: EventLog, observe: Callable[[Any], None] | None = None) -> None:
    """Consume as `config` says until `stop`, writing to `ledger`; `observe` gets each delivered message."""
    manual = config.commit == "manual"
    receiver = Receiver(ledger, config.run, manual=manual, observe=observe)
    consumer = open_consumer(config, **({} if manual else {"on_commit": receiver.committed}))
    receiver.attach(consumer, config.topics)
    work_s = config.work_ms / 1e3
    due = time.monotonic() + config.commit_every_s
    while not stop.wanted:
        if receiver.receive(_POLL_S) and work_s:
            native_sleep(work_s)
        if manual and time.monotonic() >= due:
            receiver.commit()
            due = time.monotonic() + config.commit_every_s
    if manual:
        receiver.commit()
    consumer.close()


def main() -> None:
    """Run the consumer of the configuration file in the first argument."""
    run_app(lambda stop: run(ConsumerConfig.load(Path(sys.argv[1])), stop))


if __name__ == "__main__":
    main()
