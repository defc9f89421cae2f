"""Names of the instances of a group, which are also names of files and client ids."""

from __future__ import annotations

import re
from collections.abc import Iterable

_REST = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST = 60
_TAKEN = ("producer", "producer-of-new")


def stems(groups: Iterable[str]) -> dict[str, str]:
    """Return the prefix of each group's instance names: the group's name, if it is suitable.

    Other characters become `_`, and what two groups would have in common gets a number.
    """
    taken = set(_TAKEN)
    found: dict[str, str] = {}
    # Suitable names keep their own prefix.
    for group in sorted(groups, key=lambda name: _plain(name) != name):
        stem, number = _plain(group), 1
        while stem in taken:
            number += 1
            stem = f"{_plain(group)}.{number}"
        taken.add(stem)
        found[group] = stem
    return found


def _plain(group: str) -> str:
    return _REST.sub("_", group)[:_LONGEST].lstrip(".") or "group"
