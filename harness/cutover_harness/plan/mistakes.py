"""Mistakes in a scenario, in one line: field, what was found, what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cutover_harness.faults.union import FAULTS
from cutover_harness.masking import is_secret
from cutover_harness.plan.fields import fields_at
from cutover_harness.words import did_you_mean

_CHOICES = ("enum", "literal_error", "union_tag_invalid")
"""Errors whose messages contain all values that are possible, in quotation marks."""
_NO_FIELD = "no such field"
_QUOTED = re.compile(r"'([^']+)'")


@dataclass(frozen=True)
class Mistake:
    """One mistake: the keys and indexes that lead to it, and the message."""

    at: tuple[int | str, ...]
    message: str

    def __str__(self) -> str:
        """Return field and message."""
        return f"{'.'.join(str(part) for part in self.at) or 'scenario'}: {self.message}"


def first_mistake(errors: ValidationError, model: type[BaseModel], *, secret: Sequence[str] = ()) -> Mistake:
    """Return the first mistake that pydantic found; the message counts the others. Otherwise as `mistake_of`."""
    found = errors_in(errors)
    first = mistake_of(found[0], model, secret=secret)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Mistake(first.at, f"{first.message}{more}")


def errors_in(errors: ValidationError) -> list[ErrorDetails]:
    """Return what pydantic found, except that a list is too short which is so only without its wrong entries."""
    return [
        each
        for each in errors.errors(include_url=False)
        if each["type"] != "too_short" or len(each["input"]) < each["ctx"]["min_length"]
    ]


def mistake_of(error: ErrorDetails, model: type[BaseModel], *, secret: Sequence[str] = ()) -> Mistake:
    """Return one of the mistakes that pydantic found in a file of `model`.

    The values of the fields `secret` and of what is in them, and then of unknown fields, too, are not in the message;
    neither are those under names of secrets, such as `sasl.password`, which may be in a file where they should not be.
    """
    at, message, found = _of_a_fault(error) or _of_a_field(error)
    hidden = not set(at).isdisjoint(secret) or any(is_secret(part) for part in at if isinstance(part, str))
    hidden = hidden or (bool(secret) and error["type"] == "extra_forbidden")
    shown = f", found {found!r}" if isinstance(found, str | int | float | bool) and not hidden else ""
    near = ""
    if error["type"] in _CHOICES and shown:
        near = did_you_mean(str(found), _QUOTED.findall(message))
    elif message == _NO_FIELD:
        known = fields_at(model, at[:-1])
        near = did_you_mean(str(at[-1]), known) or (f"there are {', '.join(known)}" if known else "leave it out")
    return Mistake(at, f"{message.removeprefix('Value error, ')}{shown}{': ' if near else ''}{near}")


def _of_a_field(error: ErrorDetails) -> tuple[tuple[int | str, ...], str, object]:
    """Return place, message and value of a mistake that is not in a fault."""
    return error["loc"], _NO_FIELD if error["type"] == "extra_forbidden" else error["msg"], error.get("input")


def _of_a_fault(error: ErrorDetails) -> tuple[tuple[int | str, ...], str, object] | None:
    """Return place, message and value of a mistake in a fault, as if all faults were one class; None for others."""
    at = error["loc"]
    if at[:1] != ("faults",) or len(at) < 2:
        return None
    if error["type"] == "union_tag_not_found":
        return (*at, "kind"), "Field required", None
    if error["type"] == "union_tag_invalid":
        kinds = [f"'{kind}'" for kind in FAULTS]
        message = f"Input should be {', '.join(kinds[:-1])} or {kinds[-1]}"
        return (*at, "kind"), message, error["ctx"]["tag"]
    if len(at) > 2 and at[2] in FAULTS:  # pydantic adds the kind, which is no key of the file
        kind, message = str(at[2]), error["msg"]
        if error["type"] == "extra_forbidden":
            known = FAULTS[kind].model_fields
            near = did_you_mean(str(at[-1]), known) or f"leave it out; it has {', '.join(known)}"
            message = f"{kind} has no such field, {near}"
        if at[3:] == ("of",) and (kinds := [k for k, fault in FAULTS.items() if error.get("input") in fault.victims()]):
            message += f"; {error.get('input')} can have {', '.join(kinds)}"
        return at[:2] + at[3:], message, error.get("input")
    return None
