"""Names of the fields that a place in a file can have, from the class that the file is read into."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel


def fields_at(model: type[BaseModel], at: tuple[int | str, ...]) -> list[str]:
    """Return the fields of the mapping at a place: keys and indexes, as pydantic gives them; empty if unknown."""
    kinds: list[Any] = [model]
    for part in at:
        kinds = [inner for kind in kinds for each in _classes(kind) for inner in _inner(each, part)]
    models = [each for kind in kinds for each in _classes(kind) if _is_model(each)]
    return list(dict.fromkeys(name for each in models for name in each.model_fields))


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _classes(kind: Any) -> Iterator[Any]:
    """Yield the alternatives of a union, without what is only noted beside a type."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _classes(get_args(kind)[0])
    elif origin is None or (isinstance(origin, type) and issubclass(origin, (list, tuple, dict))):
        yield kind
    else:
        for each in get_args(kind):
            yield from _classes(each)


def _inner(kind: Any, part: int | str) -> list[Any]:
    if _is_model(kind):
        return [kind.model_fields[part].annotation] if part in kind.model_fields else []
    if get_origin(kind) is dict:
        return [get_args(kind)[1]]
    return [each for each in get_args(kind) if each is not Ellipsis][:1]
