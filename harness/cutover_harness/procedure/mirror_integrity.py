"""Mirror integrity: no record is missing in what was mirrored, and no topic was recreated since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutover_harness.procedure.entries import START
from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.procedure.protocols import ClusterLike, JournalLike, MirrorLike
from cutover_harness.words import counted

Ids = Mapping[str, Mapping[str, str]]
"""Cluster name -> topic -> id, empty for a cluster that has no ids (before Kafka 2.8)."""
Counts = Mapping[str, Mapping[str, int]]
"""Cluster name -> topic -> partitions."""
_IDS, _PARTITIONS = "ids", "partitions"
_NAMED = 5


@dataclass(frozen=True)
class MirrorIntegrity:
    """Topics and removed records that the journal remembers, compared with the topics and logs of now.

    A gap and a topic that was recreated cannot be healed: MirrorMaker 2 continues silently where a log starts now, in
    the old topic or in a new one. So what was seen once stays true for this mirror, also after a restart.
    """

    journal: JournalLike
    mirror: MirrorLike
    source: ClusterLike
    target: ClusterLike

    def learn_ids(self) -> None:
        """Note the ids of the topics that are about to be mirrored."""
        self._learn(self._ids(self.mirror.topics()))

    def learn(self) -> None:
        """Note the ids of the topics that are mirrored, unless they are known, and their partitions."""
        topics = self.mirror.topics()
        self._learn(self._ids(topics))
        self.journal.write("topics", START, _PARTITIONS, **self._counts(topics))

    def _learn(self, now: Ids) -> None:
        known = self._known()
        new = {name: {t: i for t, i in ids.items() if t not in known[name]} for name, ids in now.items()}
        if any(new.values()):
            self.journal.write("topics", START, _IDS, **new)

    def gate(self, deadline_s: float, *, look: bool = True) -> Gate:
        """Return the gate; without `look` only what earlier looks found counts, and the logs are not read again."""

        def read() -> Reading:
            known = self._known()
            mirrored = self.mirror.topics()
            topics = sorted({*mirrored, *known["source"], *known["target"]})
            ids, counts, first = self._ids(topics), self._counts(topics), self._first_counts()
            wrong = [*self._gone(look=look), *recreated(known, ids)]
            # A broker that has just started may not list all topics yet, so the gate stays closed for its deadline.
            waits = [*deleted(known, ids), *uneven(mirrored, counts, first)]
            self._learn(ids)
            return Reading(
                open=not wrong and not waits,
                never=bool(wrong),
                waits_for="; ".join([*wrong, *waits]),
                evidence="; ".join([*identified(mirrored, ids), *grown(counts, first)]),
            )

        return Gate("mirror has missed nothing", read, deadline_s)

    def _gone(self, *, look: bool) -> list[str]:
        before = {entry.name for entry in self.journal.read() if entry.kind == "gone"}
        now = [str(gap) for gap in self.mirror.gaps(look=look)]
        for words in now:
            if words not in before:
                self.journal.write("gone", START, words)
        return now or sorted(before)

    def _known(self) -> dict[str, dict[str, str]]:
        known: dict[str, dict[str, str]] = {"source": {}, "target": {}}
        for entry in self.journal.read():
            if entry.kind == "topics" and entry.name == _IDS:
                for cluster, ids in entry.detail.items():
                    known[cluster] = {**ids, **known[cluster]}
        return known

    def _first_counts(self) -> Counts:
        """Return the partitions that were there when the task was created."""
        found = [entry for entry in self.journal.read() if entry.kind == "topics" and entry.name == _PARTITIONS]
        return found[0].detail if found else {"source": {}, "target": {}}

    def _ids(self, topics: Sequence[str]) -> Ids:
        return {
            name: dict.fromkeys(cluster.partitions(topics), "") | dict(cluster.topic_ids(topics))
            for name, cluster in (("source", self.source), ("target", self.target))
        }

    def _counts(self, topics: Sequence[str]) -> Counts:
        return {"source": dict(self.source.partitions(topics)), "target": dict(self.target.partitions(topics))}


def recreated(known: Ids, now: Ids) -> list[str]:
    """Return, in words, which topics have other ids than those that are known."""
    return [
        f"topic {topic} was recreated on the {cluster} (topic id {known[cluster][topic]}, now {found})"
        for cluster, ids in now.items()
        for topic, found in sorted(ids.items())
        if found and known[cluster].get(topic) and known[cluster][topic] != found
    ]


def identified(mirrored: Sequence[str], ids: Ids) -> list[str]:
    """Return, in words, of which mirrored topics it is proved that they are the first ones, and of which it is not."""
    anonymous = {name: [topic for topic in mirrored if topics.get(topic) == ""] for name, topics in ids.items()}
    count = len(mirrored) - len({topic for topics in anonymous.values() for topic in topics})
    return [
        f"{counted(count, 'topic')} as mirrored first, and retention has overtaken none",
        *(
            f"not known on the {name} for {counted(len(topics), 'topic')} ({', '.join(topics[:_NAMED])}"
            f"{', …' if len(topics) > _NAMED else ''}): they have no topic id (Kafka before 2.8, or an "
            "inter.broker.protocol.version before it), so a recreated topic does not show"
            for name, topics in anonymous.items()
            if topics
        ),
    ]


def deleted(known: Ids, now: Ids) -> list[str]:
    """Return, in words, which of the known topics were deleted."""
    return [
        f"topic {topic} was deleted on the {cluster}"
        for cluster, ids in known.items()
        for topic in sorted(ids.keys() - now[cluster].keys())
    ]


def uneven(mirrored: Sequence[str], now: Counts, first: Counts) -> list[str]:
    """Return, in words, which topics have fewer partitions on the target, or more than when the task was created."""
    words = []
    for topic in mirrored:
        source, target = now["source"].get(topic, 0), now["target"].get(topic, 0)
        if target < source:
            words.append(f"topic {topic} has {target} of {counted(source, 'partition')} on the target")
        elif target > source and target > first["target"].get(topic, 0):
            words.append(
                f"topic {topic} got {counted(target, 'partition')} on the target and has {source} on the source, so "
                "producers would send keys to other partitions: add partitions on the source"
            )
    return words


def grown(now: Counts, first: Counts) -> list[str]:
    """Return, in words, which source topics have more partitions than when the task was created."""
    return [
        f"topic {topic} grew from {had} to {counted(has, 'partition')} on the source"
        for topic, had in sorted(first["source"].items())
        if (has := now["source"].get(topic, 0)) > had
    ]
