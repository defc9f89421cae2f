"""Names and globs of a plan, for thousands of both."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping

from cutover_harness.globs import is_glob


class Patterns:
    """Names and globs, by the rule of `globs.matches`: one lookup and one regular expression."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._names = frozenset(patterns)
        globs = sorted(each for each in self._names if is_glob(each))
        self._globs = re.compile("|".join(map(fnmatch.translate, globs))) if globs else None

    def match(self, name: str) -> bool:
        """Return whether one of them matches."""
        return name in self._names or (self._globs is not None and self._globs.match(name) is not None)


class FirstOf:
    """Sets of patterns, of which a name belongs to one: the one that has it as a name, or the first that matches."""

    def __init__(self, sets: Mapping[str, Iterable[str]]) -> None:
        self._keys = list(sets)
        self._named = {name: key for key in reversed(self._keys) for name in sets[key]}
        parts = [
            f"(?P<s{number}>{'|'.join(map(fnmatch.translate, globs))})"
            for number, key in enumerate(self._keys)
            if (globs := [each for each in sets[key] if is_glob(each)])
        ]
        self._globs = re.compile("|".join(parts)) if parts else None

    def find(self, name: str) -> str | None:
        """Return the key of the set; None if none matches."""
        if name in self._named:
            return self._named[name]
        found = None if self._globs is None else self._globs.match(name)
        return None if found is None or found.lastgroup is None else self._keys[int(found.lastgroup[1:])]
