"""Options of a command as objects: one parameter of the function stands for all fields of a dataclass."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def with_option_groups(command: Callable[..., int]) -> Callable[..., int]:
    """Return `command` with an option for each field of those parameters whose type is a dataclass.

    The fields are annotated like parameters of a Typer command, and have a default.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    options: list[Parameter] = []
    for parameter in signature(command).parameters.values():
        if parameter.name in groups:
            options += _options(groups[parameter.name])
        else:
            options.append(parameter.replace(annotation=hints[parameter.name], kind=Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def call(**given: Any) -> int:
        objects = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        return command(**given, **objects)

    call.__signature__ = Signature(options, return_annotation=int)  # type: ignore[attr-defined]
    call.__annotations__ = {option.name: option.annotation for option in options}
    del call.__wrapped__  # its signature is not that of the command
    return call


def _options(group: Any) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
