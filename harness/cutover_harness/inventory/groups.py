"""Consumer groups of a cluster: members, committed offsets and lag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from confluent_kafka import KafkaException

from cutover_harness.group_offsets import ask_committed, committed_in
from cutover_harness.inventory.calls import TIMEOUT_S, Calls
from cutover_harness.inventory.model import GroupEntry, GroupTopic, Member
from cutover_harness.inventory.writes import UNKNOWN, Offsets
from cutover_harness.types import PartitionId
from cutover_harness.words import counted

_SLICE = 100
GROUPS = "groups"
_REMEDY = "grant Describe on these groups"
Committed = dict[PartitionId, int]


def read_groups(calls: Calls) -> dict[str, GroupEntry]:
    """Return all groups that the cluster shows."""
    listed = calls.one(GROUPS, lambda: calls.client.list_consumer_groups(request_timeout=TIMEOUT_S))
    if listed is None:
        return {}
    for error in listed.errors or ():
        calls.failed(GROUPS, error)
    found = {
        each.group_id: GroupEntry(
            name=each.group_id,
            type=_word(getattr(each, "type", None), "classic"),
            state=_word(getattr(each, "state", None), "unknown"),
            simple=bool(each.is_simple_consumer_group),
        )
        for each in sorted(listed.valid or (), key=lambda each: each.group_id)
    }
    calls.tell(counted(len(found), "group"))
    return found


def describe_groups(calls: Calls, groups: dict[str, GroupEntry]) -> dict[str, Counter[str]]:
    """Fill in members; return how many partitions of each topic members of each group have."""
    assigned: dict[str, Counter[str]] = {}
    for names in calls.slices(groups, _SLICE, "members of groups", len(groups)):
        calls.wait(2 * len(names))  # the coordinator of each is looked up
        futures = calls.client.describe_consumer_groups(names, request_timeout=TIMEOUT_S)
        for name, found in calls.results("members of groups", futures, remedy=_REMEDY):
            group = groups[name]
            group.state, group.assignor = _word(found.state, group.state), found.partition_assignor or None
            group.members = [
                Member(
                    client_id=each.client_id,
                    host=each.host.removeprefix("/"),
                    instance_id=each.group_instance_id,
                    partitions=len(each.assignment.topic_partitions),
                )
                for each in found.members
            ]
            assigned[name] = Counter(each.topic for m in found.members for each in m.assignment.topic_partitions)
    return assigned


def read_committed(calls: Calls, groups: Iterable[str], doing: str) -> dict[str, Committed]:
    """Return each group's committed offsets; a group that cannot be read is left out."""
    names = list(groups)
    committed: dict[str, Committed] = {}
    for part in calls.slices(names, _SLICE, doing, len(names)):
        calls.wait(4 * len(part))  # the coordinator of each is looked up, twice
        futures = ask_committed(calls.client, part, TIMEOUT_S)
        for name in part:
            try:
                committed[name] = committed_in(futures, name, TIMEOUT_S)
            except KafkaException as error:
                calls.failed("committed offsets of groups", error, [name], _REMEDY)
    return committed


def fill_topics(
    groups: dict[str, GroupEntry], assigned: dict[str, Counter[str]], committed: dict[str, Committed], ends: Offsets
) -> None:
    """Fill in which topics each group reads, with its lag."""
    for name, group in groups.items():
        if name not in committed:
            continue
        topics = {topic: GroupTopic(topic=topic, assigned=count) for topic, count in assigned.get(name, {}).items()}
        for (topic, partition), offset in committed[name].items():
            entry = topics.setdefault(topic, GroupTopic(topic=topic))
            entry.committed += 1
            if (end := _end(ends, topic, partition)) != UNKNOWN:
                entry.lag = (entry.lag or 0) + max(0, end - offset)
        group.topics = [topics[topic] for topic in sorted(topics)]
        lags = [each.lag for each in group.topics if each.lag is not None]
        group.lag = sum(lags) if lags else None


def fill_moved(groups: dict[str, GroupEntry], before: dict[str, Committed], after: dict[str, Committed]) -> None:
    """Fill in whether a committed offset changed during the sample."""
    for name, group in groups.items():
        if name in before and name in after:
            group.commits_moved = before[name] != after[name]


def _end(ends: Offsets, topic: str, partition: int) -> int:
    known = ends.of.get(topic)
    return UNKNOWN if known is None or partition >= len(known) else known[partition]


def _word(value: object, otherwise: str) -> str:
    return str(getattr(value, "name", otherwise)).lower().replace("_", " ").replace("unknown", otherwise)
