"""The table of `kafka-cutover fleet`: lines of text for a width, and the style of each."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from cutover_harness.cli.fleet_rows import BAD, Fleet, Row, Standing

STYLES: dict[Standing, str] = {
    "missing": "bold red",
    "silent": "bold red",
    "refuses": "red",
    "behind": "yellow",
    "attests": "green",
    "ended": "dim",
}
_GAP = "  "
_INDENT = "    "
_NARROWEST_WHY = 20
_STACKED = 4
"""Columns that stacked rows have: those that are left out no earlier than this."""


@dataclass(frozen=True)
class Column:
    """A column: its heading, its cell for a row, and when it is left out (0: never; the highest number first)."""

    heading: str
    cell: Callable[[Row], str]
    leaves: int = 0
    right: bool = False


def _times(row: Row) -> str:
    """Return how long before now the last acknowledgement or delivery was, by the client's own clock."""
    if row.last_at is None or row.updated is None:
        return "-"
    return span(max(0.0, row.updated - row.last_at) + (row.silent_s or 0.0))


def _blackout(row: Row) -> str:
    found = row.blackout
    if found is None:
        return "-"
    if found.seconds is not None:
        return span(found.seconds)
    if found.first_at is None and found.last_at is not None and row.updated is not None and row.standing != "ended":
        return f">{span(max(0.0, row.updated - found.last_at))}"
    return "unknown"


def _count(found: int | None) -> str:
    return "-" if found is None else f"{found:,}"


def _state(row: Row) -> str:
    at = {"hold": "held"}.get(str(row.desired), row.desired)
    return "-" if row.state is None else row.state if row.state == at else f"{row.state}>{row.desired}"


def _generation(row: Row) -> str:
    if row.seen is None:
        return "-"
    seen = "none" if row.seen < 0 else str(row.seen)
    return seen if row.generation in (None, row.seen) else f"{row.generation}>{seen}"


COLUMNS = (
    Column("", lambda row: row.standing),
    Column("client", lambda row: row.client),
    Column("app", lambda row: row.app or "-", leaves=7),
    Column("route", lambda row: row.route or "-"),
    Column("role", lambda row: row.role or "-", leaves=5),
    Column("on", lambda row: row.cluster or "-"),
    Column("state", _state),
    Column("gen", _generation, right=True),
    Column("channel", lambda row: "-" if row.channel is None else _kind(row.channel), leaves=6),
    Column("in flight", lambda row: _count(row.in_flight), leaves=3, right=True),
    Column("held", lambda row: _count(row.held), leaves=2, right=True),
    Column("last", _times, leaves=4, right=True),
    Column("blackout", _blackout, leaves=1, right=True),
    Column("silent", lambda row: "-" if row.silent_s is None else span(row.silent_s), right=True),
)


def _kind(channel: str) -> str:
    """Return a channel without what is the same for all clients: a file's path, a topic's or ConfigMap's name."""
    kind, _, rest = channel.partition(":")
    return f"{kind}@{rest.rpartition('@')[2]}" if kind == "kafka" else kind


def lines(name: str, fleet: Fleet, *, width: int | None, ended: bool, problem: str | None = None) -> Iterator[Text]:
    """Return the lines of a table at most `width` cells wide (None: as wide as needed).

    ended: whether to list the clients that have ended. problem: why the statuses may be old.
    """
    yield from _folded(headline(name, fleet), width)
    if problem is not None:
        yield from _folded(Text(f"not read again: {problem}", style="bold red"), width)
    shown = [row for row in fleet.rows if ended or row.standing != "ended"]
    if not shown:
        return
    yield Text("")
    columns, stacked = _fitting(shown, width)
    yield from _stacked(shown, columns, width) if stacked else _table(shown, columns, width)
    if (longest := blackouts(fleet)) is not None:
        yield Text("")
        yield from _folded(Text(longest), width)
    left_out = [column.heading for column in _columns(shown) if column not in columns]
    if left_out:
        yield from _folded(Text(f"no room for: {', '.join(left_out)} (--json has all)", style="dim"), width)


def headline(name: str, fleet: Fleet) -> Text:
    """Return the line that says how the fleet is."""
    return Text(f"{name}: {summary(fleet)}", style="bold")


