"""Tables whose rows begin with a name: on a narrow terminal each name gets a line, and the rest is below it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cutover_harness.masking import visible

Cell = str | Text
_LEAST = 12
"""Cells of a column that may be folded; in fewer, a name is no longer readable."""
_GAP = 1


def print_rows(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    folded: Collection[str],
    right: Collection[str] = (),
    header_style: str = "",
) -> None:
    """Print a table that is at most as wide as the console.

    Cells are plain: markup in them is shown as it is, and what would change a terminal as an escape.
    folded: headings of columns whose cells may continue in the next line. right: headings of columns of numbers.
    """
    texts = [[cell if isinstance(cell, Text) else Text(visible(cell)) for cell in row] for row in rows]
    if _fits(headings, texts, folded, console.width):
        console.print(_table(headings, texts, folded, right, header_style))
        return
    for name, *rest in texts:
        console.print(name, overflow="fold")
        parts = [
            Text.assemble(f"{heading} " if heading else "", cell)
            for heading, cell in zip(headings[1:], rest, strict=True)
            if cell.plain
        ]
        for line in Text(", ").join(parts).wrap(console, max(1, console.width - 2), overflow="fold"):
            console.print(Text.assemble("  ", line), overflow="fold")


def _fits(headings: Sequence[str], rows: Sequence[Sequence[Text]], folded: Collection[str], width: int) -> bool:
    needed = _GAP * (len(headings) - 1)
    for number, heading in enumerate(headings):
        widest = max((cell_len(heading), *(row[number].cell_len for row in rows)))
        needed += min(widest, max(_LEAST, cell_len(heading))) if heading in folded else widest
    return needed <= width


def _table(
    headings: Sequence[str],
    rows: Sequence[Sequence[Text]],
    folded: Collection[str],
    right: Collection[str],
    header_style: str,
) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style=header_style or "table.header")
    for heading in headings:
        table.add_column(
            heading,
            justify="right" if heading in right else "left",
            no_wrap=heading not in folded,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    return table
