"""The consumer's side of a route: one client at a time, and the machine that changes it.

    at A ──file says B──▶ B is connected and checked on a thread of its own; the application still reads A
         ──next poll()──▶ commit what the client would have committed, attest it, close A (leave the group)
         ──▶ subscribe on B with the same callbacks ──first assignment──▶ at B

`hold` stops after closing A. All of it but the check runs on the application's thread, inside its poll() or consume().
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.cimpl import Consumer as RawConsumer

from cutover_shim import config, prepare
from cutover_shim.cutover_file import CutoverFile, Where
from cutover_shim.status import nested

log = logging.getLogger("cutover_shim")

CHUNK_S = 0.05
RETRY_S = 0.5
ATTEST_S = 10.0
REVOKE_S = 10.0


class Membership:
    """A consumer's place in its group, on one cluster or none. `handle` is the client in use, None while held."""

    def __init__(self, shell: Any, settings: config.Settings) -> None:
        self.shell = shell
        self.conf = settings.conf
        group = settings.conf.get("group.id")
        self.group: str | None = None if group is None else str(group)
        self.route: str | None = None
        self.file: CutoverFile | None = None
        self.seen = -1
        self.refused: str | None = None
        self.handle: Any = None
        self.cluster: str | None = None
        self.state = "held"
        self.desired: Where = "hold"
        self.applied = -1
        self.error: str | None = None
        self.committed: dict[tuple[str, int], int] = {}
        self.assigned: set[tuple[str, int]] = set()
        self.paused: set[tuple[str, int]] = set()
        self.seeks: dict[tuple[str, int], int] = {}
        self.topics: list[str] | None = None  # the subscription; None where partitions are assigned by hand
        self.callbacks: tuple[Callable[..., Any] | None, ...] = (None, None, None)
        self.manual: list[TopicPartition] | None = None
        self.auto_commit = config.flag(settings.conf, "enable.auto.commit", default=True)
        self.cond = threading.Condition(threading.RLock())
        self._changing = threading.RLock()
        self._fresh: tuple[str, Any] | None = None
        self._driver: threading.Thread | None = None
        self._closing = False
        self._touched = False  # the application called assign() inside its on_assign

    # -- where it should be ------------------------------------------------------------------------------------------

    @property
    def due(self) -> bool:
        """Whether the application's thread has a change to make now."""
        return self.cluster is not None and self.desired != self.cluster and self._ready()

    @property
    def quiet(self) -> bool:
        """Whether nothing is to be done but reading."""
        return self.handle is not None and self.desired == self.cluster

    def _ready(self) -> bool:
        return self.desired == "hold" or (self._fresh is not None and self._fresh[0] == self.desired)

    def start(self, file: CutoverFile | None) -> None:
        """Go where the file says. Raises what the client's constructor raises."""
        if file is not None:
            self.file, self.seen = file, file.generation
            self.route = file.route_of_group(self.group) if self.group is not None else None
            self.desired = file.routes[self.route].consumers if self.route is not None else "source"
            self.applied = file.generation
        else:
            self.desired = "source"
        if self.desired == "hold":
            self._build("source").close()  # the application's mistakes in its configuration are to surface here
        else:
            self.handle = self._build(self.desired)
            self.cluster, self.state = self.desired, "joining"

    def _build(self, cluster: str) -> Any:
        from cutover_shim.producer import build_client  # noqa: PLC0415 - a cycle otherwise

        if self.file is None:
            return RawConsumer(self.conf)
        where = self.file.clusters[cluster]
        return build_client(RawConsumer, config.for_cluster(self.conf, where), where)

    def want(self, file: CutoverFile) -> None:
        """Take the newest version of the file."""
        with self.cond:
            if self._closing or file.generation < self.seen:
                return
            self.file, self.seen = file, file.generation
            if self.route is None:
                return
            route = file.routes.get(self.route)
            if route is None:
                self.error = f"the route {self.route!r} is no longer in the cutover file: staying where it is"
                self.shell._shim_changed()
                return
            self.refused = self._across(self.topics or [], file)
            if self.refused is not None:
                log.warning("cutover shim: %s", self.refused)
            else:
                self.desired = route.consumers
                if self.desired == (self.cluster or "hold"):
                    self.applied, self.error = file.generation, None
                    if self.cluster is not None and self.state == "preparing":
                        self.state = self._present_state()
                elif self.desired != "hold" and self._driver is None:
                    self._driver = threading.Thread(target=self._drive, name=f"cutover-group-{self.group}", daemon=True)
                    self._driver.start()
            self.cond.notify_all()
        self.shell._shim_changed()

    def _present_state(self) -> str:
        return (self.cluster or "held") if self.assigned or self.manual is not None else "joining"

    # -- the check of the new cluster, on its own thread -------------------------------------------------------------

    def _drive(self) -> None:
        while True:
            with self.cond:
                goal = self.desired
                done = goal in ("hold", self.cluster) or self._ready()
                if done or self._closing:
                    self._driver = None
                    spare = None if self._ready() and not self._closing else self._fresh
                    if spare is not None:
                        self._fresh = None
                    break
                if self.cluster is not None:
                    self.state = "preparing"
            self._try(goal)
        if spare is not None:
            spare[1].close()
        self.shell._shim_changed()
        with self.cond:
            self.cond.notify_all()

    def _try(self, goal: str) -> None:
        fresh = present = None
        try:
            fresh = self._build(goal)
            # Not the handle in use: every call on a consumer waits for the application's running poll().
            present = self._build(self.cluster) if self.cluster is not None else None
            used = [t for t in self.topics or [] if not t.startswith("^")]
            used += [p.topic for p in self.manual or []]
            route = self.file.routes.get(self.route) if self.file is not None and self.route is not None else None
            prepare.check(fresh, goal, used, () if route is None else route.topics, present)
            with self.cond:
                stale, self._fresh = self._fresh, (goal, fresh)
            if stale is not None:
                stale[1].close()
        except Exception as error:  # noqa: BLE001 - whatever a cluster or the client answers: stay, report, retry
            if fresh is not None:
                fresh.close()
            text = str(error)
            for cluster in self.file.clusters.values() if self.file is not None else ():
                text = cluster.redact(text)
            if text != self.error:
                log.warning("cutover shim: the group %s cannot go to %s yet, retrying: %s", self.group, goal, text)
            self.error = text
            self.shell._shim_changed()
            with self.cond:
                if self.desired == goal and not self._closing:
                    self.cond.wait(RETRY_S)
        finally:
            if present is not None:
                present.close()

    # -- the change, on the application's thread ---------------------------------------------------------------------

    def advance(self) -> Any:
        """Make the change that is due and return the client to read from, or None."""
        if self.quiet:
            return self.handle
        if not self._changing.acquire(blocking=False):
            return None  # another thread of the application is at it
        try:
            if self.due:
                self._leave()
            if self.cluster is None and self.desired == "hold":
                self._settle("held")
            elif self.cluster is None and self._ready():
                self._join()
            return self.handle
        finally:
            self._changing.release()

    def wait(self, timeout: float) -> None:
        """Wait for news, while there is nothing to read from."""
        with self.cond:
            if (
                self.handle is None
                and timeout > 0
                and not (self.cluster is None and self._ready() and self.desired != "hold")
            ):
                self.cond.wait(timeout)

    def _settle(self, state: str) -> None:
        with self.cond:
            changed = self.state != state
            self.state = state
            if self.file is not None and self.desired == (self.cluster or "hold"):
                changed = changed or self.applied != self.file.generation
                self.applied, self.error = self.file.generation, None
        if changed:
            self.shell._shim_changed()

    def _leave(self) -> None:
        """Commit, attest and close: what the client does at its close(), and the same callbacks."""
        handle = self.handle
        with self.cond:
            self.state = "draining"
            mine = {(p.topic, p.partition) for p in handle.assignment()} | self.assigned
        self.shell._shim_changed()
        partitions = [TopicPartition(topic, number) for topic, number in sorted(mine)]
        self._commit_due(partitions)
        if self.topics is not None and partitions:
            self._give_up(handle, partitions)
        self.attest(partitions)
        handle.close()
        with self.cond:
            self.handle, self.cluster, self.state = None, None, "held"
            self.assigned.clear()
        self.shell._shim_changed()

    def _give_up(self, handle: Any, partitions: list[TopicPartition]) -> None:
        """Leave the group by unsubscribing, so that on_revoke runs while the client can still commit and fetch offsets.

        Inside close() it could not. Paused partitions return no message while the callback is waited for.
        """
        with contextlib.suppress(KafkaException):
            handle.pause(partitions)
        handle.unsubscribe()
        deadline = time.monotonic() + REVOKE_S
        while self.assigned and time.monotonic() < deadline:
            handle.poll(CHUNK_S)

    def attest(self, partitions: list[TopicPartition]) -> None:
        """Record the committed offsets of these partitions, as the cluster in use has them."""
        if not partitions:
            return
        try:
            for found in self.handle.committed(partitions, timeout=ATTEST_S):
                if found.error is None and found.offset >= 0:
                    self.committed[found.topic, found.partition] = found.offset
        except (KafkaException, RuntimeError) as error:
            self.error = f"committed offsets could not be read: {error}"

    def _commit_due(self, partitions: list[TopicPartition]) -> None:
        """Commit what automatic commit would have: the stored offsets, and the positions that were sought since."""
        if not self.auto_commit or not partitions:
            return
        with contextlib.suppress(KafkaException):  # nothing stored: nothing due
            self.handle.commit(asynchronous=False)
        owned = {(p.topic, p.partition) for p in partitions}
        sought = [TopicPartition(t, n, o) for (t, n), o in self.seeks.items() if (t, n) in owned and o >= 0]
        still = [p for p in sought if self._position(p) in (p.offset, -1001)]
        if still:
            self.handle.commit(offsets=still, asynchronous=False)

    def _position(self, partition: TopicPartition) -> int:
        offset: int = self.handle.position([TopicPartition(partition.topic, partition.partition)])[0].offset
        return offset

    def _join(self) -> None:
        with self.cond:
            fresh, self._fresh = self._fresh, None
            assert fresh is not None  # noqa: S101 - `_ready` has just said so
            self.cluster, self.handle = fresh
            self.committed = {}
            self.state = "joining"
        if self.manual is not None:
            # Offsets of one cluster mean nothing on another: reading goes on where the group has committed there.
            self.handle.assign([TopicPartition(p.topic, p.partition) for p in self.manual])
            self._assigned(self.manual)
        elif self.topics is not None:
            self._subscribe()
        self.shell._shim_changed()

    # -- subscription ------------------------------------------------------------------------------------------------

    def _across(self, topics: list[str], file: CutoverFile) -> str | None:
        routes = {r: t for t in topics if (r := file.route_of_topic(t)) is not None}
        others = {r: t for r, t in routes.items() if r != self.route}
        if not others or (self.route is None and len(routes) == 1):
            return None
        told = ", ".join(f"{topic!r} is in the route {route}" for route, topic in sorted(routes.items()))
        own = f"is in the route {self.route}" if self.route is not None else "is in no route"
        return f"the group {self.group!r} {own}, but {told}: a group and the topics that it reads belong in one route"

    def subscribe(self, topics: list[str], *callbacks: Callable[..., Any] | None) -> None:
        """Subscribe on the cluster in use, or remember it for when there is one."""
        if not isinstance(topics, list):
            raise TypeError("expected list of topic unicode strings")
        if self.file is not None:
            why = self._across([t for t in topics if isinstance(t, str)], self.file)
            if why is not None:
                raise KafkaException(KafkaError(KafkaError._INVALID_ARG, why))
        before = self.topics, self.callbacks, self.manual
        self.topics, self.callbacks, self.manual = topics, callbacks, None
        try:
            if self.handle is not None:
                self._subscribe()
            elif not all(isinstance(t, str) for t in topics):
                raise TypeError("expected list of unicode strings")
        except BaseException:
            self.topics, self.callbacks, self.manual = before
            raise
        self.topics = list(topics)

    def _subscribe(self) -> None:
        for callback in self.callbacks:
            if callback is not None and not callable(callback):
                self.handle.subscribe(self.topics, callback)  # raises the client's own error
        self.handle.subscribe(self.topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def _on_assign(self, inner: Any, partitions: list[TopicPartition]) -> None:
        callback = self.callbacks[0]
        self._touched = False
        if callback is not None:
            callback(self.shell, partitions)
        paused = [p for p in partitions if (p.topic, p.partition) in self.paused]
        if paused:
            # The client would assign only after this callback, and might fetch before it can be paused.
            if not self._touched:
                (inner.incremental_assign if self._cooperative() else inner.assign)(partitions)
            inner.pause([TopicPartition(p.topic, p.partition) for p in paused])
        self._assigned(partitions)

    def _cooperative(self) -> bool:
        strategy = str(self._merged("partition.assignment.strategy", ""))
        return "cooperative" in strategy or str(self._merged("group.protocol", "classic")).lower() == "consumer"

    def _merged(self, name: str, default: Any) -> Any:
        if self.file is not None and self.cluster is not None:
            return self.file.clusters[self.cluster].properties.get(name, self.conf.get(name, default))
        return self.conf.get(name, default)

    def _assigned(self, partitions: list[TopicPartition]) -> None:
        with self.cond:
            self.assigned |= {(p.topic, p.partition) for p in partitions}
            joined = self.state == "joining" and self.cluster is not None
            self.seeks.clear()
        if joined and self.cluster is not None:
            self._settle(self.cluster)
        self.shell._shim_changed()

    def _on_revoke(self, _inner: Any, partitions: list[TopicPartition]) -> None:
        callback = self.callbacks[1]
        try:
            if callback is not None:
                callback(self.shell, partitions)
        finally:
            self._revoked(partitions)

    def _on_lost(self, _inner: Any, partitions: list[TopicPartition]) -> None:
        callback = self.callbacks[2] or self.callbacks[1]
        try:
            if callback is not None:
                callback(self.shell, partitions)
        finally:
            self._revoked(partitions)

    def _revoked(self, partitions: list[TopicPartition]) -> None:
        if self.state == "draining" and not self._closing:
            self._commit_due(partitions)  # what on_revoke has stored belongs to the final offsets
        with self.cond:
            self.assigned -= {(p.topic, p.partition) for p in partitions}
        self.shell._shim_changed()

    def unsubscribe(self) -> None:
        """End the subscription."""
        if self.handle is not None:
            self.handle.unsubscribe()
        self.topics, self.callbacks = None, (None, None, None)

    # -- assignment by hand, or from within a callback ---------------------------------------------------------------

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Assign; outside a subscription it is remembered for the next cluster."""
        self._touched = True
        if self.handle is not None:
            self.handle.assign(partitions)
        if self.topics is None:
            self.manual = list(partitions)
            self._assigned(self.manual)

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        """Add to the assignment."""
        self._touched = True
        if self.handle is not None:
            self.handle.incremental_assign(partitions)
        if self.topics is None:
            self.manual = [*(self.manual or []), *partitions]
            self._assigned(partitions)

    def unassign(self) -> None:
        """Remove the assignment."""
        if self.handle is not None:
            self.handle.unassign()
        if self.topics is None:
            self.manual = None
            self.assigned.clear()

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        """Take out of the assignment."""
        if self.handle is not None:
            self.handle.incremental_unassign(partitions)
        gone = {(p.topic, p.partition) for p in partitions}
        if self.topics is None:
            self.manual = [p for p in self.manual or [] if (p.topic, p.partition) not in gone]
            self.assigned -= gone

    def pause(self, partitions: list[TopicPartition]) -> None:
        """Pause, and remember it for the next cluster."""
        if self.handle is not None:
            self.handle.pause(partitions)
        self.paused |= {(p.topic, p.partition) for p in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        """Resume, and remember it for the next cluster."""
        if self.handle is not None:
            self.handle.resume(partitions)
        self.paused -= {(p.topic, p.partition) for p in partitions}

    def seek(self, partition: TopicPartition) -> None:
        """Seek on the cluster in use."""
        if self.handle is None:
            raise KafkaException(KafkaError(KafkaError._STATE, "Failed to seek: the route is held"))
        self.handle.seek(partition)
        self.seeks[partition.topic, partition.partition] = partition.offset

    # -- the end -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the client in use and stop changing."""
        with self.cond:
            self._closing = True
            self.cond.notify_all()
            driver = self._driver
        if self.handle is not None:
            if self.file is not None:
                mine = self.handle.assignment()
                self._commit_due(mine)
                self.attest([TopicPartition(p.topic, p.partition) for p in mine])
            self.handle.close()
        if driver is not None and driver is not threading.current_thread():
            driver.join()
        with self.cond:
            fresh, self._fresh = self._fresh, None
            self.handle, self.cluster, self.state = None, None, "held"
            self.assigned.clear()
        if fresh is not None:
            fresh[1].close()

    def report(self) -> dict[str, Any]:
        """Describe this membership for the status document."""
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
            "committed": nested(self.committed),
            "assigned": assigned,
            "error": self.error,
        }
