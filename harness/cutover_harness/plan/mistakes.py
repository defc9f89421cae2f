"""Mistakes in a file that people write, each in one line: field, what was found, what to do.

Scenarios, plans, policies, business systems and testbeds are read into pydantic models; their mistakes get their words
here and in `mistake_words`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cutover_harness.faults.union import FAULTS
from cutover_harness.masking import is_secret
from cutover_harness.mistake_words import MAPPING, shown, words_of
from cutover_harness.plan.fields import fields_at
from cutover_harness.words import did_you_mean

At = tuple[int | str, ...]

_CHOICES = ("enum", "literal_error", "union_tag_invalid")
"""Errors whose words contain all values that are possible, in quotation marks."""
_WITHOUT_VALUE = ("missing", "union_tag_not_found", "recursion_loop")
"""Errors whose input is the mapping around the field."""
_EXPECTED = "expected "
_KEY = "[key]"
"""Pydantic's last part of the place of a wrong key."""
_QUOTED = re.compile(r"'([^']+)'")


@dataclass(frozen=True)
class Mistake:
    """One mistake: the keys and indexes that lead to it, and the message. kind: pydantic's type of the error."""

    at: At
    message: str
    kind: str = ""

    def __str__(self) -> str:
        """Return field and message; of the whole file the message alone, which then names the fields."""
        return ": ".join(filter(None, (".".join(str(part) for part in self.at), self.message)))


@dataclass(frozen=True)
class _Found:
    """An error at its place in the file: without the parts that pydantic adds for the alternatives of a union."""

    error: ErrorDetails
    at: At

    @property
    def is_key(self) -> bool:
        return self.error["loc"][-1:] == (_KEY,)

    @property
    def in_union(self) -> bool:
        return len(self.error["loc"]) > len(self.at) + self.is_key


def first_mistake(
    errors: ValidationError, model: type[BaseModel], data: object, *, secret: Sequence[str] = ()
) -> Mistake:
    """Return the first mistake of a file; the message counts the others. Otherwise as `mistakes_of`."""
    found = mistakes_of(errors, model, data, secret=secret)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Mistake(found[0].at, f"{found[0].message}{more}", found[0].kind)


def mistakes_of(
    errors: ValidationError, model: type[BaseModel], data: object, *, secret: Sequence[str] = ()
) -> list[Mistake]:
    """Return all mistakes that pydantic found in `data`, the content of a file of `model`.

    A list that is too short only without its wrong entries is none; the alternatives of a union make one together. The
    values of the fields `secret` and of what is in them, and then of unknown fields, too, are not in the message;
    neither are those under names of secrets, such as `sasl.password`, which may be in a file where they should not be.
    """
    by_place: dict[At, list[_Found]] = {}
    for error in errors.errors(include_url=False):
        if error["type"] != "too_short" or len(error["input"]) < error["ctx"]["min_length"]:
            found = _Found(error, _placed(error, data))
            by_place.setdefault(found.at, []).append(found)
    mistakes = []
    for at, alternatives in by_place.items():
        united = all(each.in_union for each in alternatives)
        deeper = [other for other in by_place if len(other) > len(at) and other[: len(at)] == at]
        if united and deeper and isinstance(alternatives[0].error["input"], list | tuple | dict):
            continue  # the alternative that the input was meant for has its own mistakes
        mistakes += (
            _together(alternatives, model, secret)
            if united
            else [_mistake(each, model, secret) for each in alternatives]
        )
    return mistakes


def _placed(error: ErrorDetails, data: Any) -> At:
    """Return the place in the file: pydantic's has parts for alternatives of a union, and for a key."""
    loc = error["loc"][:-1] if error["loc"][-1:] == (_KEY,) else error["loc"]
    if data is None:  # not known
        return loc
    found: list[int | str] = []
    for number, part in enumerate(loc):
        try:
            data = data[part]
            found.append(part)
        except (KeyError, IndexError, TypeError):
            if number == len(loc) - 1 and error["type"] == "missing":
                found.append(part)
    return (*found, "kind") if error["type"].startswith("union_tag") else tuple(found)


def _together(alternatives: Sequence[_Found], model: type[BaseModel], secret: Sequence[str]) -> list[Mistake]:
    """Return the mistake of a value that fits no alternative of a union: what fits one, or what all of them expect."""
    closer = [each for each in alternatives if not words_of(each.error).startswith(_EXPECTED)]
    if closer or len(alternatives) == 1:
        return [_mistake((closer or list(alternatives))[0], model, secret)]
    expected = dict.fromkeys(words_of(each.error).removeprefix(_EXPECTED) for each in alternatives)
    return [_mistake(alternatives[0], model, secret, f"{_EXPECTED}{', or '.join(expected)}")]


def _mistake(found: _Found, model: type[BaseModel], secret: Sequence[str], words: str | None = None) -> Mistake:
    error, at = found.error, found.at
    kind, value = error["type"], _value(error)
    message = _of_a_fault(error, at) or words or words_of(error)
    plain = isinstance(value, str | int | float | bool)
    container = not plain and message.startswith(_EXPECTED)
    hidden = (
        not set(at).isdisjoint(secret)
        or any(is_secret(part) for part in at if isinstance(part, str))
        or (bool(secret) and kind == "extra_forbidden")
        # Text in the place of something with fields may be what belongs into one of them, a password for example.
        or (isinstance(value, str) and MAPPING in message)
    )
    named = kind == "value_error" and len(str(value)) > 1 and str(value) in message
    was = f", found {shown(value)}" if shown(value) and not named and ((plain and not hidden) or container) else ""
    more = ""
    if kind in _CHOICES and was:
        more = did_you_mean(str(value), _QUOTED.findall(message))
    elif kind == "extra_forbidden" and message == words_of(error):
        known = fields_at(model, at[:-1])
        more = did_you_mean(str(at[-1]), known) or (f"there are {', '.join(known)}" if known else "leave it out")
    elif kind in ("string_type", "path_type") and plain:
        more = "put it into quotation marks"
    key = "name: " if found.is_key and kind != "value_error" else ""
    return Mistake(at, f"{key}{message}{was}{': ' if more else ''}{more}", kind)


def _value(error: ErrorDetails) -> object:
    """Return what was found; an empty tuple, which is not shown, if the error is about something that is not there."""
    if error["type"] in _WITHOUT_VALUE:
        return ()
    return error["ctx"]["tag"] if error["type"] == "union_tag_invalid" else error.get("input")


def _of_a_fault(error: ErrorDetails, at: At) -> str | None:
    """Return the words for a mistake in a fault, as if all faults were one class; None for others."""
    loc: tuple[Any, ...] = error["loc"]
    if loc[:1] != ("faults",) or len(loc) < 2:
        return None
    if error["type"] == "union_tag_not_found":
        return "is missing: add it"
    if error["type"] == "union_tag_invalid":
        kinds = [f"'{kind}'" for kind in FAULTS]
        return f"{_EXPECTED}{', '.join(kinds[:-1])} or {kinds[-1]}"
    if len(loc) < 3 or loc[2] not in FAULTS:
        return None
    kind = str(loc[2])
    if error["type"] == "extra_forbidden":
        known = FAULTS[kind].model_fields
        near = did_you_mean(str(at[-1]), known) or f"leave it out; it has {', '.join(known)}"
        return f"{kind} has no such field, {near}"
    victim = error.get("input")
    if at[2:] == ("of",) and (kinds := [k for k, fault in FAULTS.items() if victim in fault.victims()]):
        return f"{words_of(error)}; {victim} can have {', '.join(kinds)}"
    return None
