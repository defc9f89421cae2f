"""JSON for frozen dataclasses, both ways, checked field by field.

Not by pydantic, which is used for the files that people write: importing it and building the schema of `RunFacts` takes
longer than judging a million deliveries.
"""

import json
from collections.abc import Callable
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Self, cast, get_args, get_origin, get_type_hints

from cutover_harness.errors import UsageError
from cutover_harness.files import write_atomic
from cutover_harness.ledger.files import is_there, parse_json, read_text

Json = dict[str, Any]

#: Where a value is, such as `RunFacts.marks[0]`, and the value.
_Read = Callable[[str, Any], Any]


class Jsonable:
    """Adds `to_json`/`from_json` (plain dicts) and `save`/`load` (files) to a dataclass."""

    __slots__ = ()

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def to_json(self) -> Json:
        """Return a dict of JSON types; nested dataclasses become dicts."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Return the object from which `to_json` made `data`. Fields with a default may be missing.

        Raises UsageError naming the field for an unknown or missing field or a value of the wrong type: "7" is no
        number, and neither is true.
        """
        return cast("Self", _reader(cast("Any", cls))(cls.__name__, data))

    def save(self, path: Path) -> None:
        """Write as JSON, replacing the file in one step."""
        write_atomic(path, json.dumps(self.to_json(), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises UsageError naming the file and the field."""
        if not is_there(path):
            raise UsageError(f"{path}: no such file")
        data = parse_json(read_text(path), f"{path}:")
        try:
            return cls.from_json(data)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None


@cache
def _reader(kind: Any) -> _Read:
    """Return the function that checks a value of a field's type and returns it."""
    if is_dataclass(kind):
        return _object_reader(cast("type", kind))
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        (some,) = (each for each in inner if each is not NoneType)
        read_some = _reader(some)
        return lambda place, value: None if value is None else read_some(place, value)
    if origin is Literal:
        return _literal_reader(inner)
    if origin is dict:
        return _dict_reader(inner[1])
    if origin in (list, tuple):
        read_list = _list_reader(inner[0])
        return read_list if origin is list else lambda place, value: tuple(read_list(place, value))
    return (lambda _, value: value) if kind is Any else _plain_reader(kind)


def _plain_reader(kind: type) -> _Read:
    def read(place: str, value: Any) -> Any:
        if type(value) is kind:
            return value
        if kind is float and type(value) is int and abs(value) < 2**1023:
            return float(value)
        raise _unexpected(place, kind.__name__, value)

    return read


def _literal_reader(values: tuple[Any, ...]) -> _Read:
    *others, last = map(repr, values)
    known = f"{', '.join(others)} or {last}" if others else last

    def read(place: str, value: Any) -> Any:
        if isinstance(value, str) and value in values:
            return value
        raise UsageError(f"{place}: is {value!r:.60}; it is one of {known}")

    return read


def _list_reader(kind: Any) -> _Read:
    read_one = _reader(kind)

    def read(place: str, value: Any) -> Any:
        if not isinstance(value, list):
            raise _unexpected(place, "list", value)
        if kind in (int, str) and {*map(type, value)} <= {kind}:
            return value.copy()
        return [read_one(f"{place}[{i}]", each) for i, each in enumerate(value)]

    return read


def _dict_reader(kind: Any) -> _Read:
    read_one = _reader(kind)

    def read(place: str, value: Any) -> Any:
        if not isinstance(value, dict):
            raise _unexpected(place, "dict", value)
        return {name: read_one(f"{place}.{name}", each) for name, each in value.items()}

    return read


def _object_reader(kind: type) -> _Read:
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind)}
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}

    def read(place: str, value: Any) -> Any:
        if not isinstance(value, dict):
            raise _unexpected(place, "dict", value)
        found = {}
        for name, read_field in readers.items():
            if name in value:
                found[name] = read_field(f"{place}.{name}", value[name])
            elif name in needed:
                raise UsageError(f"{place}: field {name!r} is missing")
        for name in value:
            if name not in readers:
                raise UsageError(f"{place}: unknown field {name!r}; known are {', '.join(readers)}")
        return kind(**found)

    return read


def _unexpected(place: str, expected: str, value: Any) -> UsageError:
    return UsageError(f"{place}: expected {expected}, found {value!r:.60}")
