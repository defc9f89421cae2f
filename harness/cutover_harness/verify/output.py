"""The result on the terminal, and the progress before it."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from cutover_harness.console import LiveLines, standard_error
from cutover_harness.markdown import table
from cutover_harness.masking import visible
from cutover_harness.verify.batch import Progress
from cutover_harness.verify.model import Verification
from cutover_harness.words import counted, sized

_LINE_S = 10.0
_MOST_REASONS = 20
_HEADLINES = {
    "equal": "EQUAL: the target has every record that the source has",
    "different": "DIFFERENT",
    "unproved": "NO DIFFERENCE, BUT NOT PROVED",
}


class ProgressLine:
    """One live line on a terminal; elsewhere a plain line every 10 s."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or standard_error()
        self._live = LiveLines(self._console)
        self._next = time.monotonic() + _LINE_S

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show the progress."""
        if self._live.on:
            self._live.show(Text(line(progress), style="cyan", no_wrap=True, overflow="ellipsis"))
        elif (now := time.monotonic()) >= self._next:
            self._next = now + _LINE_S
            self._console.print(Text(line(progress)), soft_wrap=True)


def line(its: Progress) -> str:
    """Return the progress in a line."""
    share = its.offsets / its.of if its.of else 1.0
    speed = f"{its.records / its.seconds:,.0f} records/s, {sized(its.bytes / its.seconds)}/s" if its.seconds else ""
    left = "" if its.left_s is None else f", about {duration(its.left_s)} left"
    return f"{share:6.1%}  {its.partitions}/{counted(its.of_partitions, 'partition')}, read {speed}{left}"


def duration(seconds: float) -> str:
    """Return a time span in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def text(its: Verification, *, all_rows: bool = False) -> str:
    """Return the result as Markdown: partitions with something to tell, or all of them."""
    total = sum(each.compared for each in its.partitions)
    lines = [
        f"{_HEADLINES[its.outcome]}",
        (
            f"batch {visible(its.batch)}: {counted(total, 'record')} compared in "
            f"{counted(len(its.partitions), 'partition')}, {its.seconds:g} s"
        ),
    ]
    if its.sample is not None:
        lines.append(
            f"This is a sample of {its.sample.share:.3%} of the records (seed {its.sample.seed}): "
            "it proves nothing about the rest."
        )
    lines += map(visible, its.notes)
    rows = [
        (
            visible(each.name),
            f"{each.compared:,}",
            *(f"{kind.count:,}" for kind in (each.missing, each.extra, each.reordered, each.altered, each.twice)),
            _other(each),
        )
        for each in its.partitions
        if all_rows or each.different or each.notes or each.after
    ]
    if rows:
        head = ("partition", "compared", "missing", "extra", "reordered", "altered", "twice", "also")
        lines += ["", table(head, rows).rstrip()]
    if its.groups:
        lines += [
            "",
            f"{sum(each.proved for each in its.groups)} of {counted(len(its.groups), 'offset')} of groups proved",
        ]
    if its.reasons:
        lines += ["", *(f"- {visible(reason)}" for reason in its.reasons[:_MOST_REASONS])]
        if len(its.reasons) > _MOST_REASONS:
            lines.append(f"- and {len(its.reasons) - _MOST_REASONS} more, in the result file")
    return "\n".join(lines)


def _other(each: object) -> str:
    words = (
        ("compacted_source", "compacted on the source"),
        ("compacted_target", "compacted on the target"),
        ("removed_source", "removed from the source"),
        ("removed_target", "removed from the target"),
        ("after", "after the last mirrored"),
    )
    return ", ".join(f"{count:,} {name}" for field, name in words if (count := getattr(each, field)))
