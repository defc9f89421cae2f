"""The judge again, slow and obvious: dictionaries and loops over events, straight from the definitions."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import groupby

from cutover_harness.judge.model import Destroyed

from .histories import MS, T0, Event

Record = tuple[int, int]
CLUSTERS = ("source", "target", "unknown")


class Producers:
    """What the producers say about each record."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.rows: dict[Record, list[Event]] = defaultdict(list)
        # Each ledger's own order counts, also when its clock was set back: times that never go back within a stream.
        self._times: dict[int, float] = {}
        latest: dict[tuple[str, int], float] = {}
        for event in sorted(events, key=lambda e: e.instance):
            if event.event in ("SENT", "ACKED", "FAILED", "ABORTED") and event.sequence >= 0:
                self.rows[event.stream, event.sequence].append(event)
                place = event.instance, event.stream
                self._times[id(event)] = latest[place] = max(latest.get(place, event.time_ms), event.time_ms)

    def events(self, record: Record, *kinds: str) -> list[Event]:
        return [e for e in self.rows.get(record, []) if e.event in kinds]

    def outcome(self, record: Record) -> str:
        ended = sorted(self.events(record, "ACKED", "ABORTED"), key=lambda e: self._times[id(e)])
        if ended:
            return ended[-1].event
        return "FAILED" if self.events(record, "FAILED") else "SENT"

    def place(self, record: Record) -> tuple[str, int]:
        event = (self.events(record, "ACKED") or self.rows[record])[-1]
        return event.topic, event.partition

    def ack(self, record: Record, cluster: str) -> int | None:
        offsets = [e.offset for e in self.events(record, "ACKED") if e.cluster == cluster]
        return offsets[-1] if offsets else None

    def produced_on(self, record: Record) -> set[str]:
        acked = {e.cluster for e in self.events(record, "ACKED")}
        sent = {e.cluster for e in self.rows.get(record, [])}
        return acked | (sent - {"unknown"}) or sent

    def known_log(self) -> dict[tuple[str, str, int], set[int]]:
        held: dict[tuple[str, str, int], set[int]] = defaultdict(set)
        for events in self.rows.values():
            for e in events:
                if e.event in ("ACKED", "ABORTED") and e.offset >= 0:
                    held[e.cluster, e.topic, e.partition].add(e.offset)
        return held


def deliveries(events: Iterable[Event], group: str) -> dict[int, list[Event]]:
    """Return a group's deliveries by stream, in order: each ledger's own order, and time between ledgers."""
    timed = []
    for _, mine in groupby(sorted((e for e in events), key=lambda e: e.instance), key=lambda e: e.instance):
        latest: dict[int, float] = {}
        for event in mine:
            if event.event == "DELIVERED" and event.instance.split("-")[0] == group:
                latest[event.stream] = max(latest.get(event.stream, event.time_ms), event.time_ms)
                timed.append((event.stream, latest[event.stream], event))
    streams: dict[int, list[Event]] = defaultdict(list)
    for stream, _, event in sorted(timed, key=lambda t: t[:2]):
        streams[stream].append(event)
    return streams


def log_of(event: Event) -> tuple[str, str, int]:
    return event.cluster, event.topic, event.partition


def cause(event: Event, before: list[Event], produced_on: set[str]) -> str:
    if any(log_of(b) == log_of(event) and b.offset == event.offset for b in before):
        return "re_read"
    if any(b.cluster == event.cluster for b in before):
        return "producer_retry" if event.cluster in produced_on else "mirrored_twice"
    return "re_read_across"


def brute_group(
    events: list[Event], producers: Producers, group: str, topics: set[str], gone: set[Record], *, drained: bool
) -> dict[str, object]:
    """Return a group's measures, and the offending deliveries by kind. gone: the records that a fault destroyed."""
    counts, offenders, seen = brute_deliveries(deliveries(events, group), producers)
    read: dict[tuple[str, str, int], set[int]] = defaultdict(set)
    for event in events:
        if event.event == "DELIVERED" and event.instance.split("-")[0] == group and event.offset >= 0:
            read[log_of(event)].add(event.offset)
    passed = set()
    for record in producers.rows:
        topic, partition = producers.place(record)
        acked = producers.outcome(record) == "ACKED"
        counts["sent"] += topic in topics
        counts["acked"] += topic in topics and acked
        if topic in topics and acked and record not in seen and record in gone:
            counts["destroyed"] += 1
        elif topic in topics and acked and record not in seen:
            counts["missing"] += 1
            cluster = next(c for c in ("target", "source", "unknown") if producers.ack(record, c) is not None)
            log, offset = (cluster, topic, partition), producers.ack(record, cluster)
            if read[log] and min(read[log]) < (offset or 0) < max(read[log]):
                passed.add((log, offset))
    lost: int | None = counts["missing"] if drained or not counts["missing"] else len(passed) or None
    return {**counts, "lost": lost, "offenders": offenders}


