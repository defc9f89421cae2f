"""`record --info`: describe a capture with a table and small charts on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from cutover_harness.capture.facts import BINS, CaptureFacts, TopicFacts, facts_of
from cutover_harness.capture.format import CaptureInfo, CaptureReader
from cutover_harness.console import plain
from cutover_harness.named_rows import print_rows
from cutover_harness.words import counted, sized

_BARS = "▁▂▃▄▅▆▇█"


def describe(file: Path, console: Console | None = None) -> None:
    """Print a description of the capture `file`. Raises CaptureError if it is none."""
    console = console or Console()
    if not console.is_terminal:
        console.width = 120
    with CaptureReader(file) as reader:
        facts, info = facts_of(reader), reader.info
    clock = facts.clock
    span = max(clock.span_s, 1.0)  # a shorter capture has no rate per second
    size = sum(topic.bytes for topic in facts.topics.values())
    console.print(f"[bold]{plain(str(file))}[/], recorded {plain(info.recorded)}", soft_wrap=True)
    console.print(
        f"{counted(facts.records, 'record')}, {sized(size)}, {_time(clock.first_ms)} to {_time(clock.last_ms)} "
        f"({_span(clock.span_s)})"
    )
    console.print(
        f"{facts.records / span:,.3g} records/s and {sized(size / span)}/s on average, "
        f"at most {counted(facts.peak, 'record')} in one second "
        f"({facts.peak * span / facts.records:,.0f} times the average)"
    )
    console.print(f"{chart(facts.rate)}  records in each {_span(clock.span_s / BINS)}")
    if warning := clock.warning():
        console.print(f"warning: {escape(warning)}", soft_wrap=True)
    _print_figures(facts, console)
    _print_charts(facts, info, console)
    for note, text in info.notes.items():
        if note != "resume":
            console.print(plain(f"{note}: {text}"))
    if info.groups:
        console.print(plain("groups: " + ", ".join(f"{g.group} ({', '.join(g.committed)})" for g in info.groups)))


def _print_figures(facts: CaptureFacts, console: Console) -> None:
    columns = ("records", "bytes", "mean", "largest", "keys", "no key", "tombstones", "headers")
    rows = []
    for name, topic in facts.topics.items():
        keys = topic.keys.count()
        row = (
            name,
            f"{topic.records:,}",
            sized(topic.bytes),
            sized(topic.bytes / topic.records),
            sized(topic.largest),
            f"{keys:,}" if topic.keys.exact else f"~{keys:,}",
            f"{topic.unkeyed:,}",
            f"{topic.tombstones:,}",
            f"{topic.headers:,}",
        )
        rows.append(row)
    print_rows(console, ("topic", *columns), rows, folded=("topic",), right=columns, header_style="bold")


def _print_charts(facts: CaptureFacts, info: CaptureInfo, console: Console) -> None:
    rows = []
    for name, topic in facts.topics.items():
        count = info.topics[name].partitions if name in info.topics else 0
        rows.append((name, _sizes(topic.sizes), _partitions(topic, count)))
    headings = ("topic", "sizes", "partitions, and the hottest")
    print_rows(console, headings, rows, folded=("topic",), header_style="bold")


def _sizes(sizes: Counter[int]) -> str:
    low, high = min(sizes), max(sizes)
    if low == high:
        return f"≤{sized(2**low)}"
    return f"≤{sized(2**low)} {chart([sizes[power] for power in range(low, high + 1)])} ≤{sized(2**high)}"


def _partitions(topic: TopicFacts, count: int) -> str:
    count = max(count, max(topic.partitions) + 1)
    hottest, most = topic.partitions.most_common(1)[0]
    share = f"{100 * most / topic.records:.0f} % in {hottest}"
    return (
        f"{count}: {chart([topic.partitions[p] for p in range(count)])} {share}"
        if count <= BINS
        else f"{count}: {share}"
    )


def chart(values: Sequence[int]) -> str:
    """Return values as a line of bars, relative to the largest; a blank for 0."""
    top = max(values, default=0)
    return "".join(" " if not each else _BARS[(each * len(_BARS) - 1) // top] for each in values)


def _span(seconds: float) -> str:
    for limit, divisor, unit in ((180, 1, "s"), (3 * 3600, 60, "min"), (3 * 86_400, 3600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.1f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
