"""What a gate remembers between two looks, taken out of it as a value, and put back.

A gate that was waited for twice is not the same as one that was looked at twice: `Settling` and `Growth` count how long
nothing has changed. Such objects are found in the gate's function, whatever their class: mutable dataclasses of
`procedure/` with a `clock`. Times become ages, of which only "just now" and "long ago" differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from types import FunctionType
from typing import Any

from cutover_harness.procedure.gates import Gate

LONG = 1000.0
"""Longer than every wait for something that does not change, in seconds."""
Memory = tuple[object, ...]


def objects_of(gate: Gate) -> list[Any]:
    """Return the objects in which a gate remembers what it has seen."""
    found: dict[int, Any] = {}
    for each in _reached(gate.read, set()):
        found.setdefault(id(each), each)
    return list(found.values())


def _reached(function: Callable[..., object], seen: set[int]) -> Iterator[Any]:
    function = getattr(function, "__func__", function)
    if id(function) in seen or not isinstance(function, FunctionType):
        return
    seen.add(id(function))
    for cell in function.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
        if isinstance(value, Gate):
            yield from _reached(value.read, seen)
        elif isinstance(value, FunctionType):
            yield from _reached(value, seen)
        elif is_dataclass(value) and not isinstance(value, type) and hasattr(value, "clock"):
            yield value


def recall(objects: list[Any], memory: Memory) -> None:
    """Put a memory back, and let the objects' clock stand at 0; an empty memory is that of a new gate."""
    for each in objects:
        each.clock = float  # 0.0
    for each, values in zip(objects, memory, strict=False):
        assert isinstance(values, tuple)  # noqa: S101 - as `remember` made it
        for name, value in zip(_names(each), values, strict=True):
            setattr(each, name, _thawed(value))


def remember(objects: list[Any], *, later: bool = False) -> Memory:
    """Return what the objects remember; `later`: a long time from now."""
    age = LONG if later else 0.0
    return tuple(tuple(_frozen(getattr(each, name), age) for name in _names(each)) for each in objects)


def aged(memory: Memory) -> Memory:
    """Return a memory after a long time."""
    return tuple(_aged(each) for each in memory)


def _names(each: Any) -> list[str]:
    return [field.name for field in fields(each) if not field.init]


def _frozen(value: Any, age: float) -> Any:
    if isinstance(value, float):
        return min(LONG, max(0.0, -value) + age)
    if isinstance(value, dict):
        return ("dict", tuple(sorted((_frozen(k, age), _frozen(v, age)) for k, v in value.items())))
    if isinstance(value, list):
        return ("list", tuple(_frozen(each, age) for each in value))
    return ("tuple", tuple(_frozen(each, age) for each in value)) if isinstance(value, tuple) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, float):
        return -value
    if not isinstance(value, tuple):
        return value
    kind, its = value
    if kind == "dict":
        return {_thawed(k): _thawed(v) for k, v in its}
    return [_thawed(each) for each in its] if kind == "list" else tuple(_thawed(each) for each in its)


def _aged(value: Any) -> Any:
    if isinstance(value, float):
        return LONG
    return tuple(_aged(each) for each in value) if isinstance(value, tuple) else value
