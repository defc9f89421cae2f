"""Names and globs, as the cutover file has them."""

from collections.abc import Iterable

from cutover_shim.cutover_file import pattern_matches

_GLOB = frozenset("*?[")


def is_glob(pattern: str) -> bool:
    """Return whether a pattern can match more than its own name."""
    return not _GLOB.isdisjoint(pattern)


def matches(name: str, globs: Iterable[str]) -> bool:
    """Return whether one of `globs` matches `name`, by the rule of the cutover file, which all parts follow."""
    return any(pattern_matches(glob, name) for glob in globs)
