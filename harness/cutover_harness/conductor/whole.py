"""Whether the mirror can still bring all there is: retention has not overtaken it, and no topic was made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cutover_harness.conductor.gates import Gate, Reading
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.protocols import ClusterLike, MirrorLike

Ids = Mapping[str, Mapping[str, str]]
"""Cluster name -> topic -> id."""
START = -1


@dataclass(frozen=True)
class Whole:
    """What the journal remembers of topics' ids and of records that are gone, against what is there now.

    Neither can be healed: MirrorMaker 2 goes on silently where a log starts now, in the old topic or in a new one. So
    what was seen once stays true for this task, also after a restart.
    """

    journal: Journal
    mirror: MirrorLike
    source: ClusterLike
    target: ClusterLike

    def learn(self) -> None:
        """Note the ids of the topics that are mirrored, unless they are known."""
        self._learn(self._ids())

    def _learn(self, now: Ids) -> None:
        known = self._known()
        new = {name: {t: i for t, i in ids.items() if t not in known[name]} for name, ids in now.items()}
        if any(new.values()):
            self.journal.write("topics", START, "ids", **new)

    def gate(self, deadline_s: float, *, look: bool = True) -> Gate:
        """Return the gate; without `look` the logs are not looked at anew, only what earlier looks found counts."""

        def read() -> Reading:
            ids = self._ids()
            count = len(ids["source"])
            wrong = [*self._gone(look=look), *remade(self._known(), ids)]
            self._learn(ids)
            return Reading(
                open=not wrong,
                never=bool(wrong),
                waits_for="; ".join(wrong),
                evidence=f"{count} topics are those that were mirrored first, and retention has overtaken none",
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
            if entry.kind == "topics":
                for cluster, ids in entry.detail.items():
                    known[cluster] = {**ids, **known[cluster]}
        return known

    def _ids(self) -> Ids:
        topics = self.mirror.topics()
        return {"source": self.source.topic_ids(topics), "target": self.target.topic_ids(topics)}


def remade(known: Ids, now: Ids) -> list[str]:
    """Return, in words, which topics are not the ones that are known, although they have the same names."""
    return [
        f"topic {topic} was deleted and made again on the {cluster}: its id was {known[cluster][topic]} and is {found}"
        for cluster, ids in now.items()
        for topic, found in sorted(ids.items())
        if known[cluster].get(topic, found) != found
    ]
