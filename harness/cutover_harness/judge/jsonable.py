"""JSON for frozen dataclasses, both ways, checked field by field."""

import json
import types
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin, get_type_hints

from cutover_harness.errors import UsageError
from cutover_harness.ledger.files import is_there, parse_json, read_text

Json = dict[str, Any]


class Jsonable:
    """Adds `to_json`/`from_json` (plain dicts) and `save`/`load` (files) to a dataclass."""

    __slots__ = ()

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def to_json(self) -> Json:
        """Return a dict of JSON types; nested dataclasses become dicts."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Build from what `to_json` gave. Fields with a default may be missing.

        Raises UsageError naming the field for an unknown or missing field or a value of the wrong type.
        """
        value: Self = _decode(cls, data, cls.__name__)
        return value

    def save(self, path: Path) -> None:
        """Write as JSON, replacing the file in one step."""
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)

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


def _decode(kind: Any, data: object, where: str) -> Any:
    if is_dataclass(kind):
        return _decode_dataclass(kind, data, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if data is None and type(None) in arguments:
            return None
        chosen = [a for a in arguments if a is not type(None)]
        return _decode(chosen[0], data, where)
    if origin is list or (origin is tuple and arguments[1:] == (Ellipsis,)):
        _expect(data, list, where) if not isinstance(data, tuple) else None
        items = [_decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(_as_list(data))]
        return items if origin is list else tuple(items)
    if origin is dict:
        _expect(data, dict, where)
        return {k: _decode(arguments[1], v, f"{where}.{k}") for k, v in _as_dict(data).items()}
    return _decode_plain(kind, data, where)


def _decode_dataclass(kind: Any, data: object, where: str) -> Any:
    _expect(data, dict, where)
    given = _as_dict(data)
    known = {f.name: f for f in fields(kind)}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UsageError(f"{where}: unknown field {unknown[0]!r}; known are {', '.join(known)}")
    hints = get_type_hints(kind)
    values = {}
    for name, field in known.items():
        if name in given:
            values[name] = _decode(hints[name], given[name], f"{where}.{name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise UsageError(f"{where}: field {name!r} is missing")
    return kind(**values)


def _decode_plain(kind: Any, data: object, where: str) -> Any:
    if get_origin(kind) is Literal:
        if data not in get_args(kind):
            raise UsageError(f"{where}: is {data!r:.60}; it is one of {', '.join(map(str, get_args(kind)))}")
        return data
    if kind is Any:
        return data
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if isinstance(data, bool) and kind is not bool:
        raise UsageError(f"{where}: expected {kind.__name__}, found {data!r}")
    _expect(data, kind, where)
    return data


def _expect(data: object, kind: type, where: str) -> None:
    if not isinstance(data, kind):
        raise UsageError(f"{where}: expected {kind.__name__}, found {data!r:.60}")


def _as_list(data: object) -> list[object]:
    return list(data) if isinstance(data, list | tuple) else []


def _as_dict(data: object) -> dict[str, object]:
    return data if isinstance(data, dict) else {}
