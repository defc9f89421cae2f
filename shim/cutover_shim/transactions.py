"""Transactions of a producer whose cluster can change: it changes between two of them, never within one.

A transaction can be begun while the route is held: it begins on the cluster that the route is released to, before the
messages that were queued for it. Committing it waits for the release, as for a coordinator that does not answer.
Timeouts are in seconds, negative for none. What the client raises is raised here too.
"""

from __future__ import annotations

import time
from typing import Any

from cutover_shim import codes
from cutover_shim.cutover_file import CutoverFile
from cutover_shim.producer_route import ProducerRoute
from cutover_shim.producer_switch import CHUNK_S

BIND_S = 60.0


def init(route: ProducerRoute, timeout: float) -> None:
    """Initialise transactions now, or at the release if the route is held."""
    with route.cond:
        route.cond.wait_for(lambda: not route.draining or route.closing)
        handle = route.client
        if handle is None:
            route.initialised = True
            return
    handle.init_transactions(timeout)
    with route.cond:
        route.initialised = True


def begin(route: ProducerRoute, *, bound: bool) -> None:
    """Begin on the cluster in use, if the route is known (`bound`); otherwise with the first message.

    Raises KafkaException (_STATE) before init() or within a transaction.
    """
    with route.cond:
        handle = route.client
        if handle is not None and not route.draining and bound and not route.pending:
            handle.begin_transaction()
            route.in_transaction = True
            return
        if not route.initialised:
            raise codes.error(codes.STATE, "Operation not valid in state Init")
        if route.pending or route.in_transaction:
            raise codes.error(codes.STATE, "Operation not valid in state InTransaction")
        route.pending = True
        if handle is not None and route.draining:
            # The change that waited for the last transaction goes first: this one begins on the next cluster.
            route.begin_hold()


def bind(route: ProducerRoute, name: str, file: CutoverFile) -> None:
    """Give the route its name, by the first topic that is produced to, and wait until it is where the file wants it.

    Raises KafkaException (_TIMED_OUT, retriable) if it is not there in BIND_S seconds.
    """
    with route.cond:
        route.name = name
        route.follow(file)
        if not route.cond.wait_for(lambda: route.settled or route.closing, BIND_S):
            raise codes.error(codes.TIMED_OUT, f"route {name}: not at {route.desired} yet", retriable=True)
    begin_pending(route)


def begin_pending(route: ProducerRoute) -> None:
    """Begin the transaction that was begun while there was no cluster for it, if there is one now."""
    with route.cond:
        handle = route.client
        if route.pending and handle is not None and not route.draining:
            handle.begin_transaction()
            route.pending, route.in_transaction = False, True


def _ready(route: ProducerRoute, timeout: float) -> Any:
    """Return the client of the transaction that was begun; wait until it has one.

    Raises KafkaException (_TIMED_OUT, retriable) if it has none in time, RuntimeError if the producer is closed.
    """
    deadline = None if timeout < 0 else time.monotonic() + timeout
    with route.cond:
        while True:
            begin_pending(route)
            handle = route.client
            if handle is not None and not route.pending:
                return handle
            if route.closing:
                raise RuntimeError("Producer has been closed")
            if deadline is not None and time.monotonic() >= deadline:
                raise codes.error(codes.TIMED_OUT, "the route is held", retriable=True)
            route.cond.wait(CHUNK_S if deadline is None else min(CHUNK_S, max(0.0, deadline - time.monotonic())))


def send_offsets(route: ProducerRoute, positions: Any, metadata: Any, timeout: float) -> None:
    """Add consumed offsets to the transaction. Raises as `_ready`."""
    _ready(route, timeout).send_offsets_to_transaction(positions, metadata, timeout)


def commit(route: ProducerRoute, timeout: float) -> None:
    """Commit, and let a change of cluster that waited for it continue. Raises as `_ready`."""
    _ready(route, timeout).commit_transaction(timeout)
    _end(route)


def abort(route: ProducerRoute, timeout: float) -> None:
    """Abort; held messages are reported as purged. Raises KafkaException (_STATE) if there is no transaction."""
    with route.cond:
        handle = route.client
        if route.pending:
            route.purge()
            route.pending = False
            return
    if handle is None:
        raise codes.error(codes.STATE, "Operation not valid in state Ready")
    handle.abort_transaction(timeout)
    _end(route)


def _end(route: ProducerRoute) -> None:
    with route.cond:
        route.in_transaction = False
        route.cond.notify_all()


def abandon(route: ProducerRoute) -> None:
    """Drop a transaction that waits for its release, and purge its messages: the producer closes."""
    with route.cond:
        if route.pending:
            route.purge()
            route.pending = False