def brute_destroyed(events: Iterable[Event], faults: Iterable[Destroyed]) -> set[Record]:
    """Return the records that were acknowledged before a fault, or after it before their producer had an offset."""
    gone = set()
    for fault in faults:
        acks = [e for e in events if (e.event, e.cluster, e.topic) == ("ACKED", fault.cluster, fault.topic)]
        until = (fault.until_ns - T0) / MS
        first: dict[tuple[str, int], float] = {}
        for e in acks:
            if e.sequence >= 0 and e.time_ms >= until and e.offset >= 0:
                place = e.instance, e.partition
                first[place] = min(e.time_ms, first.get(place, e.time_ms))
        for e in acks:
            unplaced = e.offset < 0 and e.time_ms <= first.get((e.instance, e.partition), -1)
            if e.sequence >= 0 and (e.time_ms < until or unplaced):
                gone.add((e.stream, e.sequence))
    return gone


def brute_deliveries(
    streams: dict[int, list[Event]], producers: Producers
) -> tuple[Counter[str], dict[str, list[Event]], set[Record]]:
    offenders: dict[str, list[Event]] = defaultdict(list)
    distinct: set[Record] = set()
    total = phantoms = 0
    for stream in streams.values():
        before: dict[Record, list[Event]] = defaultdict(list)
        nameless: dict[tuple[str, str, int, int], list[Event]] = defaultdict(list)
        latest = -1
        for event in stream:
            total += 1
            record = (event.stream, event.sequence)
            known = record in producers.rows
            earlier = before[record] if event.sequence >= 0 else nameless[*log_of(event), event.offset]
            if earlier:
                offenders[cause(event, earlier, producers.produced_on(record) if known else {"source"})].append(event)
            elif not known:
                phantoms += 1
                offenders["phantom"].append(event)
            else:
                distinct.add(record)
                if producers.outcome(record) == "ABORTED":
                    offenders["aborted_read"].append(event)
                if event.sequence < latest:
                    offenders["reordered"].append(event)
                latest = max(latest, event.sequence)
            earlier.append(event)
    counts = Counter({kind: len(found) for kind, found in offenders.items()})
    counts.update(delivered=total, distinct=len(distinct) + phantoms)
    return counts, offenders, distinct


def brute_gaps(events: list[Event], producers: Producers, group: str) -> int:
    everyone: dict[tuple[str, str, int], set[int]] = defaultdict(set, producers.known_log())
    mine: dict[tuple[str, str, int], set[int]] = defaultdict(set)
    for event in events:
        if event.event == "DELIVERED" and event.offset >= 0:
            everyone[log_of(event)].add(event.offset)
            if event.instance.split("-")[0] == group:
                mine[log_of(event)].add(event.offset)
    return sum(1 for log, offsets in mine.items() for o in range(min(offsets), max(offsets)) if o not in everyone[log])


def brute_log_order(events: list[Event], producers: Producers) -> dict[Record, tuple[str, int]]:
    """Return the records behind a later one in the target's log but not in the source's."""
    on_target: dict[Record, int] = {}
    on_source: dict[Record, int] = {}
    for record in producers.rows:
        offset = producers.ack(record, "target")
        if offset is not None and offset >= 0:
            on_target[record] = offset
        offset = producers.ack(record, "source")
        if offset is not None and offset >= 0:
            on_source[record] = offset
    for event in events:
        record = (event.stream, event.sequence)
        if event.event == "DELIVERED" and event.cluster == "target" and event.offset >= 0 and record in producers.rows:
            on_target[record] = min(on_target.get(record, event.offset), event.offset)

    def behind(offsets: dict[Record, int]) -> set[Record]:
        return {
            a
            for a in offsets
            if any(
                b[0] == a[0] and b[1] > a[1] and offsets[b] < offsets[a] and producers.place(b) == producers.place(a)
                for b in offsets
            )
        }

    return {record: producers.place(record) for record in behind(on_target) - behind(on_source)}


def brute_stranded(
    events: list[Event], producers: Producers, left: set[str]
) -> tuple[dict[tuple[str, int], int], set[str]]:
    """Return how many records are stranded by topic and partition, and the topics of which it is unknown."""
    went = {"source", "target"} - left
    seen_there = {
        (e.stream, e.sequence) for e in events if e.event == "DELIVERED" and e.cluster in went
    } & producers.rows.keys()
    arrived: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    remaining: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for record in producers.rows:
        if producers.outcome(record) != "ACKED":
            continue
        there = record in seen_there or any(producers.ack(record, cluster) is not None for cluster in went)
        for cluster in left:
            offset = producers.ack(record, cluster)
            if offset is not None:
                (arrived if there else remaining)[cluster, *producers.place(record)].append(offset)
    found: Counter[tuple[str, int]] = Counter()
    unknown = set()
    for log, offsets in remaining.items():
        found[log[1:]] += sum(1 for o in offsets if o < 0)
        placed = {o for o in offsets if o >= 0}
        first = [o for o in arrived.get(log, ()) if o >= 0]
        if not first and log[0] == "source" and placed:
            unknown.add(log[1])
        elif first or log[0] == "target":
            found[log[1:]] += sum(1 for o in placed if not first or o >= min(first))
    return {place: n for place, n in found.items() if n}, unknown
