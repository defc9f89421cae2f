"""Who writes topics: producer ids that the brokers remember, and clients of the shim by their statuses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cutover_harness.conductor.statuses import open_statuses, parsed
from cutover_harness.errors import UsageError
from cutover_harness.inventory.broker_calls import BrokerCallError, BrokerCalls, ProducerState
from cutover_harness.inventory.calls import Calls
from cutover_harness.inventory.completeness import Gaps
from cutover_harness.inventory.model import ActiveProducer, ShimClient, TopicEntry
from cutover_harness.inventory.topics import Layout
from cutover_harness.inventory.writes import moment
from cutover_harness.types import ClusterName, PartitionId

_SLICE = 500
PRODUCERS = "producers of topics"
STATUSES = "statuses of clients"
_READ = "grant Read on these topics"


def read_producers(calls: Calls, brokers: BrokerCalls, layout: Layout, topics: dict[str, TopicEntry]) -> None:
    """Fill in the producers that wrote to each topic recently, with their transactional ids if they can be read."""
    found: dict[str, dict[int, list[ProducerState]]] = defaultdict(dict)
    by_leader: dict[int, list[PartitionId]] = defaultdict(list)
    for topic, leaders in layout.leaders.items():
        for partition, leader in enumerate(leaders):
            if leader >= 0 and not topics[topic].internal:
                by_leader[leader].append((topic, partition))
    wanted = [(leader, partition) for leader, partitions in by_leader.items() for partition in partitions]
    for part in calls.slices(wanted, _SLICE, PRODUCERS, len(wanted)):
        for leader in sorted({leader for leader, _ in part}):
            _ask(calls, brokers, leader, [partition for other, partition in part if other == leader], found)
    names = _transactional_ids(calls, brokers, layout) if any(found.values()) else {}
    for name, entry in topics.items():
        if name in found:
            entry.producers = _producers(found[name], names)
            entry.transactional = any(each.transactional for each in entry.producers)


def _ask(
    calls: Calls,
    brokers: BrokerCalls,
    leader: int,
    partitions: Sequence[PartitionId],
    found: dict[str, dict[int, list[ProducerState]]],
) -> None:
    calls.wait()
    try:
        states, errors = brokers.producers(leader, partitions)
    except BrokerCallError as why:
        states, errors = {}, dict.fromkeys(partitions, why)
    for (topic, partition), producers in states.items():
        found[topic][partition] = producers
    for (topic, _), error in errors.items():
        remedy = _READ if error.kind == "forbidden" else ""
        calls.gaps.add(PRODUCERS, error.kind, str(error), cluster=calls.cluster, names=[topic], remedy=remedy)


def _transactional_ids(calls: Calls, brokers: BrokerCalls, layout: Layout) -> dict[int, str]:
    """Return transactional ids by producer id. A broker leaves out those that the principal cannot describe."""
    found: dict[int, str] = {}
    for broker in layout.brokers:
        calls.wait()
        try:
            found |= brokers.transactional_ids(broker)
        except BrokerCallError as why:
            calls.gaps.add("transactional ids", why.kind, str(why), cluster=calls.cluster, names=[f"broker {broker}"])
    return found


def _producers(partitions: dict[int, list[ProducerState]], names: dict[int, str]) -> list[ActiveProducer]:
    found: dict[int, ActiveProducer] = {}
    for partition, states in sorted(partitions.items()):
        for state in states:
            entry = found.setdefault(state.id, ActiveProducer(id=state.id, epoch=state.epoch, partitions=[]))
            entry.partitions.append(partition)
            entry.epoch = max(entry.epoch, state.epoch)
            entry.transactional_id = names.get(state.id)
            entry.transactional |= state.coordinator >= 0 or entry.transactional_id is not None
            times = [time for time in (entry.last_write, moment(state.last_ms)) if time is not None]
            entry.last_write = max(times, default=None)
    return [found[number] for number in sorted(found)]


def read_clients(place: Path | str, source: Mapping[str, str], gaps: Gaps) -> list[ShimClient]:
    """Return the clients of the shim whose statuses are in a folder, or in a topic `kafka:TOPIC` of the source.

    Raises UsageError if the folder cannot be read.
    """
    if isinstance(place, Path):
        _check_folder(place, gaps)
    reader = open_statuses(place, source)
    try:
        statuses = reader.read()
        if reader.problem is not None:
            gaps.add(STATUSES, "failed", reader.problem, names=[reader.name])
    finally:
        reader.close()
    found = []
    for instance, status in sorted(statuses.items()):
        try:
            found.append(client_of(status))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            gaps.add(STATUSES, "failed", "not the status of a client", names=[instance])
    return found


def _check_folder(folder: Path, gaps: Gaps) -> None:
    """Add files that are no status as a gap. Raises UsageError if the folder cannot be read."""
    try:
        for file in folder.iterdir():
            if file.suffix == ".json" and file.is_file() and parsed(file.read_bytes()) is None:
                gaps.add(STATUSES, "failed", "not the status of a client", names=[file.name])
    except OSError as why:
        raise UsageError(f"--statuses {folder}: cannot be read: {why.strerror}") from None


def client_of(status: Mapping[str, Any]) -> ShimClient:
    """Return the client of one status document. Raises ValueError, KeyError, TypeError or AttributeError."""
    producer = status["role"] == "producer"
    parts = ("acked",) if producer else ("committed", "assigned")
    topics: set[str] = set()
    topics_on: dict[ClusterName, set[str]] = {}
    for route in status.get("routes", {}).values():
        used = {topic for part in parts for topic in route.get(part) or {}}
        topics |= used
        if used and (cluster := _cluster_of(route, closed=bool(status.get("closed")))) is not None:
            topics_on.setdefault(cluster, set()).update(used)
    return ShimClient(
        instance=status["instance"],
        app=status.get("app"),
        client_id=status.get("client_id"),
        host=status.get("host"),
        role=status["role"],
        group=status.get("group"),
        channel=(status.get("seen") or {}).get("channel"),
        topics=sorted(topics),
        topics_on={name: sorted(topics_on[name]) for name in sorted(topics_on)},
        updated=datetime.fromtimestamp(float(status["updated"]), UTC),
        ended=bool(status.get("closed")),
    )


def _cluster_of(route: Mapping[str, Any], *, closed: bool) -> ClusterName | None:
    """Return the cluster that a route of a status is on; of an ended client, which is on none, the one it wanted."""
    named = route.get("cluster") or (route.get("desired") if closed else None)
    return "source" if named == "source" else "target" if named == "target" else None
