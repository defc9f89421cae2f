"""Which records were left behind on a cluster that the producers left."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

from cutover_harness.judge.model import Offender, RunFacts
from cutover_harness.judge.offsets import OffsetSet
from cutover_harness.judge.partial import MAX_OFFENDERS, Log, Partial
from cutover_harness.ledger.format import CLUSTER_NAMES, SOURCE


@dataclass(frozen=True)
class Stranded:
    """Offsets by log. proven: logs of which the mirror's progress is known; unknown: logs of which nothing is."""

    offsets: dict[Log, OffsetSet]
    unplaced: dict[tuple[str, int], int]
    proven: frozenset[Log]
    unknown: frozenset[Log]

    def count(self, topic: str, partition: int | None = None) -> int:
        """Return how many records of a topic, or of one partition of it, are stranded."""
        return self._counts[topic, partition]

    @cached_property
    def _counts(self) -> Counter[tuple[str, int | None]]:
        counts: Counter[tuple[str, int | None]] = Counter()
        placed = [(log[1:], len(found)) for log, found in self.offsets.items()]
        for (topic, partition), count in (*placed, *self.unplaced.items()):
            counts[topic, partition] += count
            counts[topic, None] += count
        return counts

    def of_topics(self, topics: frozenset[str], *, drained: bool) -> int | None:
        """Return how many records of the topics are stranded, None if that is unknown.

        That no group was delivered a record on the other cluster proves something only if a group read all of that
        cluster, or if the mirror's progress is known.
        """
        if any(log[1] in topics for log in self.unknown):
            return None
        total = sum(self.count(topic) for topic in topics)
        placed = sum(len(found) for log, found in self.offsets.items() if log[1] in topics and log in self.proven)
        sure = placed == total
        return total if not total or drained or sure else None


def find_stranded(partial: Partial, facts: RunFacts) -> Stranded:
    """Return the records that are in the logs that the producers left and, as far as known, in no other.

    If the facts contain the copied offsets, these decide. Otherwise it is inferred from what groups read on the other
    cluster: a mirror copies a partition in order, so records below the first that arrived were copied too;
    records above it that no group was delivered there are missing there. If nothing arrived: from the target, nothing
    is copied unless the facts contain it; from the source, that is unknown.
    """
    number = {name: code for code, name in CLUSTER_NAMES.items()}
    copied: dict[Log, list[tuple[int, int]]] = {}
    for each in facts.copied:
        copied.setdefault((number[each.cluster], each.topic, each.partition), []).append((each.start, each.end))
    offsets, unknown = {}, set()
    for log, left in partial.left.items():
        bounds = left.bounds
        if bounds is None:
            continue
        remaining = left
        if log in copied:
            for start, end in copied[log]:
                remaining = remaining.minus(remaining.between(start, end))
        elif log in partial.arrived:
            remaining = left.between(partial.arrived[log][0], bounds[1] + 1)
        elif log[0] == SOURCE:
            unknown.add(log)
            continue
        offsets[log] = remaining
    place = [(log, int(counts[-1])) for log, counts in partial.logs.items() if counts[-1]]
    return Stranded(offsets, dict(place), frozenset(copied), frozenset(unknown))


def stranded_offenders(partial: Partial, stranded: Stranded) -> list[Offender]:
    """Return the first ten stranded records of the candidates."""
    found = {
        (log, offender.offset): replace(offender, kind="stranded")
        for (log, _), candidates in partial.candidates.items()
        for offender in candidates
        if offender.offset < 0 or (log in stranded.offsets and offender.offset in stranded.offsets[log])
    }
    return sorted(found.values(), key=lambda o: (o.time_ns, o.stream, o.sequence))[:MAX_OFFENDERS]
