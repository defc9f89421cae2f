"""The inside of a Consumer: its route, its status, and reading in pieces between which its cluster can change."""

from __future__ import annotations

import weakref
from typing import Any

from cutover_shim import codes, config, native, runtime, status, watch
from cutover_shim.client_log import ClientLog
from cutover_shim.clients import closed_handle, deadline_of, left_until
from cutover_shim.consumer_route import CHUNK_S, ConsumerRoute
from cutover_shim.cutover_file import CutoverFile
from cutover_shim.switch_times import SwitchTimes
from cutover_shim.watched import Watched

Fast = tuple[Any, SwitchTimes]
"""The client in use, and where a delivery is noted: to look up each of them would cost more."""
FAST_S = 0.25  # a longer wait is cut into pieces, between which a change can begin


class ConsumerCore:
    """One consumer's route and what is around it. `shell` is the Consumer, whose `_shim_fast` is kept up to date.

    `_shim_fast` is what poll() and consume() may use directly, or None.
    """

    def __init__(self, shell: Any, settings: config.Settings) -> None:
        self._shell = weakref.ref(shell)
        self.settings = settings
        self.closed = False
        self._ended: status.Ended | None = None
        self._refusal: str | None = None
        self._watch: Watched | None = None
        self._reporter = status.Reporter()
        self._log = ClientLog("consumer", settings.instance, settings.follows)
        changed = weakref.WeakMethod(self._changed)
        self.route = ConsumerRoute(shell, settings, lambda: None if (call := changed()) is None else call())

    @classmethod
    def never_opened(cls, shell: Any) -> ConsumerCore:
        """Return the inside of a consumer whose constructor did not run: it is closed."""
        core = cls(shell, config.NONE)
        core.closed = True
        return core

    def start(self) -> None:
        """Open what the cutover file asks for, or the only client if there is none.

        Raises CutoverFileError if the file cannot be used, and what the client's constructor raises.
        """
        runtime.clients.add(self)
        if self.settings.follows is None:
            self.route.start(None)
            self._changed()
            return
        self._watch = watch.watcher.follow(self.settings)
        file = self._watch.first()
        self.route.start(file)
        self._reporter.open(self.settings, file)
        self._changed()
        self._log.started(self.route.name, self.route.state, self.route.seen)
        watch.watcher.attach(self._watch, self)

    # -- what the watching thread calls ------------------------------------------------------------------------------

    def _shim_apply(self, file: CutoverFile) -> None:
        self.route.follow(file)

    def _shim_tick(self, now: float) -> None:
        self.route.times.look()
        self.route.tick(now)
        self._reporter.tick(now, self._document)

    def _shim_exit(self, timeout_s: float) -> None:
        """Write the last status: the process ends, and this consumer was not closed."""
        self.closed, self._ended = True, "exited"
        self._reporter.finish(self._document, timeout_s)

    def _shim_forked(self) -> Any:
        self.closed, self._refusal = True, runtime.FORKED
        self._set_fast(None)
        return self.route, self._reporter.abandon()

    # -- status ------------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Take note that the route has changed: choose the client for poll() again, log and report the change."""
        route = self.route
        with route.cond:  # reading the state and writing `_shim_fast` belong together: the last change wins
            fast = route.steady and not (route.positions.seeks or route.times.awaits_first or self.closed)
            self._set_fast((route.handle, route.times) if fast else None)
        if route.file is not None and route.state in {"source", "target", "held"} and not self.closed:
            if route.name is not None:
                self._log.moved(route.name, route.state, route.applied)
            self._log.unrouted(*route.unrouted(), route.file, "consumers")
        self._reporter.changed()

    def _set_fast(self, fast: Fast | None) -> None:
        shell = self._shell()
        if shell is not None:
            shell._shim_fast = fast  # noqa: SLF001 - a slot of the shell, where reading it costs least

    def _document(self) -> dict[str, Any]:
        route, watched = self.route, self._watch
        return status.document(
            self.settings,
            route.file,
            watched,
            role="consumer",
            group=route.group,
            seen_generation=route.seen,
            rejected=route.refused or (watched.rejected if watched is not None else None),
            routes={} if route.name is None else {route.name: route.report()},
            unrouted=int(route.name is None),
            ended=self._ended,
        )

    # -- reading -----------------------------------------------------------------------------------------------------

    def open(self, refusal: str = "Consumer closed") -> ConsumerRoute:
        """Return the route. Raises RuntimeError (`refusal`) if the consumer is closed."""
        if self.closed:
            raise RuntimeError(self._refusal or refusal)
        return self.route

    def unless_changed(self, error: RuntimeError) -> None:
        """Raise a client's error again, unless the client was closed by a change that another thread has made."""
        if self.closed or not closed_handle(error):
            raise error

    def poll(self, timeout: float) -> Any:
        """Make the change that is due, then return the next message, or None after `timeout` seconds."""
        deadline = deadline_of(timeout)
        self.route.times.look()
        while True:
            client = self.open().advance()
            left = left_until(deadline)
            try:
                message = None if client is None else client.poll(min(left, FAST_S))
            except RuntimeError as error:
                self.unless_changed(error)
                continue
            if message is not None:
                self._delivered([message])
                return message
            if client is None:
                self.route.wait(min(left, CHUNK_S))
            if left_until(deadline) == 0:
                return None

    def consume(self, messages: list[Any], wanted: int, timeout: float) -> list[Any]:
        """Make the change that is due, then read until `messages` are as many as `wanted`, or `timeout` has passed.

        Messages of two clusters are never returned together.
        """
        deadline = deadline_of(timeout)
        self.route.times.look()
        while True:
            if messages and self.route.due:
                return messages  # they were read before the change
            client = self.open().advance()
            left = left_until(deadline)
            try:
                if client is not None:
                    messages += (found := client.consume(wanted - len(messages), min(left, CHUNK_S)))
                    self._delivered(found)
                elif messages:
                    return messages
                else:
                    self.route.wait(min(left, CHUNK_S))
            except RuntimeError as error:
                self.unless_changed(error)
            if len(messages) >= wanted or left_until(deadline) == 0:
                return messages

    def _delivered(self, messages: list[Any]) -> None:
        """Take note of what the client in use has returned: its time, and that its partitions' seeks are done."""
        if any(message.error() is None for message in messages) and self.route.times.note():
            self._changed()  # from now on poll() may call the client directly
        if self.route.positions.seeks:
            self.route.was_read(messages)

    def client(self, timeout: float, refusal: str = "Consumer closed") -> Any:
        """Return the client in use; while the route is held, wait for one at most `timeout` seconds.

        Raises KafkaException (_TIMED_OUT) if there is none in time, RuntimeError (`refusal`) if the consumer is closed.
        """
        deadline = deadline_of(timeout)
        while True:
            client = self.open(refusal).handle
            if client is not None:
                return client
            if left_until(deadline) == 0:
                raise codes.error(codes.TIMED_OUT, "the route is held: no cluster to ask")
            native.sleep(min(left_until(deadline), CHUNK_S))

    # -- the end -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Commit what is due, leave the group and close. Raises what a callback raises; the consumer is open then."""
        if self.closed:
            return
        self.route.close()
        self.closed, self._ended = True, "closed"
        self._set_fast(None)
        if self._watch is not None:
            watch.watcher.detach(self._watch, self)
        self._reporter.finish(self._document)

    def drop(self) -> None:
        """Release the client without callbacks: the application has dropped its consumer."""
        if self.closed:
            return
        self.closed, self._ended = True, "closed"
        self._set_fast(None)
        self._reporter.finish_on_a_thread(self._document)
        self.route.drop()
        if self._watch is not None:
            watch.watcher.detach(self._watch, self)
