"""`record --merge`: one capture of the captures that several machines made of the same topics, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path

import pyarrow as pa

from cutover_harness.capture.columns import DUE, row_groups
from cutover_harness.capture.earlier import Earlier
from cutover_harness.capture.format import SHARD_NOTE, CaptureError, CaptureInfo, CaptureReader, TopicInfo
from cutover_harness.capture.options import Shard, in_words, shard_in
from cutover_harness.capture.output import GROUP_BYTES, GROUP_ROWS
from cutover_harness.capture.parts import INTERRUPTED_NOTE, STATE_NOTE, State
from cutover_harness.capture.pool import Pool
from cutover_harness.capture.writer import CaptureWriter
from cutover_harness.types import PartitionId


@dataclass(frozen=True)
class Merged:
    """A merged capture: its records, and what was asked for and is not in it."""

    records: int
    missing: tuple[str, ...]


def merge(files: Sequence[Path], out: Path) -> Merged:
    """Write the records of all captures to `out`, in constant memory. A partition's own order stays.

    Raises CaptureError if a file is no capture or there is only one, if a shard or a partition is in two of them, if
    they are shards of different recordings, or if `out` exists.
    """
    if len(files) < 2:
        raise CaptureError(f"record --merge: give the captures of all shards; found {len(files)}")
    if out.exists():
        raise CaptureError(f"capture {out}: exists already; merge into another file")
    infos = {file: _info(file) for file in files}
    if len(infos) < len(files):
        raise CaptureError("record --merge: the same file is given twice")
    shards = {file: _shard(file, info) for file, info in infos.items()}
    lacking = _lacking(shards)
    _refuse_other_recordings({file: _state(file, info) for file, info in infos.items()})
    for file, shard in shards.items():
        if (why := infos[file].notes.get(INTERRUPTED_NOTE)) is not None:
            lacking.append(f"the rest of shard {shard} ({why})")
    info = _of_all(list(infos.values()), lacking)
    with CaptureWriter(out) as writer:
        _merge(files, writer)
        if not writer.records:
            raise CaptureError(
                f"record --merge: none of the {len(files)} captures contains a record: record for longer"
            )
        writer.close(info)
    missing = info.notes.get("missing")
    return Merged(writer.records, () if missing is None else (missing,))


def _info(file: Path) -> CaptureInfo:
    with CaptureReader(file, may_be_empty=True) as reader:
        return reader.info


def _shard(file: Path, info: CaptureInfo) -> Shard:
    note = info.notes.get(SHARD_NOTE)
    if note is None:
        raise CaptureError(f"capture {file}: is no shard of a recording: record each with --shard I/N")
    if (shard := shard_in(note)) is None:
        raise CaptureError(f"capture {file}: its shard is {note!r}, expected I/N: record it again")
    return shard


def _lacking(shards: Mapping[Path, Shard]) -> list[str]:
    """Return the shards that are not given. Raises CaptureError for one that is given twice, or of other recordings."""
    seen: dict[Shard, Path] = {}
    for file, shard in shards.items():
        if shard in seen:
            raise CaptureError(f"capture {file}: shard {shard} is given twice, the other one is {seen[shard]}")
        seen[shard] = file
    counts = {shard.count: file for shard, file in seen.items()}
    if len(counts) > 1:
        named = ", ".join(f"{file} is one of {count}" for count, file in sorted(counts.items()))
        raise CaptureError(f"record --merge: shards of different recordings: {named}")
    (count,) = counts
    return [f"shard {each}" for n in range(1, count + 1) if (each := Shard(n, count)) not in seen]


def _state(file: Path, info: CaptureInfo) -> State:
    try:
        return State.from_json(info.notes[STATE_NOTE])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as why:
        raise CaptureError(f"capture {file}: invalid resume state ({why!r}): record it again") from why


def _refuse_other_recordings(states: Mapping[Path, State]) -> None:
    """Raise CaptureError if two shards were asked for different records, or are of topics with different ids."""
    for (file, state), (other, its) in pairwise(states.items()):
        for name in sorted({*state.asked, *its.asked} - {SHARD_NOTE}):
            if (mine := state.asked.get(name)) != (found := its.asked.get(name)):
                raise CaptureError(
                    f"record --merge: shards of different recordings: {file} has {in_words(name, mine)}, "
                    f"{other} {in_words(name, found)}"
                )
    ids: dict[str, tuple[str, Path]] = {}
    recreated = set(chain.from_iterable(state.closed for state in states.values()))  # while it was recorded
    for file, state in states.items():
        for topic, topic_id in state.ids.items():
            known, other = ids.setdefault(topic, (topic_id, file))
            if known != topic_id and topic not in recreated:
                raise CaptureError(
                    f"record --merge: shards of different recordings: topic {topic} of {file} and of {other} have "
                    f"different ids ({topic_id}, {known}): another cluster, or the topic was recreated in between"
                )


def _of_all(infos: Sequence[CaptureInfo], lacking: Sequence[str]) -> CaptureInfo:
    """Return the metadata of the whole: topics as the last one saw them, and all notes but those to resume with."""
    topics: dict[str, TopicInfo] = {}
    for name, each in chain.from_iterable(info.topics.items() for info in infos):
        known = topics.get(name)
        topics[name] = each if known is None or each.partitions > known.partitions else known
    notes = {
        name: "; ".join(dict.fromkeys(info.notes[name] for info in infos if name in info.notes))
        for name in dict.fromkeys(chain.from_iterable(info.notes for info in infos))
        if name not in (STATE_NOTE, SHARD_NOTE, INTERRUPTED_NOTE)
    }
    if lacking:
        notes["missing"] = "; ".join([*filter(None, [notes.get("missing")]), *lacking])
    first = min(infos, key=lambda info: info.recorded)
    return replace(first, topics=topics, notes={**notes, "merged": f"{len(infos)} shards"})


def _merge(files: Sequence[Path], writer: CaptureWriter) -> None:
    sources, pool, homes = {file: Earlier(file) for file in files}, Pool(), _Homes()
    while ahead := {file: at for file, each in sources.items() if (at := each.certain) is not None}:
        slowest = min(ahead, key=ahead.__getitem__)
        chunk = sources[slowest].take()
        homes.add(slowest, chunk.rest)
        pool.add(chunk)
        bounds = [at for each in sources.values() if (at := each.certain) is not None]
        certain = min(bounds, default=None)
        if certain is None or pool.due(certain) >= GROUP_BYTES:
            taken = pool.take(certain)
            for group in row_groups(taken, GROUP_ROWS, GROUP_BYTES) if taken else ():
                writer.write(group.drop_columns([DUE]))


class _Homes:
    """In which capture each partition is."""

    def __init__(self) -> None:
        self._files: dict[PartitionId, Path] = {}

    def add(self, file: Path, rows: pa.RecordBatch) -> None:
        """Note the partitions of rows. Raises CaptureError if another capture has one of them, too."""
        for topic, partition in _partitions(rows):
            other = self._files.setdefault((topic, partition), file)
            if other != file:
                raise CaptureError(f"capture {file}: has records of {topic}-{partition}, and so has {other}")


def _partitions(rows: pa.RecordBatch) -> Iterable[PartitionId]:
    found = pa.table({"topic": rows.column("topic"), "partition": rows.column("partition")})
    return [
        (each["topic"], each["partition"]) for each in found.group_by(["topic", "partition"]).aggregate([]).to_pylist()
    ]
