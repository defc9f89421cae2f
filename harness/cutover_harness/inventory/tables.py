"""The listing as tables for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from cutover_harness.console import plain
from cutover_harness.inventory.model import PARTIAL, ClusterListing, Gap, GroupEntry, Listing, TopicEntry
from cutover_harness.inventory.words import date, flags, lag_of, number, rate, size, workers_of, writers_of
from cutover_harness.named_rows import print_rows
from cutover_harness.words import counted

MOST_ROWS = 60
"""Rows of a table on the terminal; the JSON and the page have all."""


def print_listing(listing: Listing, console: Console, *, all_rows: bool = False) -> None:
    """Print a summary, the topics and groups of each cluster, and what is not known."""
    most = None if all_rows else MOST_ROWS
    for name, cluster in listing.clusters.items():
        console.print(f"[bold]{name}[/] {plain(cluster.bootstrap)}: {plain(_summary(cluster))}", soft_wrap=True)
        _rows(console, "topic", _TOPIC_COLUMNS, [_topic(t) for t in cluster.topics if not t.internal], most)
        _rows(console, "group", _GROUP_COLUMNS, [_group(group) for group in cluster.groups], most)
    for connect in listing.connect:
        version = connect.version or "unknown version"
        console.print(f"[bold]Connect[/] {plain(connect.url)}: {plain(version)}, {workers_of(connect)}")
        rows = [
            [each.name, each.type, each.state, each.group or "", ", ".join(each.topics or ())]
            for each in connect.connectors or ()
        ]
        _rows(console, "connector", ("type", "state", "group", "topics"), rows, most)
    if listing.clients:
        roles = Counter(each.role for each in listing.clients if not each.ended)
        console.print(
            f"[bold]shim[/]: {counted(roles['producer'], 'producer')}, {counted(roles['consumer'], 'consumer')}"
        )
    for gap in listing.gaps:
        console.print(plain(gap_line(gap)), soft_wrap=True)
    if not listing.gaps:
        console.print("complete: nothing was hidden or left out")
    elif not listing.partial:
        console.print("complete, but for what the lines above name")


def gap_line(gap: Gap) -> str:
    """Return a gap in one line."""
    head = "partial, not known" if gap.kind in PARTIAL else "not known"
    cluster = f" of the {gap.cluster}" if gap.cluster else ""
    shown = ", ".join(gap.names[:5]) + (f" and {gap.count - 5} more" if gap.count > 5 else "")
    names = f" ({shown})" if gap.names else ""
    remedy = f": {gap.remedy}" if gap.remedy else ""
    return f"{head}: {gap.what}{cluster}{names}: {gap.why}{remedy}"


_TOPIC_COLUMNS = ("partitions", "size", "records/s", "last write", "properties", "written by", "read by", "stale")
_FOLDED = ("properties", "written by", "read by", "group", "topics", "last commit")
_GROUP_COLUMNS = ("state", "members", "topics", "lag", "last commit", "stale")


def _summary(cluster: ClusterListing) -> str:
    own = [topic for topic in cluster.topics if not topic.internal]
    stale_topics = sum(topic.stale == "yes" for topic in own)
    stale_groups = sum(group.stale == "yes" for group in cluster.groups)
    partitions = sum(topic.partitions for topic in own)
    kind = " ".join([cluster.kind, cluster.version or ""]).strip()
    return (
        f"{kind}, {counted(cluster.brokers, 'broker')}, {counted(len(own), 'topic')} ({stale_topics:,} stale) with "
        f"{counted(partitions, 'partition')}, {counted(len(cluster.groups), 'group')} ({stale_groups:,} stale)"
    )


def _topic(topic: TopicEntry) -> list[str]:
    readers = topic.readers[:2] + ([f"+{len(topic.readers) - 2}"] if len(topic.readers) > 2 else [])
    return [
        topic.name,
        str(topic.partitions),
        size(topic.bytes),
        rate(topic.grown_per_s),
        date(topic.last_write),
        flags(topic),
        writers_of(topic),
        ", ".join(readers),
        topic.stale,
    ]


def _group(group: GroupEntry) -> list[str]:
    return [
        group.name,
        group.state,
        number(None if group.members is None else len(group.members)),
        number(None if group.topics is None else len(group.topics)),
        lag_of(group),
        date(group.last_commit) if group.last_commit else "in the sample" if group.commits_moved else "?",
        group.stale,
    ]


def _rows(
    console: Console, first: str, columns: Sequence[str], rows: Sequence[Sequence[str]], most: int | None
) -> None:
    if not rows:
        return
    print_rows(console, (first, *columns), rows[:most], folded=(first, *_FOLDED), header_style="bold")
    if most is not None and len(rows) > most:
        console.print(f"… and {len(rows) - most:,} more; -o, --html or --all shows all")
