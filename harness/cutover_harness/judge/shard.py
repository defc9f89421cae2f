"""Judge one shard of the streams: from the rows of all ledgers to a Partial."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cutover_harness.judge.activity import Activity, Source
from cutover_harness.judge.contents import resolve
from cutover_harness.judge.delivered import Delivered, deliver
from cutover_harness.judge.destroyed import Recreated, destroyed
from cutover_harness.judge.measures import CAUSES
from cutover_harness.judge.model import RunFacts
from cutover_harness.judge.offenders import Scene, of_deliveries, of_records
from cutover_harness.judge.order import NOWHERE, log_reordered
from cutover_harness.judge.partial import GROUP_COUNTS, LOG_COUNTS, Log, Partial
from cutover_harness.judge.produced import Logged, Produced, gather
from cutover_harness.judge.record_index import ByPlace, Places
from cutover_harness.judge.rows import by_log
from cutover_harness.judge.runs import run_heads
from cutover_harness.judge.window import OddTimes, Window, time_window
from cutover_harness.ledger.columns import Array, Columns, Int64, Mask, is_constant
from cutover_harness.ledger.format import CLUSTER_NAMES, DELIVERED, SOURCE, TARGET, UNKNOWN
from cutover_harness.ledger.reader import Ledgers

OTHER = {SOURCE: TARGET, TARGET: SOURCE}


@dataclass(frozen=True)
class Question:
    """The question to the ledgers: as RunFacts, with clusters by their numbers."""

    ledgers: Ledgers
    groups: Mapping[str, frozenset[str]]
    left: frozenset[int]
    topic_left: Mapping[str, frozenset[int]]
    routes: Mapping[str, frozenset[str]]
    window: Window
    recreated: tuple[Recreated, ...] = ()
    keep_streams: bool = False

    @classmethod
    def of(cls, ledgers: Ledgers, facts: RunFacts, *, keep_streams: bool = False) -> "Question":
        """Take the groups' topics from the facts, or else from what each subscribed to, was assigned or delivered.

        keep_streams: whether measures keep the numbers of their streams, 8 bytes each.
        """
        number = {name: code for code, name in CLUSTER_NAMES.items()}
        groups = {group: frozenset(topics) for group, topics in facts.groups.items()}
        consumers = [i for i in ledgers.instances if i.meta.role == "consumer" and i.meta.group is not None]
        for group in sorted({i.meta.group for i in consumers if i.meta.group is not None} - groups.keys()):
            # A topic has a number in a ledger once the process logged an event of it.
            members = [i for i in consumers if i.meta.group == group]
            known = (topics for member in members for topics in (member.rows.topics, member.meta.topics or ()))
            groups[group] = frozenset().union(*known)
        return cls(
            ledgers,
            groups,
            frozenset(number[name] for name in facts.cluster_left),
            {topic: frozenset(number[name] for name in left) for topic, left in facts.topic_left.items()},
            {route: frozenset(topics) for route, topics in facts.routes.items()},
            time_window(ledgers, facts),
            tuple(Recreated.of(fault, ledgers) for fault in facts.destroyed),
            keep_streams,
        )

    @property
    def ever_left(self) -> frozenset[int]:
        """The clusters that the producers of any topic left."""
        return self.left.union(*self.topic_left.values()) & OTHER.keys()


def judge_shard(question: Question, low: int, high: int) -> Partial:
    """Measure the streams in [low, high]; needs the rows of these in memory, and nothing of the others."""
    return _Shard(question, low, high).run()


class _Shard:
    def __init__(self, question: Question, low: int, high: int) -> None:
        self.question = question
        self.ledgers = question.ledgers
        self.bounds = low, high
        self.partial = Partial()
        self.places = Places()
        self.resolved: dict[int, Columns] = {}
        if any(instance.meta.identity == "fingerprint" for instance in self.ledgers.instances):
            numbers = range(len(self.ledgers.instances))
            everything = {number: Columns.concat(self._rows(number)) for number in numbers}
            self.resolved, self.partial.ambiguous = resolve(everything)
        self.produced = self._produced()
        self.scene = Scene(self.produced, self.ledgers.topics, [i.label for i in self.ledgers.instances])
        size = self.produced.record_index.size
        self.on_target = np.full(size, NOWHERE)
        self.seen_on = {OTHER[cluster]: np.zeros(size, np.bool_) for cluster in question.ever_left}

    def run(self) -> Partial:
        """Measure everything."""
        if TARGET in self.produced.offsets:
            natively = self.produced.offsets[TARGET]
            self.on_target[natively >= 0] = natively[natively >= 0]
        for group, topics in self.question.groups.items():
            self._group(group, topics)
        self._logs()
        for cluster in self.question.ever_left:
            self._left_behind(cluster)
        return self.partial

    def _rows(self, number: int) -> Iterator[Columns]:
        """Yield the rows of a ledger some at a time, by stream."""
        if number in self.resolved:
            yield self.resolved[number]
            return
        instance = self.ledgers.instances[number]
        for rows in instance.rows.pieces(*self.bounds):
            if self.question.keep_streams:
                self.partial.add_streams(rows.stream[run_heads(rows.stream)])
            yield replace(rows, topic=self.ledgers.renumber(instance, rows.topic))

    def _of_role(self, number: int, wrong: Callable[[Columns], Mask]) -> Iterator[Columns]:
        """Yield the rows of a ledger without those that are wrong for its role, and keep odd times."""
        odd = []
        for rows in self._rows(number):
            others = wrong(rows)
            found = rows.take(~others) if others.any() else rows
            outside = self.question.window.outside(found.time_ns)
            if outside is not None:
                odd.append(found.take(outside))
            if len(found):
                yield found
        if odd:
            label, topics = self.ledgers.instances[number].label, self.ledgers.topics
            self.partial.add_odd_times(label, OddTimes.of(Columns.concat(odd), topics))

    def _produced(self) -> Produced:
        ledgers: list[Logged] = []
        for number, instance in enumerate(self.ledgers.instances):
            if instance.meta.role == "producer":
                rows = self._of_role(number, lambda r: (r.event == DELIVERED) | (r.sequence < 0))
                mine = Logged.split(number, rows)
                ledgers += mine
                acks = [each.acks for each in mine]
                self._activity(Source("acks", instance.label, UNKNOWN), acks)
                for route, topics in self.question.routes.items():
                    its = np.array([topic in topics for topic in self.ledgers.topics] or [False])
                    of_route = [each.take(its[each.topic]) for each in acks]
                    self._activity(Source("route-acks", instance.label, UNKNOWN, route), of_route)
        produced = gather(ledgers, self.places)
        known, since = self.ledgers.topics, self.question.window.low
        self.is_destroyed = destroyed(self.question.recreated, ledgers, produced, known, since)
        return produced

    def _activity(self, source: Source, parts: Sequence[Columns]) -> None:
        """Keep the times of some rows that are within the run, by cluster."""
        times: dict[int, list[Int64]] = {SOURCE: [], TARGET: [], UNKNOWN: []}
        for rows in parts:
            outside = self.question.window.outside(rows.time_ns)
            its = rows if outside is None else rows.take(~outside)
            if is_constant(its.cluster):
                times[int(its.cluster[0])].append(its.time_ns)
                continue
            for cluster, found in times.items():
                found.append(its.time_ns[np.flatnonzero(its.cluster == cluster)])
        for cluster, found in times.items():
            self.partial.add_activity(source._replace(cluster=cluster), Activity.of(*found))

    def _group(self, group: str, topics: frozenset[str]) -> None:
        parts: list[Columns] = []
        numbers: list[int] = []
        committed_only = True
        for number, instance in enumerate(self.ledgers.instances):
            if instance.meta.role == "consumer" and instance.meta.group == group:
                mine = list(self._of_role(number, lambda r: r.event != DELIVERED))
                self._activity(Source("deliveries", group, UNKNOWN), mine)
                parts += mine
                numbers += [number] * len(mine)
                committed_only &= instance.meta.isolation == "read_committed"
        produced = self.produced
        got = deliver(parts, numbers, produced, self.places)
        seen = np.zeros(produced.record_index.size, np.bool_)
        got.runs.mark(seen)
        # An id without a record has place -1, for which the last entry answers.
        wanted = np.array([self.ledgers.topics[topic] in topics for topic, _ in self.places.pairs] + [False])
        should = wanted[produced.place]
        absent = should & produced.is_acked & ~seen
        missing = absent & ~self.is_destroyed
        aborted = got.first_of(produced.is_aborted) if committed_only else np.empty(0, np.int64)
        self._seen(got)
        self._count(group, got, should, absent, aborted)
        self._offsets(group, got, missing)
        kinds = {"phantom": got.phantoms, "aborted_read": aborted, "reordered": got.reordered}
        causes = {name: got.repeats[number] for number, name in enumerate(CAUSES)}
        for kind, found in of_deliveries(self.scene, group, got, kinds | causes).items():
            self.partial.add_offenders(kind, group, found)
        if missing.any():
            found = of_records(self.scene, "missing", group, np.flatnonzero(missing), got)
            self.partial.add_offenders("missing", group, found)

    def _seen(self, got: Delivered) -> None:
        got.lower(self.on_target, TARGET)
        for cluster, seen in self.seen_on.items():
            got.on(cluster).mark(seen)

    def _count(self, group: str, got: Delivered, should: Mask, absent: Mask, aborted: Int64) -> None:
        produced, size = self.produced, len(self.places)
        by_place = ByPlace(produced.place, size)
        lists = {"phantom": got.phantoms, "aborted_read": aborted, "reordered": got.reordered} | {
            name: got.repeats[number] for number, name in enumerate(CAUSES)
        }
        columns = {
            "sent": by_place.count(should & produced.is_known),
            "acked": by_place.count(should & produced.is_acked),
            "missing": by_place.count(absent & ~self.is_destroyed),
            "destroyed": by_place.count(absent & self.is_destroyed),
            "delivered": got.by_place(size),
        } | {name: np.bincount(got.place_of(rows), minlength=size) for name, rows in lists.items()}
        columns["distinct"] = columns["delivered"] - sum(columns[name] for name in CAUSES)
        table = np.stack([columns[name] for name in GROUP_COUNTS], axis=1)
        for number, (topic, partition) in enumerate(self.places.pairs):
            if table[number].any():
                self.partial.groups[group, self.ledgers.topics[topic], partition] += table[number]

    def _offsets(self, group: str, got: Delivered, missing: Mask) -> None:
        for cluster, topic, partition, offsets in got.rows.logs():
            self.partial.delivered[group, (cluster, self.ledgers.topics[topic], partition)].add(offsets)
        ids = np.flatnonzero(missing)
        clusters, offset = self.produced.acked_at(ids)
        for log, chosen in self._by_log(self.produced.place[ids], clusters):
            self.partial.missing[group, log].add(offset[chosen])

    def _by_log(self, place: Array, cluster: Array) -> Iterator[tuple[Log, Array | slice]]:
        """Split rows by cluster, topic and partition."""
        if not len(place):
            return
        key = place.astype(np.int64) << 8 | cluster
        order: Array | None = None
        if not (key[1:] >= key[:-1]).all():
            order = np.argsort(key, kind="stable")
            key = key[order]
        heads = run_heads(key)
        for start, end in zip(heads.tolist(), [*heads[1:].tolist(), len(key)], strict=True):
            topic, partition = self.places.pairs[int(key[start]) >> 8]
            chosen = slice(start, end) if order is None else order[start:end]
            yield (int(key[start]) & 255, self.ledgers.topics[topic], partition), chosen

    def _logs(self) -> None:
        produced, size = self.produced, len(self.places)
        by_place = ByPlace(produced.place, size)
        late = log_reordered(produced, self.on_target)
        undone = produced.is_known & ~produced.is_acked & ~produced.is_aborted
        columns = {
            "sent": by_place.count(produced.is_known),
            "acked": by_place.count(produced.is_acked),
            "failed": by_place.count(produced.is_failed),
            "aborted": by_place.count(produced.is_aborted),
            "in_doubt": by_place.count(undone & ~produced.is_failed),
            "log_order": np.bincount(produced.place[late], minlength=size),
            "left_unplaced": np.zeros(size, np.int64),
        }
        table = np.stack([columns[name] for name in LOG_COUNTS], axis=1)
        for number, (topic, partition) in enumerate(self.places.pairs):
            if table[number].any():
                self.partial.logs[self.ledgers.topics[topic], partition] += table[number]
        if len(late):
            self.partial.add_offenders("log_order", None, of_records(self.scene, "log_order", None, late))
        if not self.resolved:
            self.partial.add_unlogged(*produced.unlogged())
        for part in (*produced.acks.parts, *produced.aborted):
            for cluster, topic, partition, offsets in by_log(part):
                if (offsets >= 0).any():
                    self.partial.held[cluster, self.ledgers.topics[topic], partition].add(offsets)

    def _left_behind(self, cluster: int) -> None:
        """Keep records that may be stranded there: whether the mirror had passed them needs all streams."""
        produced, other = self.produced, OTHER[cluster]
        if cluster not in produced.offsets:
            return
        there = produced.is_acked & produced.acked_on(cluster) & self._of_topics_that_left(cluster)
        elsewhere = self.seen_on[other] | produced.acked_on(other)
        offsets = produced.offsets[cluster]
        left = np.flatnonzero(there & ~elsewhere)
        for log, chosen in self._by_log(produced.place[left], np.full(len(left), cluster)):
            placed = left[chosen]
            self.partial.left[log].add(offsets[placed])
            unplaced = int((offsets[placed] < 0).sum())
            if unplaced:
                self.partial.logs[log[1:]][LOG_COUNTS.index("left_unplaced")] += unplaced
            for latest in (False, True):
                found = of_records(self.scene, "stranded", None, placed, latest=latest)
                self.partial.add_candidates(log, found, latest=latest)
        arrived = np.flatnonzero(there & elsewhere & (offsets >= 0))
        for log, chosen in self._by_log(produced.place[arrived], np.full(len(arrived), cluster)):
            self.partial.add_arrived(log, int(offsets[arrived[chosen]].min()), int(offsets[arrived[chosen]].max()))

    def _of_topics_that_left(self, cluster: int) -> Mask:
        question, topics = self.question, self.ledgers.topics
        # An id without a record has place -1, for which the last entry answers.
        left = [cluster in question.topic_left.get(topics[t], question.left) for t, _ in self.places.pairs] + [False]
        return np.array(left)[self.produced.place]
