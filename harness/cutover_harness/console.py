"""The console for tables, and live lines below what a command prints."""

import sys
from typing import Literal, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from cutover_harness.colours import wanted
from cutover_harness.masking import visible

_WIDE = 200


def standard_output(*, highlight: bool = True) -> Console:
    """Return the console on standard output; it folds lines only on a terminal."""
    width = None if sys.stdout.isatty() else _WIDE
    return Console(highlight=highlight, emoji=False, width=width, color_system=_colours(sys.stdout))


def standard_error() -> Console:
    """Return the console on standard error, for progress."""
    return Console(file=sys.stderr, highlight=False, color_system=_colours(sys.stderr))


def _colours(stream: TextIO) -> Literal["auto"] | None:
    # rich itself leaves bold and dim text if NO_COLOR is set.
    return "auto" if wanted(stream) else None


def plain(text: str) -> str:
    """Return a text, which anybody may have named, without what a terminal, or the console's markup, would obey."""
    return escape(visible(text))


class LiveLines:
    """Lines below the output that are replaced again and again; nothing if the console is no terminal.

    `on`: whether it is one.
    """

    def __init__(self, console: Console, *, refresh_per_second: float = 4) -> None:
        self.on = console.is_terminal
        self._live = Live(console=console, refresh_per_second=refresh_per_second, transient=True) if self.on else None

    def start(self) -> None:
        """Show the lines from now on."""
        if self._live:
            self._live.start()

    def stop(self) -> None:
        """Remove the lines."""
        if self._live:
            self._live.update(Text(""))
            self._live.stop()

    def show(self, lines: RenderableType) -> None:
        """Replace the lines."""
        if self._live:
            self._live.update(lines)
