"""Read-back of connectors from Connect: that they run where the run says, and whether they got further there."""

from __future__ import annotations

from confluent_kafka import KafkaException

from cutover_harness.conductor.findings import ReadBack
from cutover_harness.errors import UsageError
from cutover_harness.procedure.connectors import Connectors, MovedConnector, differing, judge_running
from cutover_harness.procedure.state import RouteState


def read_back_connectors(connectors: Connectors, state: RouteState) -> ReadBack:
    """Return whether each connector runs where its role is in `state`, by its Connect cluster."""
    found = ReadBack()
    for each in connectors.every:
        try:
            _connector(connectors, each, state, found)
        except (KafkaException, UsageError) as why:
            found.unknown.append(f"connector {each.name}: {' '.join(str(why).split())}")
    return found


def _connector(connectors: Connectors, connector: MovedConnector, state: RouteState, found: ReadBack) -> None:
    connect = connectors.connect
    place = state.consumers if connector.role == "consumer" else state.producers
    if place == "hold":
        found.unknown.append(f"connector {connector.name}: is stopped")
        return
    if (away := connect.elsewhere(connector, place)) is not None:
        found.wrong.append(f"connector {connector.name}: Connect {connector.cluster} {away}, not on {place}")
        return
    kept = connect.kept(connector)
    why, proof = judge_running(connector, connect.state(connector, place), kept.tasks, place)
    if why is not None:
        found.wrong.append(why)
        return
    if connector.role == "producer" and place == "target":
        # Connect stores an offset only after the cluster has acknowledged the records before it.
        further = differing(kept.offsets, connect.offsets(connector, place)) is not None
        proof += "; it has produced there" if further else "; it has stored no new offset there yet"
    found.proved.append(proof)
