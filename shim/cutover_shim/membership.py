"""The consumer's side of a route: one client at a time, and the machine that changes it.

    at A, the file says B
    -> preparing: B is connected and checked on a thread of its own, the application still reads A
    -> draining:  commit what the client would have committed, attest it, leave the group, close A
    -> joining:   subscribed on B with the same callbacks
    -> at B:      with the first assignment

`hold` stops at held. All but the check runs on the application's thread, inside its own poll() or consume().
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.cimpl import Consumer as RawConsumer

from cutover_shim import codes, config, native, prepare
from cutover_shim.clients import build_client
from cutover_shim.cutover_file import Cluster, CutoverFile, CutoverFileError, Where
from cutover_shim.positions import starts_at_end
from cutover_shim.rejoin import JoinWatch
from cutover_shim.status import nested
from cutover_shim.subscription import Subscription

log = logging.getLogger("cutover_shim")

CHUNK_S = 0.05
RETRY_S = 0.5
ATTEST_S = 10.0
REVOKE_S = 10.0
COMMIT_S = 15.0
_CALLBACKS = frozenset({"error_cb", "stats_cb", "throttle_cb", "on_commit", "logger"})


class Membership(Subscription):
    """A consumer's place in its group, on one cluster or none. `handle` is the client in use, None while held."""

    def __init__(self, shell: Any, settings: config.Settings, changed: Callable[[], None]) -> None:
        super().__init__(shell, settings.conf, changed)
        self.seen = -1
        self.refused: str | None = None
        self.desired: Where = "hold"
        self.applied = -1
        self.error: str | None = None
        self.committed: dict[tuple[str, int], int] = {}
        self._changing = native.RLock()
        self._fresh: tuple[Cluster, Any] | None = None
        self._driving = False
        self._flaw: str | None = None  # what was wrong with the last leaving
        self._refused_since: float | None = None
        self._attested = False
        self.moved = False  # has left a cluster: messages of it may still be in the application's hands
        self._own_offsets = settings.own_offsets
        self._hangs = False  # its client waits to join a group that is stable without it
        self._joins: JoinWatch | None = None

    @property
    def auto_commit(self) -> bool:
        """Whether the client in use commits by itself."""
        return config.flag(self.merged(), "enable.auto.commit", default=True)

    # -- where it should be ------------------------------------------------------------------------------------------

    @property
    def due(self) -> bool:
        """Whether the application's thread has a change to make now."""
        return self.cluster is not None and self.desired != self.cluster and self._ready()

    @property
    def quiet(self) -> bool:
        """Whether nothing is to be done but reading."""
        return self.handle is not None and self.desired == self.cluster and not self._hangs

    def _ready(self) -> bool:
        if self.desired == "hold":
            return True
        return self._fresh is not None and self.file is not None and self._fresh[0] == self.file.clusters[self.desired]

    def start(self, file: CutoverFile | None) -> None:
        """Go where the file says. Raises what the client's constructor raises."""
        if file is not None:
            self.file, self.seen = file, file.generation
            self.group = config.group_of(self.conf, file)
            self.route = self._route_in(file)
            self.desired = file.routes[self.route].consumers if self.route is not None else "source"
            self.applied = file.generation
        else:
            self.desired = "source"
        if self.desired == "hold":
            self._build("source", file).close()  # the application's mistakes in its configuration are to surface here
        else:
            self.handle = self._build(self.desired, file)
            self.cluster, self.state = self.desired, "joining"

    def _route_in(self, file: CutoverFile) -> str | None:
        try:
            return file.route_of_group(self.group) if self.group is not None else None
        except CutoverFileError as error:
            log.warning("cutover shim: %s; until then it stays on source", error)
            return None

    def _build(self, cluster: str, file: CutoverFile | None) -> Any:
        if file is None:
            return RawConsumer(dict(self.conf))
        where = file.clusters[cluster]
        conf = config.for_cluster(self.conf, where)
        conf["on_commit"] = self._on_commit
        return build_client(RawConsumer, conf, where)

    def _look_from(self, cluster: str, file: CutoverFile) -> Any:
        """Construct a client that only asks, on a thread of ours: the application's callbacks do not run there."""
        conf = config.for_cluster(self.conf, file.clusters[cluster])
        quiet = {k: v for k, v in conf.items() if k not in _CALLBACKS}
        return build_client(RawConsumer, {**quiet, "log_level": 0}, file.clusters[cluster])

    def _on_commit(self, error: Any, partitions: list[TopicPartition]) -> None:
        if error is None and not self._attested:
            self.note_committed(partitions)
        callback = self.conf.get("on_commit")
        if callback is not None:
            callback(error, partitions)

    def note_committed(self, partitions: list[TopicPartition]) -> None:
        """Keep what the cluster in use has confirmed."""
        for found in partitions:
            if found.error is None and found.offset >= 0:
                self.committed[found.topic, found.partition] = found.offset

    def want(self, file: CutoverFile) -> None:
        """Take the newest version of the file."""
        spare = None
        with self.cond:
            if self._closing or file.generation < self.seen:
                return
            self.file, self.seen = file, file.generation
            self.route = self.route or self._route_in(file)
            if self.route is not None:
                self._go(file, self.route)
            if self._fresh is not None and (self.desired == "hold" or not self._ready()):
                spare, self._fresh = self._fresh, None
            self.cond.notify_all()
        if spare is not None:
            spare[1].close()
        self.changed()

    def _go(self, file: CutoverFile, name: str) -> None:
        route = file.routes.get(name)
        if route is None:
            self.error = f"the route {name!r} is no longer in the cutover file: staying where it is"
            return
        moves = route.consumers != self.cluster
        self.refused = (
            self._renamed(file) or self._across(self._read_topics(), file) or (self._keeps_offsets() if moves else None)
        )
        if self.refused is not None:
            log.warning("cutover shim: %s", self.refused)
            return
        self.desired = route.consumers
        if self.desired == (self.cluster or "hold"):
            self.applied, self.error = file.generation, None
            if self.cluster is not None and self.state == "preparing":
                self.state = self._present_state()
        elif self.desired != "hold" and not self._driving:
            self._driving = True
            native.start_thread(self._drive, f"cutover-group-{self.group}")

    def left_behind(self) -> tuple[str, list[str]]:
        """Name what is in no route: this group, or topics that it reads although it is in one itself."""
        if self.file is None or self.group is None:
            return "group", []
        if self.route is None:
            return "group", [self.group]
        with contextlib.suppress(CutoverFileError):
            return "topic", [t for t in self._read_topics() if self.file.route_of_topic(t) is None]
        return "topic", []

    def _renamed(self, file: CutoverFile) -> str | None:
        if (now := config.group_of(self.conf, file)) == self.group:
            return None
        return f"the cutover file changes group.id from {self.group!r} to {now!r}: restart the application for that"

    def _keeps_offsets(self) -> str | None:
        if self.brought is None or self._own_offsets:
            return None
        return (
            f"the application starts {self.brought}, an offset of its own, which is another record on the other "
            f"cluster: the group {self.group!r} stays; keep the clusters' offsets apart by cutover_cluster(), then set "
            "cutover.own.offsets=true"
        )

    def _present_state(self) -> str:
        return (self.cluster or "held") if self.assigned or self.manual is not None else "joining"

    # -- the check of the new cluster, on its own thread -------------------------------------------------------------

    def _drive(self) -> None:
        while True:
            with self.cond:
                goal = self.desired
                done = goal in ("hold", self.cluster) or self._ready()
                if done or self._closing:
                    self._driving = False
                    spare = None if self._ready() and not self._closing else self._fresh
                    if spare is not None:
                        self._fresh = None
                    break
                if self.cluster is not None:
                    self.state = "preparing"
                file = self.file
            if file is not None:
                self._try(goal, file)
        if spare is not None:
            spare[1].close()
        self.changed()
        with self.cond:
            self.cond.notify_all()

    def _try(self, goal: str, file: CutoverFile) -> None:
        fresh = present = None
        try:
            fresh = self._build(goal, file)
            # Not the handle in use: every call on a consumer waits for the application's running poll().
            present = self._look_from(self.cluster, file) if self.cluster is not None else None
            used = self._read_topics() + [p.topic for p in self.manual or []]
            route = file.routes.get(self.route) if self.route is not None else None
            conf = config.for_cluster(self.conf, file.clusters[goal])
            prepare.check(fresh, conf, goal, used, () if route is None else route.topics, present)
            with self.cond:
                stale, self._fresh = self._fresh, (file.clusters[goal], fresh)
            if stale is not None:
                stale[1].close()
        except Exception as error:  # noqa: BLE001 - whatever a cluster or the client answers: stay, report, retry
            if fresh is not None:
                fresh.close()
            text = str(error)
            for cluster in file.clusters.values():
                text = cluster.redact(text)
            if text != self.error:
                log.warning("cutover shim: the group %s cannot go to %s yet, retrying: %s", self.group, goal, text)
            self.error = text
            self.changed()
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
            elif self._hangs:
                self._join_anew()
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
                self.applied, self.error = self.file.generation, self._flaw
        if changed:
            self.changed()

    def on_joined(self) -> None:
        """Report the cluster as reached."""
        if self.cluster is not None:
            self._settle(self.cluster)

    def on_leaving(self, partitions: list[TopicPartition]) -> None:
        """Commit what on_revoke has stored: it belongs to the final offsets."""
        with contextlib.suppress(KafkaException):  # as at the client's own close
            self._commit_due(partitions)

    def _leave(self) -> None:
        """Commit, attest and close: what the client does at its close(), and the same callbacks."""
        handle = self.handle
        with self.cond:
            self.state = "draining"
            mine = {(p.topic, p.partition) for p in handle.assignment()} | self.assigned
        self.changed()
        partitions = [TopicPartition(topic, number) for topic, number in sorted(mine)]
        if not self._committed_before_leaving(partitions):
            return
        sought = [TopicPartition(t, n, o) for (t, n), o in self.seeks.items() if (t, n) in mine and o >= 0]
        if self.manual is not None:
            handle.unassign()
        elif partitions:
            self._give_up(handle, partitions)
        if sought and self.auto_commit:
            self._commit_sought(sought)
        self.attest(partitions)
        self._attested = True  # on_commit of an earlier commit may still be served at close
        handle.close()
        with self.cond:
            self.handle, self.cluster, self.state = None, None, "held"
            self.assigned.clear()
            self.moved = True
            if self.file is not None and self.route is not None:
                self._go(self.file, self.route)  # it may have changed its mind in between
        self.changed()

    def _committed_before_leaving(self, partitions: list[TopicPartition]) -> bool:
        """Commit what is due; a cluster that does not take it is given some time before it is left without."""
        try:
            self._commit_due(partitions)
            self._flaw = self._commit_starts(partitions)
        except KafkaException as error:
            first, self._refused_since = self._refused_since, self._refused_since or time.monotonic()
            if first is None or time.monotonic() - first < COMMIT_S:
                self.error = f"the final commit fails, retrying: {error}"
                self.changed()
                return False
            self._flaw = f"left without the final commit: {error}"
            log.warning("cutover shim: the group %s %s", self.group, self._flaw)
        self._refused_since = None
        return True

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
            self.note_committed(self.handle.committed(partitions, timeout=ATTEST_S))
        except (KafkaException, RuntimeError) as error:
            self._flaw = f"committed offsets could not be read: {error}"

    def _commit_due(self, partitions: list[TopicPartition]) -> None:
        """Commit what automatic commit would have: the stored offsets."""
        if not self.auto_commit or not partitions:
            return
        try:
            self.handle.commit(asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() != codes.NO_OFFSET:  # nothing stored: nothing due
                raise

    def _commit_starts(self, partitions: list[TopicPartition]) -> str | None:
        """Commit where reading began in partitions without a committed offset; return in words what is left of them.

        With automatic commit alone: otherwise nothing is committed that the application did not.
        """
        if not partitions or self.group is None or not starts_at_end(self.merged()):
            return None
        known, unknown = self.positions.uncommitted(self.handle.committed(partitions, timeout=ATTEST_S))
        if known and self.auto_commit:
            self.handle.commit(offsets=known, asynchronous=False)
            known = []
        if not (left := [*known, *unknown]):
            return None
        why = (
            f"no committed offset in {len(left)} of {len(partitions)} partitions ({left[0].topic} "
            f"[{left[0].partition}] first): with auto.offset.reset=latest what arrives there during the switch is "
            "skipped; commit a position there"
        )
        log.warning("cutover shim: the group %s has %s", self.group, why)
        return why

    def _commit_sought(self, sought: list[TopicPartition]) -> None:
        # Only now: while partitions are assigned the client commits what it has stored, which is from before the seek.
        try:
            self.handle.commit(offsets=sought, asynchronous=False)
        except KafkaException as error:
            self._flaw = f"sought positions could not be committed: {error}"

    def guard(self, message: Any, offsets: Any) -> None:
        """Refuse to commit offsets of a cluster that was left. Raises KafkaException (ILLEGAL_GENERATION).

        An offset beyond the position here cannot be of a message that was read here; the same number on the other
        cluster would skip messages.
        """
        if not self.moved or self.handle is None:
            return
        given = (
            [TopicPartition(message.topic(), message.partition(), message.offset() + 1)] if message else offsets or []
        )
        for each in given:
            here = self._position(each)
            if each.offset > here and (here >= 0 or message):
                raise codes.error(
                    codes.ILLEGAL_GENERATION,
                    f"offset {each.offset} of {each.topic} [{each.partition}] is of the cluster that was left",
                )

    def _position(self, partition: TopicPartition) -> int:
        offset: int = self.handle.position([TopicPartition(partition.topic, partition.partition)])[0].offset
        return offset

    def _join(self) -> None:
        with self.cond:
            fresh, self._fresh = self._fresh, None
            assert fresh is not None  # noqa: S101 - `_ready` has just said so
            self.cluster, self.handle = fresh[0].name, fresh[1]
            self.committed, self._flaw, self._attested = {}, None, False
            self.state = "joining"
            self.positions.forget()
            self.brought = None
        if self.manual is not None:
            # Offsets of one cluster mean nothing on another: reading goes on where the group has committed there.
            partitions = [TopicPartition(p.topic, p.partition) for p in self.manual]
            self._note_start(self.handle, partitions)
            self.handle.assign(partitions)
            self._assigned(partitions)
        elif self.topics is not None:
            self._subscribe()
        else:
            self._settle(self.cluster)  # it reads nothing, so there is no assignment to wait for
        self.changed()

    def tick(self, now: float) -> None:
        """Look after a join that hangs; called by the watching thread."""
        if self.group is None or self.file is None:
            return
        if self._joins is None:
            self._joins = JoinWatch(self.group)
        joining = self.state == "joining" and self.handle is not None and bool(self.topics)
        self._joins.tick(now, joining=joining, conf=self.merged, hangs=self._found_hanging)

    def _found_hanging(self) -> None:
        with self.cond:
            self._hangs = self.state == "joining" and not self._closing
        self.changed()

    def _join_anew(self) -> None:
        assert self.file is not None  # noqa: S101 - without a file nobody looks
        self._hangs = False
        if self.state != "joining" or self.cluster is None:
            return
        log.warning(
            "cutover shim: the group %s is stable, and this consumer has waited to join for longer than its session "
            "timeout: its client is made anew",
            self.group,
        )
        stuck, self.handle = self.handle, self._build(self.cluster, self.file)
        native.start_thread(stuck.close, "cutover-close")  # it may wait for the same answer for ever
        self._subscribe()
        self.changed()

    # -- the end -----------------------------------------------------------------------------------------------------

    def drop(self) -> None:
        """Let go of the client in use: the application has dropped its consumer, so no callback runs any more."""
        with self.cond:
            self._closing = True
            self.callbacks = (None, None, None)
            self.handle, self.cluster, self.state = None, None, "held"
            self._fresh = None
            self.assigned.clear()
            self.cond.notify_all()

    def close(self) -> None:
        """Close the client in use and stop changing."""
        with self.cond:
            self._closing = True
            self.cond.notify_all()
        # A check of another cluster that is under way ends by itself, and closes what it has opened.
        if self.handle is not None:
            self.handle.close()
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
