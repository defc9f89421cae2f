"""A worker's side of a load (and of a local run): the clients' threads, and messages to and from the master."""

from __future__ import annotations

import logging
import time
import uuid
from collections import defaultdict
from typing import Any

import gevent
from gevent.event import AsyncResult

from cutover_harness.load import native
from cutover_harness.load.connection import Connection, ConsumerPart, ProducerPart
from cutover_harness.load.ledger import ConsumerLedger, ProducerLedger
from cutover_harness.load.messages import COUNTS, PHASE, SLOT, SLOT_WANTED, SUMMARY
from cutover_harness.load.meter import Count
from cutover_harness.replay.config import ConsumerConfig, ProducerConfig
from cutover_harness.replay.consumer import consume
from cutover_harness.replay.process import Stop
from cutover_harness.replay.producer import replay_share
from cutover_harness.replay.sequences import Earlier
from cutover_harness.types import Role

log = logging.getLogger(__name__)
_SLOT_WAIT_S = 30
_COUNTS_S = 1.0


class Client:
    """A producer or consumer in an operating-system thread, so that nothing it does blocks the greenlets."""

    def __init__(self, config: ProducerConfig | ConsumerConfig) -> None:
        self.config = config
        self.stop = Stop()
        self.ledger: ProducerLedger | ConsumerLedger
        if isinstance(config, ProducerConfig):
            self.ledger = ProducerLedger()
            self._running = native.start(replay_share, config, self.stop, self.ledger, Earlier())
        else:
            self.ledger = ConsumerLedger()
            self._running = native.start(consume, config, self.stop, self.ledger, self.ledger.observe)

    @property
    def method(self) -> str:
        """Its name among Locust's request types."""
        return "PRODUCE" if isinstance(self.config, ProducerConfig) else "CONSUME"

    @property
    def running(self) -> bool:
        """Whether the thread has not ended."""
        return not self._running.ready()

    @property
    def error(self) -> str | None:
        """The error that ended the thread, None if it ended normally or still runs."""
        if not self._running.ready() or self._running.exception is None:
            return None
        return f"{self.config.instance}: {self._running.exception}"

    def wait(self, timeout: float | None = None) -> None:
        """Let other greenlets run until the thread has ended."""
        self._running.wait(timeout)
        self.ledger.meter.push()


class Node:
    """The clients of one Locust process."""

    def __init__(self, environment: Any, connection: Connection) -> None:
        self._environment = environment
        self._connection = connection
        self._waiting: dict[str, AsyncResult] = {}
        self._clients: list[Client] = []
        native.prepare()
        runner = environment.runner
        runner.register_message(SLOT, self._on_slot)
        runner.register_message(PHASE, self._on_phase, concurrent=True)
        gevent.spawn(self._report)

    def open(self, role: Role) -> Client | None:
        """Start a client for a user: the master's next one, None if all are taken."""
        name = uuid.uuid4().hex
        self._waiting[name] = AsyncResult()
        self._environment.runner.send_message(SLOT_WANTED, {"user": name, "role": role})
        part = self._waiting[name].get(timeout=_SLOT_WAIT_S)
        del self._waiting[name]
        if part is None:
            return None
        if role == "producer":
            client = Client(self._connection.producer_of(ProducerPart.model_validate_json(part)))
        else:
            client = Client(self._connection.consumer_of(ConsumerPart.model_validate_json(part)))
        self._clients.append(client)
        return client

    def _on_slot(self, environment: Any, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust's signature
        waiting = self._waiting.get(msg.data["user"])
        if waiting is not None:
            waiting.set(msg.data["part"])

    def _on_phase(self, environment: Any, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust's signature
        producers = [c for c in self._clients if isinstance(c.config, ProducerConfig)]
        if msg.data["phase"] == "drain":
            for client in producers:
                client.stop()
            return
        for client in self._clients:
            client.stop()
        for client in self._clients:
            client.wait()
        self.carry()
        self._environment.runner.send_message(SUMMARY, self._summary())
        self._clients = []

    def carry(self) -> None:
        """Add the clients' new counts to Locust's statistics."""
        for client in self._clients:
            for counts in client.ledger.meter.take():
                for name, count in counts.items():
                    add(self._environment.stats, client.method, name, count)

    def _summary(self) -> dict[str, Any]:
        producers, groups, errors = [], [], []
        for client in self._clients:
            wire = client.ledger.summary.to_wire()
            if isinstance(client.config, ProducerConfig):
                producers.append(wire)
            else:
                groups.append([client.config.group, wire])
            if client.error is not None:
                errors.append(client.error)
        return {"producers": producers, "groups": groups, "errors": errors}

    def _report(self) -> None:
        """Report the clients' progress to the statistics and to the master, until the process ends."""
        while True:
            gevent.sleep(_COUNTS_S)
            if not self._clients:
                continue
            self.carry()
            delivered: dict[str, int] = defaultdict(int)
            acked = producing = 0
            for client in self._clients:
                if isinstance(client.config, ProducerConfig):
                    acked += client.ledger.done
                    producing += client.running
                else:
                    delivered[client.config.group] += client.ledger.done
            try:
                counts = {"producing": producing, "acked": acked, "delivered": dict(delivered), "at": time.time()}
                self._environment.runner.send_message(COUNTS, counts)
            except Exception as why:  # noqa: BLE001 - the connection to the master may be down for a while
                log.info("counts not sent: %s", why)


def add(stats: Any, method: str, name: str, count: Count) -> None:
    """Add what a client counted to Locust's statistics, as if each request had been logged."""
    for entry in (stats.get(name, method), stats.total):
        entry.num_requests += count.requests
        entry.num_failures += count.failures
        entry.total_response_time += count.total_ms
        entry.min_response_time = min(entry.min_response_time or count.least_ms, count.least_ms)
        entry.max_response_time = max(entry.max_response_time, count.most_ms)
        entry.total_content_length += count.bytes
        entry.last_request_timestamp = max(entry.last_request_timestamp or 0, *count.per_second)
        for into, more in (
            (entry.response_times, count.histogram),
            (entry.num_reqs_per_sec, count.per_second),
            (entry.num_fail_per_sec, count.failed_per_second),
        ):
            for key, number in more.items():
                into[key] = into.get(key, 0) + number
