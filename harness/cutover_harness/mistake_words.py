"""Mistakes that pydantic finds, in this product's words: what is expected. No message of pydantic's own is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cutover_harness.words import counted

FORMS: Mapping[str, str] = {
    r"^[A-Za-z][A-Za-z0-9._-]*$": "letters, digits, dots, underscores and dashes, and a letter first",
    r"^\d+\.\d+(\.\d+)?$": "a version in quotation marks, such as '1.7.3'",
    r"^(https?://|\$\{)[^\s]+$": "an http or https address, or a reference such as ${NAME}",
    r"^https?://[^\s]+$": "an http or https address, such as https://HOST:PORT",
    r"^[a-zA-Z0-9._-]+$": "the name of a topic: letters, digits, dots, underscores and dashes",
    r"^[A-Za-z0-9._*?\[\]!-]+$": "the name of a topic, or a glob such as shop.*",
    r"^[a-z0-9][a-z0-9.-]*$": "a name of small letters, digits, dots and dashes, which begins with a letter or a digit",
    r"^[^\p{Cc}]*[^\p{Cc}\s][^\p{Cc}]*$": "a name without line breaks and other control characters",
    r"^[^\p{C}]+$": "a name without line breaks and other control characters",
    r"^[^\s:]+:[^\p{C}]+$": "a principal, such as User:shop",
    r"^[0-9a-f]{64}$": "a SHA-256 checksum of 64 digits, 0 to 9 and a to f",
}
"""What each pattern of a schema means. One without words would be shown to people who read no patterns."""

MAPPING = "expected a mapping of names to values"
_LIST = "expected a list"
_WHOLE = "expected a whole number"
_NUMBER = "expected a number"
_TEXT = "expected text"
_TIME = "expected a date or a time"
_PLAIN: Mapping[str, str] = {
    "missing": "is missing: add it",
    "extra_forbidden": "no such field",
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
    "dataclass_type": MAPPING,
    "dataclass_exact_type": MAPPING,
    "dict_type": MAPPING,
    "mapping_type": MAPPING,
    "invalid_key": "expected text as the name of each field",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "iterable_type": _LIST,
    "set_item_not_hashable": "expected a list of plain values",
    "string_type": _TEXT,
    "string_unicode": "expected Unicode text",
    "string_not_ascii": "expected ASCII characters",
    "bytes_type": _TEXT,
    "path_type": "expected the name of a file",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "expected a smaller number",
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "expected a finite number",
    "none_required": "expected null",
    "json_type": "expected JSON",
    "recursion_loop": "contains itself: remove that",
    "recursion_depth_exceeded": "is nested too deep",
}
_STARTS: Mapping[str, str] = {
    "date": _TIME,
    "time": _TIME,
    "decimal": _NUMBER,
    "fraction": _NUMBER,
    "complex": _NUMBER,
    "url": "expected an address, such as https://HOST:PORT",
    "uuid": "expected a UUID",
}
_ADDRESS = re.compile(r"://|@")
_OTHERWISE = "has a value that cannot be used here"


def words_of(error: ErrorDetails) -> str:
    """Return what is wrong, or what is expected; nothing about what was found."""
    kind, of = error["type"], error.get("ctx", {})
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in ("value_error", "assertion_error"):
        return " ".join(str(of.get("error", _OTHERWISE)).split())  # of this product's own checks
    return _with_context(kind, of) or next(
        (words for start, words in _STARTS.items() if kind.startswith(start)), _OTHERWISE
    )


def _with_context(kind: str, of: Mapping[str, Any]) -> str | None:
    """Return the words for a kind that comes with figures or choices, None for others."""
    bounds = {
        "greater_than": ("gt", "must be above {}"),
        "greater_than_equal": ("ge", "must be {} or more"),
        "less_than": ("lt", "must be below {}"),
        "less_than_equal": ("le", "must be {} or less"),
        "multiple_of": ("multiple_of", "must be a multiple of {}"),
        "union_tag_not_found": ("discriminator", "{} is missing: add it"),
        "union_tag_invalid": ("expected_tags", "expected {}"),
        "literal_error": ("expected", "expected {}"),
        "enum": ("expected", "expected {}"),
        "json_invalid": ("error", "not valid JSON ({})"),
    }
    if kind in bounds:
        name, form = bounds[kind]
        value = of.get(name, "")
        return form.format(f"{value:g}" if isinstance(value, float) else value)
    if kind == "string_pattern_mismatch":
        pattern = str(of.get("pattern"))
        return f"expected {FORMS.get(pattern, f'text of the form {pattern}')}"
    if kind in ("too_short", "string_too_short", "bytes_too_short"):
        least = int(of.get("min_length", 1))
        return "is empty: fill it in" if least == 1 else f"must have {_sized(kind, least)} or more"
    if kind in ("too_long", "string_too_long", "bytes_too_long"):
        return f"must have {_sized(kind, int(of.get('max_length', 0)))} or fewer"
    return None


def _sized(kind: str, count: int) -> str:
    return counted(count, "entry", "entries") if kind.startswith("too_") else counted(count, "character")


def is_address(value: object) -> bool:
    """Whether it may be a URL or a login, which can have a password or a token in it."""
    return isinstance(value, str) and _ADDRESS.search(value) is not None


def shown(value: object) -> str:
    """Return what was found, in words, such as `'x'`, `5`, `true` or `a list`; empty for what needs no mention."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if is_address(value):
        return "an address"
    if isinstance(value, str | int | float):
        text = repr(value)
        return text if len(text) <= 120 else f"{text[:100]}… ({len(text):,} characters)"
    if isinstance(value, list | tuple | set):
        return "a list"
    return "a mapping" if isinstance(value, Mapping) else ""


def first_words(errors: ValidationError, whole: str = "") -> str:
    """Return the first mistake as `field: words`. whole: the name for the whole document, none if it is empty.

    For files that programs write: `plan.mistakes` shows all mistakes of those that people write, and what was found.
    """
    first = errors.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"])) or whole
    return f"{field}: {words_of(first)}" if field else words_of(first)
