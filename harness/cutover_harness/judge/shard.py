"""Judge one shard of the streams: from the rows of all ledgers to a Partial."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from cutover_harness.judge.activity import Activity, Source
from cutover_harness.judge.contents import resolve
from cutover_harness.judge.delivered import Delivered, deliver
from cutover_harness.judge.destroyed import destroyed
from cutover_harness.judge.measures import CAUSES
from cutover_harness.judge.model import Destroyed, RunFacts
from cutover_harness.judge.offenders import Scene, cause_masks, of_deliveries, of_records
from cutover_harness.judge.order import NOWHERE, log_reordered
from cutover_harness.judge.partial import GROUP_COUNTS, LOG_COUNTS, Log, Partial
from cutover_harness.judge.produced import Produced, gather
from cutover_harness.judge.record_index import Places, run_heads
from cutover_harness.judge.window import OddTimes, Window, time_window
from cutover_harness.ledger.columns import Array, Columns, Int64, Mask, is_constant
from cutover_harness.ledger.format import ABORTED, ACKED, CLUSTER_NAMES, DELIVERED, SOURCE, TARGET, UNKNOWN
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
    destroyed: tuple[Destroyed, ...] = ()
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
            tuple(facts.destroyed),
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
            everything = {number: self._rows(number) for number in range(len(self.ledgers.instances))}
            self.resolved, self.partial.ambiguous = resolve(everything)
        self.produced = self._produced()
        self.scene = Scene(self.produced, self.places, self.ledgers.topics, [i.label for i in self.ledgers.instances])
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

    def _rows(self, number: int) -> Columns:
        if number in self.resolved:
            return self.resolved[number]
        instance = self.ledgers.instances[number]
        rows = instance.rows.records(*self.bounds)
        if self.question.keep_streams:
            self.partial.add_streams(rows.stream[run_heads(rows.stream)])
        return replace(rows, topic=self.ledgers.renumber(instance, rows.topic))

    def _produced(self) -> Produced:
        parts, numbers = [], []
        for number, instance in enumerate(self.ledgers.instances):
            if instance.meta.role == "producer":
                rows = _without(self._rows(number), lambda r: (r.event == DELIVERED) | (r.sequence < 0))
                acked = self._timely(instance.label, rows, rows.event == ACKED)
                self._activity(Source("acks", instance.label, UNKNOWN), rows, acked)
                for route, topics in self.question.routes.items():
                    its = acked & np.array([topic in topics for topic in self.ledgers.topics] or [False])[rows.topic]
                    self._activity(Source("route-acks", instance.label, UNKNOWN, route), rows, its)
                parts.append(rows)
                numbers.append(number)
        produced = gather(parts, numbers, self.places)
        known, since = self.ledgers.topics, self.question.window.low
        self.is_destroyed = destroyed(self.question.destroyed, parts, produced, known, since)
        return produced

    def _timely(self, label: str, rows: Columns, chosen: Mask) -> Mask:
        """Return which of the chosen rows have a time within the run, and keep the first of all that have not."""
        outside = self.question.window.outside(rows.time_ns)
        if outside is None:
            return chosen
        self.partial.add_odd_times(label, OddTimes.of(rows.take(outside), self.ledgers.topics))
        return chosen & ~outside

    def _activity(self, source: Source, rows: Columns, chosen: Mask) -> None:
        """Keep the times of the chosen rows, by cluster."""
        clusters = [int(rows.cluster[0])] if is_constant(rows.cluster) else [SOURCE, TARGET, UNKNOWN]
        for cluster in clusters:
            here = chosen if len(clusters) == 1 else chosen & (rows.cluster == cluster)
            if here.any():
                found = Activity.of(rows.time_ns if here.all() else rows.time_ns[here])
                self.partial.add_activity(source._replace(cluster=cluster), found)

    def _group(self, group: str, topics: frozenset[str]) -> None:
        parts, numbers, committed_only = [], [], True
        for number, instance in enumerate(self.ledgers.instances):
            if instance.meta.role == "consumer" and instance.meta.group == group:
                rows = _without(self._rows(number), lambda r: r.event != DELIVERED)
                timely = self._timely(instance.label, rows, np.ones(len(rows.event), np.bool_))
                self._activity(Source("deliveries", group, UNKNOWN), rows, timely)
                parts.append(rows)
                numbers.append(number)
                committed_only &= instance.meta.isolation == "read_committed"
        produced = self.produced
        got = deliver(parts, numbers, produced, self.places)
        del parts  # their rows are in `got` now, in another order
        known = got.ids if got.is_known.all() else got.ids[got.is_known]
        seen = np.zeros(produced.record_index.size, np.bool_)
        seen[known] = True
        # An id without a record has place -1, for which the last entry answers.
        wanted = np.array([self.ledgers.topics[topic] in topics for topic, _ in self.places.pairs] + [False])
        should = wanted[produced.place]
        absent = should & produced.is_acked & ~seen
        missing = absent & ~self.is_destroyed
        aborted = np.zeros(len(got.ids), np.bool_)
        if committed_only and len(known):
            aborted = got.is_first & got.is_known & produced.is_aborted[got.ids]
        self._seen(got)
        self._count(group, got, should, absent, aborted)
        self._offsets(group, got, missing)
        kinds = {"phantom": ~got.is_known & got.is_first, "aborted_read": aborted, "reordered": got.is_reordered}
        for kind, found in of_deliveries(self.scene, group, got, kinds | cause_masks(got)).items():
            self.partial.add_offenders(kind, group, found)
        if missing.any():
            found = of_records(self.scene, "missing", group, np.flatnonzero(missing), got)
            self.partial.add_offenders("missing", group, found)

    def _seen(self, got: Delivered) -> None:
        on_target = got.is_known & (got.rows.cluster == TARGET) & (got.rows.offset >= 0)
        if on_target.any():
            first = on_target & got.is_first
            ids = got.ids[first]
            self.on_target[ids] = np.minimum(self.on_target[ids], got.rows.offset[first])
            again = on_target & ~got.is_first
            np.minimum.at(self.on_target, got.ids[again], got.rows.offset[again])
        for cluster, seen in self.seen_on.items():
            seen[got.ids[got.is_known & (got.rows.cluster == cluster)]] = True

    def _count(self, group: str, got: Delivered, should: Mask, absent: Mask, aborted: Mask) -> None:
        produced, size = self.produced, len(self.places)
        again = np.flatnonzero(~got.is_first)
        place, cause = got.place[again], got.cause[again]
        columns = {
            "sent": _tally_of(produced.place, should & produced.is_known, size),
            "acked": _tally_of(produced.place, should & produced.is_acked, size),
            "missing": _tally_of(produced.place, absent & ~self.is_destroyed, size),
            "destroyed": _tally_of(produced.place, absent & self.is_destroyed, size),
            "delivered": _tally(got.place, size),
            "phantom": _tally_of(got.place, ~got.is_known & got.is_first, size),
            "aborted_read": _tally_of(got.place, aborted, size),
            "reordered": _tally_of(got.place, got.is_reordered, size),
        } | {name: _tally(place[cause == number], size) for number, name in enumerate(CAUSES)}
        columns["distinct"] = columns["delivered"] - _tally(place, size)
        table = np.stack([columns[name] for name in GROUP_COUNTS], axis=1)
        for number, (topic, partition) in enumerate(self.places.pairs):
            if table[number].any():
                self.partial.groups[group, self.ledgers.topics[topic], partition] += table[number]

    def _offsets(self, group: str, got: Delivered, missing: Mask) -> None:
        for log, chosen in self._by_log(got.place, got.rows.cluster):
            self.partial.delivered[group, log].add(got.rows.offset[chosen])
        ids = np.flatnonzero(missing)
        cluster, offset = self.produced.acked_at(ids)
        for log, chosen in self._by_log(self.produced.place[ids], cluster):
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
        late = log_reordered(produced, self.on_target)
        undone = produced.is_known & ~produced.is_acked & ~produced.is_aborted
        columns = {
            "sent": _tally_of(produced.place, produced.is_known, size),
            "acked": _tally_of(produced.place, produced.is_acked, size),
            "failed": _tally_of(produced.place, produced.is_failed, size),
            "aborted": _tally_of(produced.place, produced.is_aborted, size),
            "in_doubt": _tally_of(produced.place, undone & ~produced.is_failed, size),
            "log_order": _tally(produced.place[late], size),
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
        rows = produced.rows
        in_log = np.flatnonzero(((rows.event == ACKED) | (rows.event == ABORTED)) & (rows.offset >= 0))
        place = produced.row_place[in_log]
        for log, chosen in self._by_log(place, rows.cluster[in_log]):
            self.partial.held[log].add(rows.offset[in_log][chosen])

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


def _without(rows: Columns, odd: Callable[[Columns], Mask]) -> Columns:
    """Leave out rows that are not of the ledger's role."""
    wrong = odd(rows)
    return rows.take(~wrong) if wrong.any() else rows


def _tally_of(place: Array, chosen: Mask, size: int) -> Int64:
    """Count the chosen rows or records by place; those that are chosen have one."""
    if size == 1:
        return np.array([np.count_nonzero(chosen)])
    return _tally(place[chosen], size) if chosen.any() else np.zeros(size, np.int64)


def _tally(place: Array, size: int) -> Int64:
    if is_constant(place):
        return np.bincount(place[:1], minlength=size) * len(place)
    return np.bincount(place, minlength=size)
