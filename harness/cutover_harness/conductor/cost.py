"""What going back to the source costs from where a run stands. Pure functions; the words are those of the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.protocols import TopicPartitionKey
from cutover_harness.conductor.statuses import ClientStatus
from cutover_harness.plan.path import Act, Place, RouteState, destination, moves

STAGES = {
    0: "nothing is moved",
    1: "task created",
    2: "synchronising",
    3: "source consumers stopped",
    4: "consumers on target",
    5: "source producers stopped",
    6: "producers on target",
    7: "task deleted",
}


@dataclass(frozen=True)
class Now:
    """What clusters and clients say now.

    `unread`: by group, the records between its last commit on the source and the end of the log there. `native`: the
    records that were written to the target since producers were about to move there; None if nobody noted its ends.
    `queued`: messages that wait in held producers.
    """

    unread: Mapping[str, int]
    native: int | None
    queued: int


def cost(state: RouteState, now: Now) -> list[str]:
    """Return, in words, what it costs to bring everything back to the source."""
    if state.consumers == state.producers == "source" and not state.overlap:
        return ["nothing: applications are on the source and stay there"]
    lines = []
    if state.consumers == "hold":
        lines.append("consumption is paused until consumers are back on the source, and is delayed by that")
    elif state.consumers == "target" or state.overlap:
        lines += [
            f"what group {group} has consumed on the target is consumed again on the source: at most {count:,} records"
            for group, count in sorted(now.unread.items())
        ]
    if state.producers == "hold":
        lines.append(f"production is paused until producers are back on the source; {now.queued:,} messages wait")
    elif state.producers == "target":
        lines.append("production pauses while producers move back")
        lines.append(_native(state, now.native))
    return lines


def _native(state: RouteState, count: int | None) -> str:
    number = "an unknown number of" if count is None else f"about {count:,}"
    if state.reverse:
        return f"{number} records that were produced on the target are copied to the source first, which takes time"
    return (
        f"{number} records that were produced on the target are not on the source, and the application must deal with "
        f"them"
    )


def unread(committed: Mapping[TopicPartitionKey, int], ends: Mapping[TopicPartitionKey, int]) -> int:
    """Return how many records a group reads from its commits to the ends; partitions without a commit do not count."""
    return sum(max(0, ends[partition] - at) for partition, at in committed.items() if partition in ends)


def native(entries: Iterable[Entry], ends: Mapping[TopicPartitionKey, int]) -> int | None:
    """Return how many records the target got since producers were about to move there, None if that was not noted."""
    noted = [e for e in entries if e.name == "target" and e.kind in ("ends", "cut")]
    if not noted:
        return None
    then: dict[TopicPartitionKey, int] = {
        (topic, partition): end for topic, partition, end in noted[-1].detail["offsets"]
    }
    return sum(max(0, end - then.get(partition, 0)) for partition, end in ends.items())


def queued(statuses: Mapping[str, ClientStatus]) -> int:
    """Return how many messages wait in producers."""
    return sum(status.queued for status in statuses.values() if status.role == "producer")


_BEFORE = {
    Act.PRODUCERS_TO_TARGET: "consumers are on the target; the mirror is at zero and has missed nothing",
    Act.CONSUMERS_TO_TARGET: "the mirror has missed nothing; group progress is synchronised, settled or exact",
    Act.STOP_CONSUMERS: "the mirror has missed nothing (if they leave the source)",
    Act.STOP_PRODUCERS: "the mirror has missed nothing (if they leave the source)",
    Act.REVERSE_MIRROR: "the mirror is at zero and has missed nothing",
    Act.PRODUCERS_TO_SOURCE: "the reverse mirror, if there is one, is at zero",
}
_DONE = {
    Act.CREATE_TASK: ("create the connectors", "connectors run, and every partition is on the target"),
    Act.SYNCHRONISE: ("", "the mirror lag is under the bar"),
    Act.SET_EXACT_OFFSETS: ("set the groups' offsets on the target", "they are proved"),
    Act.OVERLAP_CONSUMERS: ("start new members on the target", "they have joined"),
    Act.REVERSE_MIRROR: ("stop copying and note the ends of the target's logs", ""),
    Act.DELETE_TASK: ("stop and delete the connectors", "Connect has none of them"),
}


@dataclass(frozen=True)
class Step:
    """One act to come: what it waits for, what it writes to the cutover file or does, what it waits for then."""

    act: Act
    before: str
    does: str
    after: str

    def __str__(self) -> str:
        parts = [f"waits until {self.before}" if self.before else "", self.does]
        parts.append(f"waits until {self.after}" if self.after else "")
        return f"{self.act}: {'; '.join(part for part in parts if part)}"


def steps(acts: Sequence[Act], route: str, generation: int, places: tuple[Place, Place]) -> list[Step]:
    """Return the acts in words. `places`: where producers and consumers of `route` are at `generation`."""
    producers, consumers = places
    found = []
    for act in acts:
        who = moves(act)
        if who is None:
            does, after = _DONE[act]
        else:
            place = destination(act)
            was = (producers, consumers)
            producers, consumers = (place, consumers) if who == "producers" else (producers, place)
            generation += was != (producers, consumers)
            does = (
                f'cutover file: generation = {generation}, routes.{route}: producers = "{producers}", '
                f'consumers = "{consumers}"'
            )
            after = f"all {who} attest it ({'held' if place == 'hold' else place})"
        found.append(Step(act, _BEFORE.get(act, ""), does, after))
    return found
