"""Parts of sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches


def counted(count: int, thing: str, several: str = "") -> str:
    """Return a number of things, such as `1 broker`; several: the plural, if it is not formed with an s."""
    return f"{count:,} {thing if count == 1 else several or f'{thing}s'}"


def sized(count: float) -> str:
    """Return a number of bytes with three digits or less, such as `12.5 kB`; a kB is 1,000 bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def alike(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three of the known names that `name` was probably meant to be, the most similar first.

    Case does not matter, nor do _ and - ; a name that begins like it counts if no other is similar.
    """
    by_plain: dict[str, str] = {}
    for each in known:
        by_plain.setdefault(_plain(each), each)
    plain = _plain(name)
    close = get_close_matches(plain, by_plain, n=3, cutoff=0.7)
    if not close:
        return [by_plain[each] for each in by_plain if len(plain) > 2 and each.startswith(plain)][:3]
    likeness = {each: SequenceMatcher(None, each, plain).ratio() for each in close}
    return [by_plain[each] for each in close if likeness[each] > likeness[close[0]] - 0.05]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean A or B?" for a name that does not exist; empty if no known name is similar."""
    found = alike(name, known)
    words = " or ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
    return f"did you mean {words}?" if found else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
