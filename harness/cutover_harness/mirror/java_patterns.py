"""Names and globs for MirrorMaker 2: a comma-separated list of Java regular expressions."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ANY = "(?s:.)"  # also a line break: a group's name may be any text
_NOTHING = "(?!)"


def java_list(patterns: Iterable[str]) -> str:
    """Return names and globs of the cutover file as a list of regular expressions that match the same names.

    Kafka splits the list at commas and trims its items before any escape is looked at, so that commas and blanks are
    written by their numbers.
    """
    found = []
    for pattern in patterns:
        regex = _regex(pattern)
        if re.fullmatch(regex, pattern) is None:  # a name such as "orders[blue]", which does not match itself as a glob
            found.append("".join(map(_literal, pattern)))
        found.append(regex)
    return ",".join(found)


def _regex(glob: str) -> str:
    translated, at = [], 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            translated.append(f"{_ANY}*")
        elif char == "?":
            translated.append(_ANY)
        elif char == "[" and (end := _end_of_set(glob, at)) > 0:
            translated.append(_set(glob[at:end]))
            at = end + 1
        else:
            translated.append(_literal(char))
    return "".join(translated)


def _end_of_set(glob: str, at: int) -> int:
    """Return the end of the set that begins before `at`, -1 if its bracket is an ordinary character."""
    first = at + (glob[at : at + 1] == "!")
    return glob.find("]", first + 1)  # a bracket right behind the first one belongs to the set


def _set(body: str) -> str:
    """Return a set of characters; as in a glob, a reversed range is empty."""
    negated = body.startswith("!")
    body, at, parts = body.removeprefix("!"), 0, []
    while at < len(body):
        low, high = body[at], body[at + 2 : at + 3]
        if high and body[at + 1] == "-":
            if low <= high:
                parts.append(f"{_literal(low, in_set=True)}-{_literal(high, in_set=True)}")
            at += 3
        else:
            parts.append(_literal(low, in_set=True))
            at += 1
    if not parts:
        return _ANY if negated else _NOTHING
    return f"[{'^' if negated else ''}{''.join(parts)}]"


def _literal(char: str, *, in_set: bool = False) -> str:
    """Return a character that means itself, by its number if it is special to the list or inside a set."""
    if char.isspace() or not char.isprintable() or char == ",":
        return f"\\x{ord(char):02x}" if ord(char) <= 0xFF else f"\\u{ord(char):04x}"
    if not char.isascii() or char.isalnum() or char == "_":
        return char
    if in_set:
        return f"\\x{ord(char):02x}"
    return char if char == "-" else f"\\{char}"
