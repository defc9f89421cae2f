"""The consumer side of a route: one client at a time, and the change of its cluster.

    at A, the file wants B
    -> preparing: B is connected and checked on a thread of its own, the application still reads A
    -> draining:  commit what the client would have committed, attest it, leave the group, close A
    -> joining:   subscribed on B with the same callbacks
    -> at B:      with the first assignment

`hold` stops at held. Everything but the check runs on the application's thread, inside its own poll() or consume().
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaException, TopicPartition

from cutover_shim import config, native
from cutover_shim.consumer_clients import ConsumerClients
from cutover_shim.consumer_preparation import ConsumerPreparation
from cutover_shim.cutover_file import CutoverFile, CutoverFileError, Location
from cutover_shim.group_offsets import GroupOffsets
from cutover_shim.rejoin import JoinWatch
from cutover_shim.status import nested
from cutover_shim.subscription_state import SubscriptionState
from cutover_shim.switch_times import SwitchTimes

log = logging.getLogger("cutover_shim")

CHUNK_S = 0.05
REVOKE_S = 10.0


class ConsumerRoute(SubscriptionState):
    """The consumer side of its group's route, on one cluster or none. `handle`: the client in use, None while held."""

    def __init__(self, shell: Any, settings: config.Settings, changed: Callable[[], None]) -> None:
        super().__init__(shell, settings, changed)
        self.seen = -1
        self.refused: str | None = None
        self.desired: Location = "hold"
        self.applied = -1
        self.error: str | None = None
        self.times = SwitchTimes()
        self.offsets = GroupOffsets(self.group, self.positions)
        self.clients = ConsumerClients(settings.conf, self._on_commit)
        self._preparation = ConsumerPreparation(self)
        self._changing = native.RLock()
        self._hangs = False  # the client waits to join a group that is stable without it
        self._joins: JoinWatch | None = None

    # -- desired location ---------------------------------------------------------------------------------------------

    @property
    def due(self) -> bool:
        """Whether the application's thread has a change to make now."""
        return (
            self.cluster is not None
            and self.desired != self.cluster
            and (self.desired == "hold" or self._preparation.is_ready())
        )

    @property
    def steady(self) -> bool:
        """Whether there is nothing to do but to read."""
        return self.handle is not None and self.desired == self.cluster and not self._hangs

    def start(self, file: CutoverFile | None) -> None:
        """Take the location that the file wants. Raises what the client's constructor raises."""
        if file is not None:
            self.file, self.seen = file, file.generation
            self.group = self.offsets.group = config.group_of(self.conf, file)
            self.name = self._route_in(file)
            self.desired = file.routes[self.name].consumers if self.name is not None else "source"
            self.applied = file.generation
        else:
            self.desired = "source"
        if self.desired == "hold":
            self.clients.build("source", file).close()  # mistakes in the application's configuration must surface here
        else:
            self.handle = self.clients.build(self.desired, file)
            self.cluster, self.state = self.desired, "joining"

    def _route_in(self, file: CutoverFile) -> str | None:
        try:
            return file.route_of_group(self.group) if self.group is not None else None
        except CutoverFileError as error:
            log.warning("cutover shim: %s; until then it stays on the source", error)
            return None

    def follow(self, file: CutoverFile) -> None:
        """Take the newest version of the file."""
        with self.cond:
            if self.closing or file.generation < self.seen:
                return
            self.file, self.seen = file, file.generation
            self.times.look()  # what was delivered before the change
            self.name = self.name or self._route_in(file)
            if self.name is not None:
                self._aim(file, self.name)
            unwanted = self._preparation.take_unwanted()
            self.cond.notify_all()
        if unwanted is not None:
            with self.clients.own_thread():
                unwanted.close()
        self.changed()

    def _aim(self, file: CutoverFile, name: str) -> None:
        route = file.routes.get(name)
        if route is None:
            self.error = f"route {name!r}: no longer in the cutover file: this consumer stays where it is"
            return
        moves = route.consumers != self.cluster
        self.refused = (
            self._renamed(file)
            or self.spans_routes(self.read_topics(), file)
            or (self._keeps_offsets() if moves else None)
        )
        if self.refused is not None:
            log.warning("cutover shim: %s", self.refused)
            return
        self.desired = route.consumers
        if self.desired == (self.cluster or "hold"):
            self.applied, self.error = file.generation, None
            if self.cluster is not None and self.state == "preparing":
                self.state = self.cluster if self.assigned or self.manual is not None else "joining"
        elif self.desired != "hold":
            self._preparation.start()

    def _renamed(self, file: CutoverFile) -> str | None:
        if (now := config.group_of(self.conf, file)) == self.group:
            return None
        return f"the cutover file changes group.id from {self.group!r} to {now!r}: restart the application for that"

    def _keeps_offsets(self) -> str | None:
        if self.own_start is None or self._own_offsets:
            return None
        return (
            f"the application starts {self.own_start}, an offset of its own, which is another record on the other "
            f"cluster: the group {self.group!r} stays: keep the clusters' offsets apart by cutover_cluster(), then set "
            "cutover.own.offsets=true"
        )

    def unrouted(self) -> tuple[str, list[str]]:
        """Return what is in no route: ("group", …), or ("topic", …) for topics that a routed group reads."""
        if self.file is None or self.group is None:
            return "group", []
        if self.name is None:
            return "group", [self.group]
        with contextlib.suppress(CutoverFileError):
            return "topic", [t for t in self.read_topics() if self.file.route_of_topic(t) is None]
        return "topic", []

    def _on_commit(self, error: Any, partitions: list[TopicPartition]) -> None:
        if error is None:
            self.offsets.confirmed(partitions)
        callback = self.conf.get("on_commit")
        if callback is not None:
            callback(error, partitions)

    # -- the change, on the application's thread ---------------------------------------------------------------------

    def advance(self) -> Any:
        """Make the change that is due, and return the client to read from or None."""
        if self.steady:
            return self.handle
        if not self._changing.acquire(blocking=False):
            return None  # another thread of the application makes the change
        try:
            if self.due:
                self._leave()
            elif self._hangs:
                self._replace_client()
            if self.cluster is None and self.desired == "hold":
                self._settle("held")
            elif self.cluster is None and self._preparation.is_ready():
                self._join()
            return self.handle
        finally:
            self._changing.release()

    def wait(self, timeout: float) -> None:
        """Wait for a change to become due, at most `timeout` seconds, if there is no client to read from."""
        with self.cond:
            if self.handle is None and timeout > 0 and not (self.cluster is None and self._preparation.is_ready()):
                self.cond.wait(timeout)

    def _settle(self, state: str) -> None:
        with self.cond:
            changed = self.state != state
            self.state = state
            if self.file is not None and self.desired == (self.cluster or "hold"):
                changed = changed or self.applied != self.file.generation
                self.applied, self.error = self.file.generation, self.offsets.flaw
        if changed:
            self.changed()

    def on_joined(self) -> None:
        """Report the cluster as reached."""
        if self.cluster is not None:
            self._settle(self.cluster)

    def on_leaving(self, partitions: list[TopicPartition]) -> None:
        """Commit what on_revoke has stored: it is part of the final offsets."""
        with contextlib.suppress(KafkaException):  # as the client when it closes
            self.offsets.commit_stored(self.handle, partitions, self.merged())

    def _leave(self) -> None:
        """Commit, attest and close, with the callbacks that the client's own close() calls."""
        handle, conf = self.handle, self.merged()
        with self.cond:
            self.state = "draining"
            mine = {(p.topic, p.partition) for p in handle.assignment()} | self.assigned
        self.changed()
        partitions = [TopicPartition(topic, number) for topic, number in sorted(mine)]
        failure = self.offsets.commit_before_leaving(handle, partitions, conf)
        if failure is not None:
            self.error = failure
            self.changed()
            return
        if self.manual is not None:
            handle.unassign()
        elif partitions:
            self._revoke(handle, partitions)
        self.offsets.commit_seeks(handle, partitions, conf)
        self.offsets.attest(handle, partitions)
        handle.close()
        with self.cond:
            self.handle, self.cluster, self.state = None, None, "held"
            self.assigned.clear()
            self.moved = True
            self.times.left(self.seen)
            if self.file is not None and self.name is not None:
                self._aim(self.file, self.name)  # the file may have changed its mind in the meantime
        self.changed()

    def _revoke(self, handle: Any, partitions: list[TopicPartition]) -> None:
        """Leave the group by unsubscribing, so that on_revoke can still commit and fetch offsets.

        Inside close() it could not. Paused partitions return no message while the callback is waited for.
        """
        with contextlib.suppress(KafkaException):
            handle.pause(partitions)
        handle.unsubscribe()
        deadline = time.monotonic() + REVOKE_S
        while self.assigned and time.monotonic() < deadline:
            handle.poll(CHUNK_S)

    def _join(self) -> None:
        with self.cond:
            cluster, self.handle = self._preparation.take()
            self.cluster = cluster.name
            self.times.reached(self.seen)
            self.offsets.forget()
            self.positions.forget()
            self.own_start = None
            self.state = "joining"
        if self.manual is not None:
            # Offsets of one cluster mean nothing on another: reading resumes where the group has committed there.
            partitions = [TopicPartition(p.topic, p.partition) for p in self.manual]
            self.note_start(self.handle, partitions)
            self.handle.assign(partitions)
            self.note_assigned(partitions)
        elif self.topics is not None:
            self.subscribe_again()
        else:
            self._settle(self.cluster)  # nothing is read, so that there is no assignment to wait for
        self.changed()

    # -- a join that hangs -------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Look for a join that hangs; called by the watching thread, `now` in seconds of `time.monotonic()`."""
        if self.group is None or self.file is None:
            return
        if self._joins is None:
            self._joins = JoinWatch(self.group)
        joining = self.state == "joining" and self.handle is not None and bool(self.topics)
        self._joins.tick(now, joining=joining, conf=self.merged, hangs=self._found_hanging)

    def _found_hanging(self) -> None:
        with self.cond:
            self._hangs = self.state == "joining" and not self.closing
        self.changed()

    def _replace_client(self) -> None:
        assert self.file is not None  # noqa: S101 - only a client with a file is replaced
        self._hangs = False
        if self.state != "joining" or self.cluster is None:
            return
        log.warning(
            "cutover shim: group %s is stable, and this consumer has waited to join for longer than its session "
            "timeout: its client is replaced",
            self.group,
        )
        stuck, self.handle = self.handle, self.clients.build(self.cluster, self.file)

        def close() -> None:
            with self.clients.own_thread():
                stuck.close()

        native.start_thread(close, "cutover-close")  # it may wait for the same answer for ever
        self.subscribe_again()
        self.changed()

    # -- the end -----------------------------------------------------------------------------------------------------

    def drop(self) -> None:
        """Release the client in use: the application has dropped its consumer, so that no callback runs any more."""
        with self.cond:
            self.closing = True
            self.callbacks = (None, None, None)
            self.handle, self.cluster, self.state = None, None, "held"
            self._preparation.take_unwanted()
            self.assigned.clear()
            self.cond.notify_all()

    def close(self) -> None:
        """Stop any change and close the client in use. Raises what a callback raises."""
        with self.cond:
            self.closing = True
            self.cond.notify_all()
        # A check of the next cluster that is under way ends by itself and closes its client.
        if self.handle is not None:
            self.handle.close()
        with self.cond:
            unwanted = self._preparation.take_unwanted()
            self.handle, self.cluster, self.state = None, None, "held"
            self.assigned.clear()
        if unwanted is not None:
            with self.clients.own_thread():
                unwanted.close()

    def report(self) -> dict[str, Any]:
        """Return this route's part of the status document."""
        assigned: dict[str, list[int]] = {}
        for topic, partition in sorted(self.assigned):
            assigned.setdefault(topic, []).append(partition)
        return {
            "generation": self.applied,
            "desired": self.desired,
            "state": self.state,
            "cluster": self.cluster,
            "in_flight": 0,
            "queued": 0,
            "acked": {},
            "committed": nested(self.offsets.committed),
            "assigned": assigned,
            "error": self.error,
            **self.times.report("delivered"),
        }
