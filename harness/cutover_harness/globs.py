"""Names and globs, as the cutover file has them."""

from collections.abc import Iterable

from cutover_shim.cutover_file import means


def matches(name: str, globs: Iterable[str]) -> bool:
    """Return whether one of `globs` means `name`: the one rule of the cutover file, so that all parts agree."""
    return any(means(glob, name) for glob in globs)
