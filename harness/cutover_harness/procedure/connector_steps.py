"""Gates and actions of a step that moves clients, for the connectors among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from cutover_harness.procedure.connectors import (
    Connectors,
    MovedConnector,
    leaves,
    prepared,
    running,
    stopped,
    works_on,
)
from cutover_harness.procedure.context import Action, StepContext
from cutover_harness.procedure.gates import Gate
from cutover_harness.procedure.state import Moved, RouteState, role_of
from cutover_harness.types import ClusterName


def stop(context: StepContext, who: Moved) -> Iterator[Gate | Action]:
    """Stop the connectors of a step that holds clients, and keep their offsets."""
    connectors = context.connectors
    if connectors is not None and (mine := connectors.of(role_of(who))):
        yield from _stop(connectors, mine)


def clear(context: StepContext, who: Moved, place: ClusterName) -> Iterator[Gate | Action]:
    """Stop all connectors of the Connect clusters that are about to be pointed to `place`."""
    connectors = context.connectors
    if connectors is None or not (mine := connectors.of(role_of(who))):
        return
    # Those of the other role, too: a Connect cluster without their configurations would drop them at any record.
    yield from _stop(connectors, [*mine, *connectors.moving_along(role_of(who))], place)


def start(context: StepContext, who: Moved, place: ClusterName, after: RouteState) -> Iterator[Gate | Action]:
    """Start connectors on `place` once their Connect clusters work there. after: the state after the step."""
    connectors = context.connectors
    if connectors is None or not (mine := connectors.of(role_of(who))):
        return
    connect = connectors.connect
    other: Moved = "producers" if who == "consumers" else "consumers"
    if after.location(other) == place:  # they were stopped only because they share a Connect cluster
        mine += connectors.moving_along(role_of(who))
    # What was produced on the target is copied back by the reverse mirror alone; otherwise it is produced again.
    carried = place == "target" or context.state.reverse
    yield works_on(connect, mine, place)
    yield _each("connectors created", mine, lambda each: connect.prepare(each, place, carried=carried))
    yield prepared(connect, mine, place, carried=carried)
    yield _each("connectors resumed", mine, lambda each: connect.resume(each, place))
    yield running(connect, mine, place)


def _stop(
    connectors: Connectors, which: Sequence[MovedConnector], place: ClusterName | None = None
) -> Iterator[Gate | Action]:
    connect = connectors.connect

    def if_it_leaves(do: Callable[[MovedConnector], None], each: MovedConnector) -> None:
        if leaves(connect, each, place):
            do(each)

    yield _each("connectors told to stop", which, partial(if_it_leaves, connect.stop))
    yield stopped(connect, which, place)
    yield _each("offsets of connectors kept", which, partial(if_it_leaves, connect.keep))


def _each(name: str, which: Sequence[MovedConnector], do: Callable[[MovedConnector], object]) -> Action:
    def do_all() -> None:
        for each in which:
            do(each)

    return Action(name, do_all)
