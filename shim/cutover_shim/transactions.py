"""Transactions of a producer whose cluster can change: it changes between two of them, never within one.

While a lane is held a transaction can be begun: it begins on the cluster that the lane is released on, before the
messages that were queued for it. Committing it waits for that, as it would wait for a coordinator that does not answer.
"""

from __future__ import annotations

import time
from typing import Any

from cutover_shim import codes
from cutover_shim.cutover_file import CutoverFile
from cutover_shim.lane import CHUNK_S, Lane

BIND_S = 60.0


def init(lane: Lane, timeout: float) -> None:
    """Initialise now, or on release if the lane is held."""
    with lane.cond:
        lane.cond.wait_for(lambda: not lane.gating or lane.closing)
        handle = lane.steady
        if handle is None:
            lane.initialised = True
            return
    handle.init_transactions(timeout)
    with lane.cond:
        lane.initialised = True


def begin(lane: Lane, *, bound: bool) -> None:
    """Begin on the cluster in use; `bound` False: not before the first message has told which route it is."""
    with lane.cond:
        handle = lane.steady
        if handle is not None and not lane.gating and bound and not lane.pending:
            handle.begin_transaction()
            lane.in_transaction = True
            return
        if not lane.initialised:
            raise codes.error(codes.STATE, "Operation not valid in state Init")
        if lane.pending or lane.in_transaction:
            raise codes.error(codes.STATE, "Operation not valid in state InTransaction")
        lane.pending = True
        if handle is not None and lane.gating:
            # The change that waited for the last transaction goes first: this one's messages are for where it leads.
            lane.lower_gate()


def bind(lane: Lane, route: str, file: CutoverFile) -> None:
    """Give the lane its route by the first topic that is produced to, and go where that route is."""
    with lane.cond:
        lane.route = route
        lane.want(file)
        if not lane.cond.wait_for(lambda: lane.settled or lane.closing, BIND_S):
            raise codes.error(codes.TIMED_OUT, f"the route {route} is not at {lane.desired} yet", retriable=True)
    begin_pending(lane)


def begin_pending(lane: Lane) -> None:
    """Begin what was begun while there was nothing to begin it on, if there is now."""
    with lane.cond:
        handle = lane.steady
        if lane.pending and handle is not None and not lane.gating:
            handle.begin_transaction()
            lane.pending, lane.in_transaction = False, True


def _ready(lane: Lane, timeout: float) -> Any:
    """Wait until the begun transaction is on a cluster."""
    deadline = None if timeout < 0 else time.monotonic() + timeout
    with lane.cond:
        while True:
            begin_pending(lane)
            handle = lane.steady
            if handle is not None and not lane.pending:
                return handle
            if lane.closing:
                raise RuntimeError("Producer has been closed")
            if deadline is not None and time.monotonic() >= deadline:
                raise codes.error(codes.TIMED_OUT, "the route is held", retriable=True)
            lane.cond.wait(CHUNK_S if deadline is None else min(CHUNK_S, max(0.0, deadline - time.monotonic())))


def send_offsets(lane: Lane, positions: Any, metadata: Any, timeout: float) -> None:
    """Make offsets part of the transaction."""
    _ready(lane, timeout).send_offsets_to_transaction(positions, metadata, timeout)


def commit(lane: Lane, timeout: float) -> None:
    """Commit; a change of cluster that waited for it can go on."""
    _ready(lane, timeout).commit_transaction(timeout)
    _end(lane)


def abort(lane: Lane, timeout: float) -> None:
    """Abort; messages that are held are reported as purged."""
    with lane.cond:
        handle = lane.steady
        if lane.pending:
            lane.purge()
            lane.pending = False
            return
    if handle is None:
        raise codes.error(codes.STATE, "Operation not valid in state Ready")
    handle.abort_transaction(timeout)
    _end(lane)


def _end(lane: Lane) -> None:
    with lane.cond:
        lane.in_transaction = False
        lane.cond.notify_all()


def give_up(lane: Lane) -> None:
    """Abort what is not committed: the producer closes."""
    with lane.cond:
        if lane.pending:
            lane.purge()
            lane.pending = False
