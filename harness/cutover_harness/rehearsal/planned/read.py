"""The files that a planned rehearsal is made of: plan, inventory, capture, policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from cutover_harness.capture.format import CaptureInfo, CaptureReader
from cutover_harness.errors import UsageError
from cutover_harness.inventory.model import ClusterListing, GroupEntry, GroupTopic, Listing, TopicEntry
from cutover_harness.judge.planned import Planned
from cutover_harness.planning.listing import read_listing
from cutover_harness.planning.model import PlannedBatch
from cutover_harness.planning.read import ReadPlan, read_plan
from cutover_harness.rehearsal.planned.parts import part_of
from cutover_harness.rehearsal.planned.source import Source
from cutover_harness.words import listed


def read_source(file: Path, capture: Path | None, names: Sequence[str] = ()) -> tuple[ReadPlan, Source]:
    """Return the plan in `file`, and what its scenarios are made of: the inventory that it names, and a capture.

    names: the batches that are rehearsed, all by default: the capture has to contain their topics. Without an inventory
    topics and groups are those of the capture. Raises UsageError.
    """
    read = read_plan(file)
    recorded = None if capture is None else _recorded(capture)
    inventory = read.plan.inventory
    about = Planned(
        name=read.plan.name,
        file=file.name,
        sha256=read.digest,
        inventory=None if inventory is None else Path(inventory.file).name,
        inventory_sha256=None,
        route="",
        batches=[],
    )
    if inventory is None:
        if recorded is None:
            raise UsageError(
                f"{file}: inventory: is missing, so topics and groups are not known: add inventory: {{file: …}}, or "
                "give recorded traffic with --capture"
            )
        return read, Source(read.plan, _listing_of(recorded), str(file), about, recorded.topics)
    listing, digest = read_listing(read.file(inventory.file))
    if inventory.sha256 not in (None, digest):
        raise UsageError(
            f"{file}: inventory: {inventory.file} has changed since the plan was made of it: run kafka-cutover plan "
            "again, which keeps your edits"
        )
    about = replace(about, inventory_sha256=digest)
    source = Source(read.plan, listing, str(file), about, None if recorded is None else recorded.topics)
    if capture is not None and recorded is not None:
        _check_capture(source, recorded, capture, names)
    return read, source


def _recorded(capture: Path) -> CaptureInfo:
    with CaptureReader(capture) as reader:
        return reader.info


def _check_capture(source: Source, recorded: CaptureInfo, capture: Path, names: Sequence[str]) -> None:
    """Raise UsageError, which names the topics, if the capture lacks topics of the batches."""
    batches: list[PlannedBatch] = [batch for batch in source.plan.batches if not names or batch.name in names]
    wanted = [topic for batch in batches for topic in part_of(batch, source.listing, source.origin).topics]
    absent = [topic for topic in wanted if topic not in recorded.topics]
    if absent:
        raise UsageError(
            f"capture {capture}: lacks {len(absent)} of {len(wanted)} topics of {source.origin}: "
            f"{listed(absent, 10)}: record them too, choose batches with --batch, or leave out --capture"
        )


def _listing_of(recorded: CaptureInfo) -> Listing:
    """Return a listing of a capture's topics and groups, for a plan without an inventory."""
    topics = [
        TopicEntry(
            name=name,
            internal=False,
            partitions=info.partitions,
            replication=1,
            config=dict(info.config),
            compacted="compact" in info.config.get("cleanup.policy", ""),
        )
        for name, info in recorded.topics.items()
    ]
    groups = [
        GroupEntry(
            name=group.group,
            type="classic",
            state="unknown",
            topics=[GroupTopic(topic=topic, committed=len(offsets)) for topic, offsets in group.committed.items()],
        )
        for group in recorded.groups
    ]
    return Listing(
        created=datetime.now(UTC),
        tool=version("kafka-cutover"),
        stale_days=0,
        sample_s=0,
        partial=False,
        clusters={"source": ClusterListing(bootstrap="", topics=topics, groups=groups)},
    )
