"""The scenario files that ship with the product, by name. Without their models, whose import takes a second."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

from cutover_harness.errors import UsageError
from cutover_harness.globs import is_glob, matches
from cutover_harness.words import did_you_mean

_HOW = "list the catalogue with `kafka-cutover scenarios list`, or give the path of a scenario file"


def catalogue() -> dict[str, Traversable]:
    """Return the scenario files that ship with the product, by name, in the order in which they run."""
    folder = resources.files("cutover_scenarios")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    # A leading number only orders the files: 10-stop-first.yaml is the scenario stop-first.
    return {f.name.removesuffix(".yaml").split("-", 1)[1]: f for f in files}


def is_file(word: str) -> bool:
    """Return whether a word is the path of a scenario file, not a name or a glob of names."""
    return word.endswith((".yaml", ".yml")) or "/" in word


def named(word: str) -> Traversable:
    """Return the file of a name in the catalogue. Raises UsageError."""
    known = catalogue()
    if word not in known:
        near = did_you_mean(word, known)
        raise UsageError(f"no scenario is called {word!r}: {near + ' Or ' if near else ''}{_HOW}")
    return known[word]


def expanded(words: list[str]) -> list[str]:
    """Return words with each glob of names replaced by the names that it matches, in the order of the catalogue.

    A name that a glob matches and that is there already is left out. Raises UsageError for a glob without a match.
    """
    found: list[str] = []
    for word in words:
        if is_file(word) or not is_glob(word):
            found.append(word)
            continue
        names = [name for name in catalogue() if matches(name, [word])]
        if not names:
            raise UsageError(f"no scenario matches {word!r}: {_HOW}")
        found += [name for name in names if name not in found and name not in words]
    return found
