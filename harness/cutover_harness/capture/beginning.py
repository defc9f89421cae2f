"""Start and end offsets of each partition, at the beginning and after an interruption."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from cutover_harness import __version__
from cutover_harness.capture.changes import Change, Layout, What, compare
from cutover_harness.capture.cluster import ClusterView
from cutover_harness.capture.follow import removed, resumed
from cutover_harness.capture.format import SHARD_NOTE, CaptureInfo
from cutover_harness.capture.options import RecordOptions, Shard
from cutover_harness.capture.parts import Progress, State
from cutover_harness.types import PartitionId
from cutover_harness.words import counted


def begin(view: ClusterView, options: RecordOptions, earlier: State | None) -> State:
    """Return the initial state; `earlier`: the state of the previous sitting.

    Raises CaptureError.
    """
    before = {} if earlier is None else dict(CaptureInfo.from_json(earlier.info).topics)
    topics = view.partitions(options.topics, options.exclude, before)
    ids = view.ids(topics)
    state = State(options.asked(), time.time(), "") if earlier is None else earlier
    if earlier is not None:
        known = Layout({name: each.partitions for name, each in before.items()}, state.ids)
        resumed(state, compare(known, Layout(topics, ids)))
    partitions = [(topic, p) for topic, count in topics.items() for p in range(count) if options.has((topic, p))]
    state.partitions = _progresses(view, options, state, partitions, resumes=earlier is not None)
    state.ids = {**state.ids, **ids}
    info = CaptureInfo(
        recorded=datetime.fromtimestamp(state.started, UTC).isoformat(timespec="seconds"),
        topics={**before, **view.topic_infos(topics)},  # also needed for records of a deleted topic
        groups=view.groups(topics),
        notes={
            "recorder": f"kafka-cutover {__version__}",
            **({"masked": options.mask} if options.mask else {}),
            **({} if options.shard is None else {SHARD_NOTE: str(options.shard)}),
            **view.notes,
        },
    )
    state.info = info.to_json()
    return state


def without_partition(shard: Shard, topics: Mapping[str, int]) -> str | None:
    """Return in words that a shard has no partition, None if it has one. topics: partition counts."""
    partitions = [(topic, number) for topic, count in topics.items() for number in range(count)]
    if any(map(shard.has, partitions)):
        return None
    used = sum(any(Shard(n, shard.count).has(each) for each in partitions) for n in range(1, shard.count + 1))
    return (
        f"shard {shard} has no partition: {used} of the {counted(shard.count, 'shard')} record all "
        f"{counted(len(partitions), 'partition')}. Its capture stays empty unless partitions are added; give it to "
        "--merge all the same"
    )


def _progresses(
    view: ClusterView, options: RecordOptions, state: State, partitions: list[PartitionId], *, resumes: bool
) -> dict[str, dict[str, Progress]]:
    """Return the progress of each partition: that of the previous sitting, or its start.

    Notes in `state` what has happened to its records since.
    """
    earlier = state.partitions
    ends, starts = _ends(view, options, partitions), view.earliest(partitions)
    first = starts if resumes else _first(view, options, partitions)  # new partitions: from their start
    latest = view.latest(partitions, read_committed=False) if resumes else {}
    out: dict[str, dict[str, Progress]] = {topic: dict(ps) for topic, ps in earlier.items()}
    for where in partitions:
        topic, number = where
        known = earlier.get(topic, {}).get(str(number))
        if known is None:
            progress = Progress(first[where], ends[where])
        else:
            if known.next > latest[where]:  # brokers before 2.8 have no topic ids
                resumed(state, [Change(What.RECREATED, topic, 0, 0)])
            elif topic not in state.closed and starts[where] > known.next:
                state.missing = [*state.missing, removed(where, known.next, starts[where])]
            progress = Progress(max(known.next, starts[where]), ends[where], known.largest)
        out.setdefault(topic, {})[str(number)] = progress
    over = {*state.closed, *(earlier.keys() - {topic for topic, _ in partitions})}
    for topic in over & out.keys():
        kept = earlier.get(topic, {})
        out[topic] = {p: Progress(each.next, each.next, each.largest) for p, each in kept.items()}
    return out


def _first(view: ClusterView, options: RecordOptions, partitions: list[PartitionId]) -> dict[PartitionId, int]:
    if options.since_ms is not None:
        return view.at(partitions, options.since_ms, read_committed=options.read_committed)
    if options.duration_s is not None:
        return view.latest(partitions, read_committed=options.read_committed)
    return view.earliest(partitions)


def _ends(view: ClusterView, options: RecordOptions, partitions: list[PartitionId]) -> Mapping[PartitionId, int | None]:
    if options.duration_s is not None:
        return dict.fromkeys(partitions)
    if options.until_ms is not None:
        return view.at(partitions, options.until_ms, read_committed=options.read_committed)
    return view.latest(partitions, read_committed=options.read_committed)
