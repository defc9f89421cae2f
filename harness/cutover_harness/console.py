"""Where tables are printed."""

import sys

from rich.console import Console

_WIDE = 200


def standard_output(*, highlight: bool = True) -> Console:
    """Return the console on standard output; where no terminal reads it, lines are not folded at 80 columns."""
    return Console(highlight=highlight, emoji=False, width=None if sys.stdout.isatty() else _WIDE)
