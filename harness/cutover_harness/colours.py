"""Colours on a terminal: never in a pipe or a file, and never if NO_COLOR is set (https://no-color.org)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO

CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
"""Parameters of the escape sequence, by name (ECMA-48, SGR)."""

OUTCOMES = {
    "PASS": "green",
    "FAIL": "bold red",
    "INCONCLUSIVE": "yellow",
    "not rehearsed": "yellow",
    "GO": "green",
    "GO WITH CONDITIONS": "yellow",
    "NO-GO": "bold red",
}
"""Style of each outcome of a scenario and each decision of a report, in the words of rich and of `painted`."""


def wanted(stream: TextIO, env: Mapping[str, str] | None = None) -> bool:
    """Return whether a stream is a terminal that shows colours, and the environment does not refuse them."""
    given = os.environ if env is None else env
    return stream.isatty() and not given.get("NO_COLOR") and given.get("TERM") != "dumb"


def painted(text: str, style: str, stream: TextIO | None = None) -> str:
    """Return text in a style, words of CODES; as it is if colours are not wanted. stream: default standard output."""
    if not text or not wanted(sys.stdout if stream is None else stream):
        return text
    return f"\x1b[{';'.join(CODES[word] for word in style.split())}m{text}\x1b[0m"