def summary(fleet: Fleet) -> str:
    """Return how many attest which generation, in words."""
    counts = fleet.counts
    judged = sum(counts[standing] for standing in (*BAD, "attests"))
    if not judged:
        return "no client reports" + (f"; {counts['ended']} ended" if counts["ended"] else "")
    at = "no generation" if fleet.generation is None else f"generation {fleet.generation}"
    rest = [f"{counts[standing]} {standing}" for standing in (*BAD, "ended") if counts[standing]]
    return f"{at}: {counts['attests']} of {judged} attest" + (f"; {', '.join(rest)}" if rest else "")


def blackouts(fleet: Fleet) -> str | None:
    """Return the longest blackout of each role in its last switch, None if no client has switched."""
    found = []
    for role, longest in fleet.blackouts.items():
        if longest is not None:
            time = "not known" if longest.seconds is None else span(longest.seconds)
            whose = f"{longest.client}, " if longest.client is not None else ""
            found.append(f"{role}s {time} ({whose}generation {longest.generation})")
    return f"longest blackout of the last switch: {', '.join(found)}" if found else None


def span(seconds: float) -> str:
    """Return a time span in at most six characters."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    for size, unit in ((120, "s"), (120 * 60, "min"), (48 * 3600, "h")):
        if seconds < size:
            return f"{seconds / {'s': 1, 'min': 60, 'h': 3600}[unit]:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


# -- layout ------------------------------------------------------------------------------------------------------------


def _fitting(rows: Sequence[Row], width: int | None) -> tuple[list[Column], bool]:
    """Return the columns that fit, and whether rows have to be stacked, as the most important ones do not fit."""
    columns = _columns(rows)
    if width is None:
        return columns, False
    for column in sorted(columns, key=lambda each: -each.leaves):
        if sum(_widths(rows, columns)) + len(_GAP) * (len(columns) - 1) <= width:
            return columns, False
        if column.leaves:
            columns.remove(column)
    return [column for column in _columns(rows) if column.leaves <= _STACKED], True


def _columns(rows: Sequence[Row]) -> list[Column]:
    return [c for c in COLUMNS if c.heading != "silent" or any(row.silent_s is not None for row in rows)]


def _widths(rows: Sequence[Row], columns: Sequence[Column]) -> list[int]:
    return [max(cell_len(c.heading), *(cell_len(c.cell(row)) for row in rows)) for c in columns]


def _table(rows: Sequence[Row], columns: Sequence[Column], width: int | None) -> Iterator[Text]:
    widths = _widths(rows, columns)
    yield Text(_line([c.heading for c in columns], columns, widths), style="bold")
    for row in rows:
        line = Text(_line([c.cell(row) for c in columns], columns, widths))
        line.stylize(STYLES[row.standing], 0, None if row.standing in ("missing", "ended") else len(row.standing))
        yield line
        yield from _why(row, width)


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    padded = []
    for cell, column, size in zip(cells, columns, widths, strict=True):
        blank = " " * (size - cell_len(cell))
        padded.append(blank + cell if column.right else cell + blank)
    return _GAP.join(padded).rstrip()


def _stacked(rows: Sequence[Row], columns: Sequence[Column], width: int | None) -> Iterator[Text]:
    """Return each row as the client's name, and everything else below it."""
    for row in rows:
        line = Text(f"{row.standing} {row.client}")
        line.stylize(STYLES[row.standing], 0, len(row.standing))
        yield from _folded(line, width)
        cells = [f"{c.heading} {c.cell(row)}" for c in columns if c.heading not in ("", "client")]
        yield from _folded(Text(_INDENT + ", ".join(cell for cell in cells if not cell.endswith(" -"))), width)
        yield from _why(row, width)


def _why(row: Row, width: int | None) -> Iterator[Text]:
    if row.why is None or row.standing == "ended":
        return
    style = STYLES[row.standing] if row.standing in BAD else "dim"
    yield from _folded(Text(f"{_INDENT}{row.why}", style=style), width)


def _folded(line: Text, width: int | None) -> Iterator[Text]:
    """Return the line, in several ones if it is too long; the further ones are indented."""
    if width is None or cell_len(line.plain) <= width:
        yield line
        return
    size = max(width, _NARROWEST_WHY)
    indent = _INDENT if line.plain.startswith(_INDENT) else ""
    for number, part in enumerate(textwrap.wrap(line.plain.strip(), size - len(indent) - 2, break_on_hyphens=False)):
        folded = Text(f"{indent}{'  ' if number else ''}{part}", style=line.style)
        if not number:
            folded.spans = [span for span in line.spans if span.end <= len(part)]
        yield folded
