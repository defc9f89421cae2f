"""Taking, renewing and ending the lease of a fleet's documents, in all places that keep it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cutover_harness.channels.lease_file import LeaseFile, lease_file_of
from cutover_harness.channels.lease_topic import LeaseTopic
from cutover_harness.channels.leases import Holder, Lease, LeaseStore, moment, refusal
from cutover_harness.channels.names import TopicName, parse_channels
from cutover_harness.channels.opening import clusters_in, keys_of
from cutover_harness.conductor.config import ConductorConfig, run_folder
from cutover_harness.conductor.holders import is_gone, is_same_run
from cutover_harness.errors import LeaseLostError, UsageError
from cutover_harness.periodic import Periodic
from cutover_harness.waits import wait_until

FILE = "lease.json"
"""The lease in the folder of a run."""
_RENEWALS = 3
"""How often a lease is renewed while it lasts."""
_WATCH_POLL_S = 0.2


def stores_of(config: ConductorConfig) -> list[LeaseStore]:
    """Return the places that keep the lease, the one that decides first; they have to be closed. Raises UsageError.

    That is the control topic on the source, or on the target if only that has one, so that operators on any machine
    find it; without a control topic, a file next to the cutover file. The run's folder has a copy.
    """
    stores: list[LeaseStore] = []
    topics = [name for name in parse_channels(config.channels) if isinstance(name, TopicName)]
    if topics:
        name = min(topics, key=lambda each: (each.cluster != "source", each.topic))
        clusters = config.own or clusters_in(config.peek(file_only=True).document(0))
        cluster = clusters[name.cluster or "source"]
        properties = {key: str(value) for key, value in cluster.properties.items()}
        stores.append(LeaseTopic(name, properties, keys=keys_of(config.key), redact=cluster.redact))
    if config.external:
        stores.append(LeaseFile(lease_file_of(config.cutover_file)))
    stores.append(LeaseFile(folder_of(config) / FILE))
    return stores


def folder_of(config: ConductorConfig) -> Path:
    """Return the folder of the run."""
    return run_folder(config.journal.parent)


@dataclass
class Hold:
    """The lease `id` in these stores, as one process keeps it. Several threads may use it.

    known: until when each store has it, as read or written last.
    """

    stores: Sequence[LeaseStore]
    id: str
    known: dict[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _mine: dict[str, Lease] = field(default_factory=dict, init=False)

    def check(self) -> None:
        """Return if the lease is still this one; renew it when half of its time is over.

        Raises LeaseLostError. If a store cannot be read, what was read last counts until it expires; UsageError then.
        """
        self._look(lambda left_s, lasts_s: left_s < lasts_s / 2)

    def renew(self) -> None:
        """Renew the lease. Raises LeaseLostError, and UsageError if a store does not take it now."""
        self._look(lambda *_: True)

    def end(self) -> None:
        """Note in all stores that the lease has ended, as far as they can be written and still have it."""
        with self._lock:
            for store in self.stores:
                with suppress(UsageError):
                    current = store.read()
                    if current is not None and current.id == self.id and not current.ended:
                        store.offer(current.end(self.clock()))

    def close(self) -> None:
        """Close the stores."""
        for store in self.stores:
            store.close()

    def _look(self, due: Callable[[float, float], bool]) -> None:
        with self._lock:
            for store in self.stores:
                try:
                    self._look_at(store, due)
                except LeaseLostError:
                    raise
                except UsageError:
                    if self.clock() >= self.known.get(store.name, 0.0):
                        raise

    def _look_at(self, store: LeaseStore, due: Callable[[float, float], bool]) -> None:
        current = store.read()
        last = self._mine.get(store.name)
        if current is None and last is not None and self.clock() < last.until:
            current = store.offer(last.renewed(self.clock()))  # the file or the topic was deleted
        self._refuse_other(store, current)
        assert current is not None  # noqa: S101 - otherwise it was refused
        if due(current.until - self.clock(), current.lasts_s):
            current = store.offer(current.renewed(self.clock()))
            self._refuse_other(store, current)
            assert current is not None  # noqa: S101
        self._mine[store.name], self.known[store.name] = current, current.until

    def _refuse_other(self, store: LeaseStore, current: Lease | None) -> None:
        if current is None:
            raise LeaseLostError(f"{store.name}: the lease of this run is not there any more: nothing was written now")
        if current.id != self.id or current.ended:
            has = current.words if current.id != self.id else f"the lease ended at {moment(current.until)}"
            raise LeaseLostError(
                f"{store.name}: {has}: this run was taken over, has stopped, and has written nothing since: look at "
                f"that run before you repeat the command"
            )


@dataclass(frozen=True)
class Taken:
    """The lease was taken. replaced: the one that it took the place of and that had not ended, None if none had."""

    hold: Hold
    replaced: Lease | None


def refuse_held(stores: Sequence[LeaseStore], me: Holder, now: float, *, take_over: bool) -> dict[str, Lease | None]:
    """Return the lease in force in each store. Raises UsageError, in one line, if one cannot be taken."""
    found = {store.name: store.read() for store in stores}
    for name, current in found.items():
        gone = current is not None and is_gone(current.holder)
        same = current is not None and is_same_run(current.holder, Path(me.folder))
        if (why := refusal(current, now, take_over=take_over, gone=gone, same_run=same)) is not None:
            raise UsageError(f"{name}: {why}")
    return found


def take(
    stores: Sequence[LeaseStore],
    me: Holder,
    lasts_s: float,
    *,
    take_over: bool,
    clock: Callable[[], float] = time.time,
    watching: Callable[[float], None] = lambda _: None,
) -> Taken:
    """Take the lease in all stores. Raises UsageError if somebody else has it, or was faster; nothing is held then.

    watching: is called with the seconds for which a lease that has expired is watched first: by its holder's clock,
    which may be late, it has not. After as long as a lease lasts it has expired by every clock. The same for one of a
    holder whose clock is ahead, and for one that may be hidden: a renewal would show it.
    """
    found = refuse_held(stores, me, clock(), take_over=take_over)
    left = [each for each in found.values() if each is not None and not each.ended]
    expired = [each for each in left if not (is_gone(each.holder) and is_same_run(each.holder, Path(me.folder)))]
    watched_s = [each.lasts_s for each in expired] + [lasts_s for store in stores if store.hidden]
    if watched_s:
        _watch(stores, found, max(watched_s), watching)
    hold, now = Hold(stores, secrets.token_hex(8), clock=clock), clock()
    try:
        for store in stores:
            there = found[store.name]
            mine = Lease(hold.id, 1, me, now, now + lasts_s, lasts_s, None if there is None else there.version)
            _offer(store, mine)
    except BaseException:  # also if a store cannot be written: the others must not keep it
        hold.end()
        raise
    return Taken(hold, left[0] if left else None)


def _offer(store: LeaseStore, mine: Lease) -> None:
    """Write a lease. Raises UsageError unless it is in force then."""
    current = store.offer(mine)
    if current is None or current.id != mine.id:
        words = "the lease could not be written" if current is None else current.words
        raise UsageError(f"{store.name}: {words}: it was faster than this command, which has changed nothing")


def _watch(
    stores: Sequence[LeaseStore], found: Mapping[str, Lease | None], seconds: float, watching: Callable[[float], None]
) -> None:
    """Raise UsageError if a lease that has expired by this machine's clock is renewed nevertheless."""
    watching(seconds)

    def changed() -> list[str]:
        now = {store.name: store.read() for store in stores}
        return [name for name, lease in now.items() if lease != found[name]]

    if names := wait_until(changed, seconds, backoff_s=_WATCH_POLL_S):
        raise UsageError(
            f"{names[0]}: the lease was renewed while it was watched, although it has expired by the clock of this "
            f"machine, or could not be read: compare the clocks; that run has not ended"
        )


class Renewal(Periodic):
    """Renews a lease in the background. lost: why it is lost, None if it is not."""

    def __init__(self, hold: Hold, lasts_s: float) -> None:
        super().__init__(self._renew, lasts_s / _RENEWALS, "lease")
        self._hold = hold
        self.lost: LeaseLostError | None = None

    def _renew(self) -> None:
        try:
            self._hold.renew()
        except LeaseLostError as why:
            self.lost = why
        except UsageError:
            return  # again soon; whoever writes looks itself
