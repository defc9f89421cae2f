"""Offsets of a route's groups on both clusters, kept in files before offsets are written, and put back from them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from confluent_kafka import KafkaException
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cutover_harness.admin import Admin
from cutover_harness.errors import UsageError
from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.inputs import read_input
from cutover_harness.mirror import Batch
from cutover_harness.mistake_words import first_words
from cutover_harness.procedure.protocols import ClusterLike
from cutover_harness.types import ClusterName, PartitionId
from cutover_harness.words import counted

FOLDER = "snapshots"
_AT_ONCE = 8
Offsets = dict[str, dict[str, dict[str, Annotated[int, Field(ge=0)]]]]
"""group -> topic -> partition -> offset of the next record."""


class Snapshot(BaseModel):
    """One file of offsets. What a group has not committed is not in it."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    at: datetime
    route: str
    step: str
    source_id: str | None = None
    target_id: str | None = None
    source: Offsets
    target: Offsets

    def of(self, cluster: ClusterName, group: str) -> dict[PartitionId, int]:
        """Return the offsets of a group on a cluster."""
        found = (self.source if cluster == "source" else self.target).get(group, {})
        return {(topic, int(number)): at for topic, its in found.items() for number, at in its.items()}


@dataclass(frozen=True)
class Snapshots:
    """Writes snapshots of a route's groups into a folder."""

    folder: Path
    route: str
    groups: Sequence[str]
    source: ClusterLike
    target: ClusterLike

    def take(self, number: int, step: str, topics: Sequence[str]) -> Path:
        """Write the offsets in `topics` as they are now, and return the file.

        Raises KafkaException, and UsageError if the file cannot be written.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = {
                name: {group: pool.submit(cluster.committed, group, topics) for group in self.groups}
                for name, cluster in (("source", self.source), ("target", self.target))
            }
            offsets = {
                name: {group: _nested(future.result()) for group, future in its.items()} for name, its in found.items()
            }
        at = datetime.now(UTC)
        snapshot = Snapshot(
            at=at,
            route=self.route,
            step=step,
            source_id=self.source.cluster_id(),
            target_id=self.target.cluster_id(),
            source=offsets["source"],
            target=offsets["target"],
        )
        file = self.folder / f"{number + 1:02d}-{step}-{at:%Y%m%dT%H%M%S}.json"
        try:
            self.folder.mkdir(exist_ok=True)
            write_atomic(file, snapshot.model_dump_json(indent=1), mode=PRIVATE, durable=True)
        except OSError as why:
            raise UsageError(f"{file}: cannot be written: {why.strerror}") from None
        return file


def read_snapshot(file: Path, batch: Batch) -> Snapshot:
    """Return the snapshot in a file. Raises UsageError that names file and field, or for one of another batch."""
    try:
        found = Snapshot.model_validate_json(read_input(file, "snapshot"))
    except ValidationError as why:
        raise UsageError(f"snapshot {file}: {first_words(why, 'file')}: give a file of the run's {FOLDER}/") from None
    for its in (found.source, found.target):
        for group, topics in its.items():
            for topic, partitions in topics.items():
                for number in partitions:
                    if not re.fullmatch(r"\d{1,9}", number):
                        raise UsageError(f"snapshot {file}: {group}.{topic}.{number}: is no partition")
    if found.route != batch.name:
        raise UsageError(f"snapshot {file}: is of route {found.route}, not of {batch.name}")
    foreign = set(found.source) ^ set(batch.groups)
    foreign |= {topic for topics in found.source.values() for topic in topics if not batch.mirrors(topic)}
    if foreign:
        raise UsageError(
            f"snapshot {file}: has other groups or topics than the batch ({', '.join(sorted(foreign)[:5])}): give one "
            f"of its run's {FOLDER}/"
        )
    return found


def put_back(snapshot: Snapshot, cluster: Admin, groups: Sequence[str]) -> dict[str, int]:
    """Set the groups' offsets on the source to those of the snapshot, read them back; return how many of each group.

    Partitions that are not in the snapshot keep what they have. Raises UsageError if the source is another cluster than
    the one of the snapshot or a group has members there, before anything is written, or if an offset is not there
    afterwards.
    """
    try:
        if snapshot.source_id != (there_id := cluster.cluster_id()):
            raise UsageError(
                f"the snapshot has offsets of cluster {snapshot.source_id or 'that it does not name'}, but the source "
                f"is {there_id or 'one without an id'}: offsets of one cluster mean nothing on another; nothing was "
                "changed"
            )
        for group in groups:
            if names := cluster.member_names(group):
                raise UsageError(
                    f"group {group} has {counted(len(names), 'member')} on the source ({names[0]}): its offsets can be "
                    f"set only while it has none; nothing was changed"
                )
        counts = {}
        for group in groups:
            wanted = snapshot.of("source", group)
            cluster.set_committed(group, wanted)
            there = cluster.committed(group)
            if wrong := {at for at, offset in wanted.items() if there.get(at) != offset}:
                topic, partition = min(wrong)
                raise UsageError(f"group {group}: the offset of {topic}-{partition} is not the one that was set")
            counts[group] = len(wanted)
    except KafkaException as why:
        raise UsageError(f"source: the offsets cannot be set: {why.args[0].str()}") from None
    return counts


def words(snapshot: Snapshot, now: Mapping[str, Mapping[PartitionId, int]]) -> list[str]:
    """Return, in words, what `put_back` would change: each group's partitions that differ. now: offsets by group."""
    lines = []
    for group in sorted(snapshot.source):
        wanted, there = snapshot.of("source", group), now.get(group, {})
        differ = {at: offset for at, offset in wanted.items() if there.get(at) != offset}
        shown = ", ".join(
            f"{topic}-{number}: {there.get((topic, number), 'none')} -> {offset}"
            for (topic, number), offset in sorted(differ.items())[:5]
        )
        more = f" and {len(differ) - 5} more" if len(differ) > 5 else ""
        which = f": {shown}{more}" if differ else ""
        lines.append(f"group {group}: of {counted(len(wanted), 'offset')} {len(differ)} differ{which}")
    return lines


def _nested(offsets: Mapping[PartitionId, int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (topic, partition), offset in sorted(offsets.items()):
        found.setdefault(topic, {})[str(partition)] = offset
    return found
