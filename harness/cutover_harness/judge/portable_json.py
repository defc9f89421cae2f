"""A partial as JSON and arrays, and back: the content of the file that `judge --partial` writes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from cutover_harness.judge.activity import Activity, Source, bucket_width
from cutover_harness.judge.destroyed import Recreated
from cutover_harness.judge.model import Destroyed, Offender, RunFacts
from cutover_harness.judge.offsets import CHUNK, OffsetSet
from cutover_harness.judge.partial import GROUP_COUNTS, LOG_COUNTS, Log, Partial
from cutover_harness.judge.portable import Part, Portable, StoredRows, joined
from cutover_harness.judge.shard import Question
from cutover_harness.judge.window import OddTimes, Window
from cutover_harness.ledger.columns import Array, Columns, Int64
from cutover_harness.ledger.format import CLUSTER_NAMES, COMMITTED, ROW_DTYPE
from cutover_harness.ledger.meta import Meta
from cutover_harness.ledger.names import StreamName
from cutover_harness.ledger.reader import InstanceLedger, Ledgers

_SETS = ("delivered", "missing")
_LOG_SETS = ("held", "left")
_CONTROL = ("topic", "cluster", "partition", "offset", "time_ns")


def encode(portable: Portable, arrays: list[Array]) -> dict[str, Any]:
    """Return JSON types; arrays are appended to `arrays`, and JSON contains their numbers."""

    def put(values: Array) -> int:
        arrays.append(values)
        return len(arrays) - 1

    question, partial = portable.question, portable.partial
    return {
        "facts": None if portable.facts is None else portable.facts.to_json(),
        "name": portable.name,
        "host": list(portable.host),
        "shard": list(portable.shard),
        "ranges": [list(each) for each in portable.ranges],
        "ledgers_id": portable.ledgers_id,
        "absent": list(question.ledgers.absent),
        "ledgers": [_ledger(each, put) for each in question.ledgers.instances],
        "question": {
            "groups": {group: sorted(topics) for group, topics in question.groups.items()},
            "left": sorted(question.left),
            "topic_left": {topic: sorted(left) for topic, left in question.topic_left.items()},
            "routes": {route: sorted(topics) for route, topics in question.routes.items()},
            "window": [question.window.low, question.window.high],
            "destroyed": [each.fault.to_json() for each in question.recreated],
            "keep_streams": question.keep_streams,
        },
        "groups": [[*key, counts.tolist()] for key, counts in partial.groups.items()],
        "logs": [[*key, counts.tolist()] for key, counts in partial.logs.items()],
        "activity": [[*source, _activity(each, put)] for source, each in partial.activity.items()],
        "sets": {
            name: [[*_flat(key), _offsets(offsets, put)] for key, offsets in getattr(partial, name).items()]
            for name in (*_SETS, *_LOG_SETS)
        },
        "arrived": [[*log, *bounds] for log, bounds in partial.arrived.items()],
        "offenders": [[*key, [o.to_json() for o in found]] for key, found in partial.offenders.items()],
        "candidates": [[*log, late, [o.to_json() for o in f]] for (log, late), f in partial.candidates.items()],
        "ambiguous": partial.ambiguous,
        "odd_times": {label: [odd.count, list(odd.first), odd.row] for label, odd in partial.odd_times.items()},
        "unlogged": [partial.unlogged, partial.first_unlogged],
        "streams": put(partial.streams),
    }


def decode(data: Mapping[str, Any], arrays: Sequence[Array], *, most: int) -> Portable:
    """Return what `encode` was given. Raises ValueError, TypeError, LookupError or UsageError for anything else.

    most: the bytes that sets of offsets may take.
    """
    reader = _Reader(arrays, most)
    facts = None if data["facts"] is None else RunFacts.from_json(data["facts"])
    ledgers = Ledgers(tuple(_instance(each, reader) for each in data["ledgers"]), tuple(map(_text, data["absent"])))
    if not ledgers.instances:
        raise ValueError("it has no ledger")
    asked = data["question"]
    low, high = map(_whole, asked["window"])
    question = Question(
        ledgers,
        {_text(group): _texts(topics) for group, topics in asked["groups"].items()},
        frozenset(map(_cluster, asked["left"])),
        {_text(topic): frozenset(map(_cluster, left)) for topic, left in asked["topic_left"].items()},
        {_text(route): _texts(topics) for route, topics in asked["routes"].items()},
        Window(low, high),
        tuple(Recreated(Destroyed.from_json(each), {}) for each in asked["destroyed"]),
        bool(asked["keep_streams"]),
    )
    host, shard = _part(data, "host"), _part(data, "shard")
    ranges = joined((_whole(first), _whole(last)) for first, last in data["ranges"])
    partial = _partial(data, reader)
    labels = {each.label for each in ledgers.instances}
    if unknown := set(partial.odd_times) - labels:
        raise ValueError(f"no ledger {min(unknown)!r}")
    return Portable(question, partial, facts, _text(data["name"]), host, shard, ranges, _text(data["ledgers_id"]))


def _part(data: Mapping[str, Any], name: str) -> Part:
    number, of = map(_whole, data[name])
    if not 1 <= number <= of <= 1 << 16:
        raise ValueError(f"{name} {number} of {of}")
    return Part(number, of)


def _flat(key: Log | tuple[str, Log]) -> tuple[Any, ...]:
    return key if len(key) == 3 else (key[0], *key[1])


def _ledger(each: InstanceLedger, put: Any) -> dict[str, Any]:
    rows = each.rows
    assert isinstance(rows, StoredRows)  # noqa: S101 - what a Portable's ledgers have
    names = [
        [stream, name.topic, None if name.key is None else name.key.hex(), name.partition]
        for stream, name in rows.names.items()
    ]
    return {
        "label": each.label,
        "meta": asdict(each.meta),
        "events": rows.count,
        "torn": each.torn,
        "doubt": each.doubt,
        "topics": list(rows.topics),
        "names": names,
        "commits": [put(np.ascontiguousarray(getattr(rows.columns, name))) for name in _CONTROL],
    }


def _instance(data: Mapping[str, Any], reader: "_Reader") -> InstanceLedger:
    meta = data["meta"]
    topics = tuple(map(_text, data["topics"]))
    columns = dict(zip(_CONTROL, (reader.get(number) for number in data["commits"]), strict=True))
    rows = np.zeros(len(columns["offset"]), ROW_DTYPE)
    for name, values in columns.items():
        if values.dtype != ROW_DTYPE[name] or len(values) != len(rows):
            raise ValueError(f"commits of {data['label']!r:.60}: column {name}")
        rows[name] = values
    if len(rows) and int(rows["topic"].max()) >= len(topics):
        raise ValueError(f"commits of {data['label']!r:.60}: a topic without a name")
    rows["event"], rows["sequence"] = COMMITTED, -1
    names = {
        _whole(stream): StreamName(_text(topic), None if key is None else bytes.fromhex(key), _whole(partition))
        for stream, topic, key, partition in data["names"]
    }
    known = Meta(**meta | {name: None if meta[name] is None else tuple(meta[name]) for name in ("topics", "sealed")})
    if known.role not in ("producer", "consumer"):
        raise ValueError(f"role {known.role!r:.60}")
    stored = StoredRows(Columns.of_rows(rows), topics, names, _whole(data["events"]))
    return InstanceLedger(_text(data["label"]), known, stored, _whole(data["torn"]), None, _text(data["doubt"]))


def _activity(each: Activity, put: Any) -> dict[str, Any]:
    filled = np.flatnonzero(each.filled)
    first = each.first[filled] - (filled + each.start) * each.width_ns
    last = each.last[filled] - (filled + each.start) * each.width_ns
    return {
        "width_ns": each.width_ns,
        "start": each.start,
        "buckets": len(each.count),
        "arrays": [put(values.astype(np.int64)) for values in (filled, each.count[filled], first, last)],
    }


def _activity_from(data: Mapping[str, Any], reader: "_Reader") -> Activity:
    width, start, buckets = (_whole(data[name]) for name in ("width_ns", "start", "buckets"))
    filled, count, first, last = (reader.int64(number) for number in data["arrays"])
    sane = width >= 1 and len({len(filled), len(count), len(first), len(last)}) == 1 and len(filled) > 0
    if not sane or bucket_width(start * width, (start + buckets) * width - 1, width) != width:
        raise ValueError("activity does not fit its buckets")
    inside = (filled >= 0) & (filled < buckets) & (count > 0) & (first >= 0) & (first <= last) & (last < width)
    if not inside.all() or (np.diff(filled) <= 0).any():
        raise ValueError("activity does not fit its buckets")
    empty = Activity.empty(width, start, buckets)
    empty.count[filled] = count
    empty.first[filled] = first + (filled + start) * width
    empty.last[filled] = last + (filled + start) * width
    return empty


def _offsets(offsets: OffsetSet, put: Any) -> list[int]:
    low, high = offsets.intervals()
    return [put(low), put(high - low)]


class _Reader:
    """The arrays of a file, and how much memory sets of offsets may still take."""

    def __init__(self, arrays: Sequence[Array], most: int) -> None:
        self._arrays = arrays
        self._left = most

    def get(self, number: Any) -> Array:
        return self._arrays[_whole(number)]

    def int64(self, number: Any) -> Int64:
        values = self.get(number)
        if values.dtype != np.int64:
            raise ValueError("an array has another type")
        return values

    def offsets(self, numbers: Any) -> OffsetSet:
        low, more = (self.int64(number) for number in numbers)
        if len(low) != len(more):
            raise ValueError("offsets without an end")
        result = OffsetSet()
        if not len(low):
            return result
        if low[0] < 0 or (more < 0).any() or (more > np.iinfo(np.int64).max - low - 1).any():
            raise ValueError("offsets out of range")
        if (low[1:] <= low[:-1] + more[:-1]).any():
            raise ValueError("offsets out of order")
        # What bits of long stretches take, and single numbers of short ones.
        chunks = float(((low + more) // CHUNK - low // CHUNK + 1)[more >= 64].astype(np.float64).sum())
        self._left -= int(chunks * (CHUNK // 8)) + 8 * int(more[more < 64].sum() + len(more))
        if self._left < 0:
            raise ValueError("its offsets take more memory than a partial may")
        short = more < 64
        if short.any():
            size = more[short] + 1
            begin = np.repeat(low[short] - (np.cumsum(size) - size), size)
            result.add(begin + np.arange(int(size.sum())))
        for start, length in zip(low[~short].tolist(), more[~short].tolist(), strict=True):
            result.add_between(start, start + length + 1)
        return result


def _partial(data: Mapping[str, Any], reader: _Reader) -> Partial:
    partial = Partial()
    for group, topic, partition, counts in data["groups"]:
        partial.groups[_text(group), _text(topic), _whole(partition)] += _counts(counts, GROUP_COUNTS)
    for topic, partition, counts in data["logs"]:
        partial.logs[_text(topic), _whole(partition)] += _counts(counts, LOG_COUNTS)
    for kind, who, cluster, route, activity in data["activity"]:
        if kind not in ("acks", "route-acks", "deliveries"):
            raise ValueError(f"activity {kind!r:.60}")
        source = Source(kind, _text(who), _cluster(cluster), _text(route))
        partial.add_activity(source, _activity_from(activity, reader))
    _add_sets(partial, data, reader)
    _add_offenders(partial, data)
    partial.ambiguous = _whole(data["ambiguous"])
    count, first = data["unlogged"]
    partial.add_unlogged(_whole(count), None if first is None else (_whole(first[0]), _whole(first[1])))
    streams = reader.get(data["streams"])
    if streams.dtype != np.uint64 or (streams[1:] <= streams[:-1]).any():
        raise ValueError("streams out of order")
    partial.add_streams(streams)
    return partial


def _add_sets(partial: Partial, data: Mapping[str, Any], reader: _Reader) -> None:
    for name in _SETS:
        for group, cluster, topic, partition, offsets in data["sets"][name]:
            getattr(partial, name)[_text(group), _log(cluster, topic, partition)].merge(reader.offsets(offsets))
    for name in _LOG_SETS:
        for cluster, topic, partition, offsets in data["sets"][name]:
            getattr(partial, name)[_log(cluster, topic, partition)].merge(reader.offsets(offsets))
    for cluster, topic, partition, low, high in data["arrived"]:
        partial.add_arrived(_log(cluster, topic, partition), _whole(low), _whole(high))


def _add_offenders(partial: Partial, data: Mapping[str, Any]) -> None:
    for kind, group, found in data["offenders"]:
        whose = None if group is None else _text(group)
        partial.add_offenders(_text(kind), whose, [Offender.from_json(each) for each in found])
    for cluster, topic, partition, late, found in data["candidates"]:
        some = [Offender.from_json(each) for each in found]
        partial.add_candidates(_log(cluster, topic, partition), some, latest=bool(late))
    for label, (count, first, row) in data["odd_times"].items():
        time_ns, stream, sequence = map(_whole, first)
        partial.add_odd_times(label, OddTimes(_whole(count), (time_ns, stream, sequence), _text(row)))


def _counts(values: Any, names: Sequence[str]) -> Int64:
    counts = np.array([_whole(value) for value in values], np.int64)
    if len(counts) != len(names) or (counts < 0).any():
        raise ValueError("counts that do not fit their names")
    return counts


def _log(cluster: Any, topic: Any, partition: Any) -> Log:
    return _cluster(cluster), _text(topic), _whole(partition)


def _cluster(value: Any) -> int:
    if _whole(value) not in CLUSTER_NAMES:
        raise ValueError(f"cluster {value}")
    return int(value)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r:.60} is no whole number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value


def _texts(values: Any) -> frozenset[str]:
    return frozenset(map(_text, values))
