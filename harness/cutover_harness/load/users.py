"""Locust users that replay a capture: import them into your own locustfile, or run `kafka-cutover load`.

Each user is one client of the shim, in its own thread; the user's greenlet only monitors it.
Users beyond the number of producers and members that the settings name have nothing to do, and end.
"""

from __future__ import annotations

import logging
import signal
import sys
from typing import Any, ClassVar

import gevent
from locust import User, constant, events, runners, task
from locust.exception import StopUser
from locust.runners import WorkerRunner

from cutover_harness import exit_codes
from cutover_harness.errors import UsageError
from cutover_harness.load import transport
from cutover_harness.load.connection import Connection
from cutover_harness.load.coordinator import Coordinator
from cutover_harness.load.interruption import INTERRUPTIONS
from cutover_harness.load.node import Client, Node
from cutover_harness.load.settings import LoadSettings
from cutover_harness.types import Role

log = logging.getLogger(__name__)
_TICK_S = 1.0
_MISSED_BEATS = 30
"""Seconds. With Locust's default of 3 a worker that starts its clients on a busy machine counts as lost."""


class _KafkaUser(User):
    abstract = True
    wait_time = constant(_TICK_S)
    role: ClassVar[Role]

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._client: Client | None = None

    def on_start(self) -> None:
        """Get a client from the master, and start it."""
        self._client = self.environment.cutover_node.open(self.role)
        if self._client is None:
            raise StopUser

    @task
    def watch(self) -> None:
        """Report a client that failed; end the user if its client has ended."""
        client = self._client
        if client is None:
            raise StopUser
        if client.error is not None:
            self.environment.stats.log_error(client.method, client.config.instance, client.error)
        if not client.running:
            raise StopUser

    def on_stop(self) -> None:
        """End the client: a producer flushes, a consumer commits and leaves."""
        client = self._client
        if client is None:
            return
        client.stop()
        client.wait()
        self.environment.cutover_node.carry()


class ProducerUser(_KafkaUser):
    """Replays its part of the capture. Response time: from sending to acknowledgement."""

    role = "producer"


class ConsumerUser(_KafkaUser):
    """A member of a group. Response time: from when the record was due to be sent to its delivery."""

    role = "consumer"


def _on_init(environment: Any, **_: Any) -> None:
    """Prepare the environment for the users above, whichever locustfile imports them."""
    runner = environment.runner
    if runner is None:
        return
    gevent.get_hub().loop.update_now()  # its clock stopped while everything was loaded
    try:
        _prepare(environment, runner)
    except UsageError as why:
        print(f"kafka-cutover: {why}", file=sys.stderr, flush=True)
        sys.exit(exit_codes.REFUSED)


def _prepare(environment: Any, runner: Any) -> None:
    is_worker = isinstance(runner, WorkerRunner)
    is_master = not is_worker and hasattr(runner, "clients")
    if not is_worker:
        settings = LoadSettings.load()
        coordinator = environment.cutover_coordinator = Coordinator(environment, settings)
        if settings.run_time_s is not None:
            logging.getLogger("locust.main").addFilter(lambda record: "run time limit" not in record.getMessage())
        environment.events.test_start.add_listener(lambda **_: coordinator.started())
        environment.events.test_stopping.add_listener(lambda **_: coordinator.finish())
        environment.events.quitting.add_listener(lambda **_: coordinator.finish())
        environment.events.quit.add_listener(lambda **_: coordinator.show())
    if is_worker and getattr(environment.parsed_options, "processes", None):
        # The terminal's Ctrl-C reaches the master as well, which ends the load in order and then its workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    else:
        INTERRUPTIONS.install()  # for a locustfile that Locust's own command runs
        INTERRUPTIONS.silence()
    if not is_master:
        environment.cutover_node = Node(environment, Connection.given() or LoadSettings.load())


runners.HEARTBEAT_LIVENESS = _MISSED_BEATS
transport.install()
events.init.add_listener(_on_init)  # type: ignore[no-untyped-call]
