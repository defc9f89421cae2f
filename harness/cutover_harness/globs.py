"""Names and globs, as the cutover file has them."""

import fnmatch
from collections.abc import Iterable


def matches(name: str, globs: Iterable[str]) -> bool:
    """Return whether one of `globs`, which may be plain names, means `name`; upper and lower case differ."""
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)
