"""JSON for frozen dataclasses, both ways, checked field by field."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Self, cast, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema

from cutover_harness.errors import UsageError
from cutover_harness.files import write_atomic
from cutover_harness.ledger.files import is_there, parse_json, read_text
from cutover_harness.mistake_words import words_of

Json = dict[str, Any]

_EXPECTED = {
    "bool_type": "bool",
    "dataclass_type": "dict",
    "dict_type": "dict",
    "float_type": "float",
    "int_type": "int",
    "list_type": "list",
    "string_type": "str",
    "tuple_type": "list",
}


class Jsonable:
    """Adds `to_json`/`from_json` (plain dicts) and `save`/`load` (files) to a dataclass."""

    __slots__ = ()

    __dataclass_fields__: ClassVar[dict[str, Any]]
    # Strict: "7" is no number, and neither is true.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accept JSON's forms, which strictness refuses: a dict for a dataclass and a list for a tuple."""
        schema = handler(source)
        for part in _parts(handler.resolve_ref_schema(schema)):
            if part["type"] in ("dataclass", "tuple"):
                part["strict"] = False
        return schema

    def to_json(self) -> Json:
        """Return a dict of JSON types; nested dataclasses become dicts."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Return the object from which `to_json` made `data`. Fields with a default may be missing.

        Raises UsageError naming the field for an unknown or missing field or a value of the wrong type.
        """
        try:
            value: Self = _adapter(cast("Any", cls)).validate_python(data)
        except ValidationError as why:
            raise UsageError(_refusal(cls, why)) from None
        return value

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
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every schema below a schema, itself included."""
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield schema
        for name, inner in schema.items():
            if name not in ("default", "metadata"):
                yield from _parts(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _parts(inner)


def _refusal(kind: type, why: ValidationError) -> str:
    """Return the first error in one line that names the field."""
    first = why.errors(include_url=False)[0]
    *holder, last = first["loc"] or ("",)
    match first["type"]:
        case "missing":
            return f"{_place(kind, holder)}: field {last!r} is missing"
        case "unexpected_keyword_argument":
            known = ", ".join(field.name for field in fields(_class_at(kind, holder)))
            return f"{_place(kind, holder)}: unknown field {last!r}; known are {known}"
        case "literal_error":
            said = f"is {first['input']!r:.60}; it is one of {first['ctx']['expected']}"
        case refused if refused in _EXPECTED:
            said = f"expected {_EXPECTED[refused]}, found {first['input']!r:.60}"
        case _:
            said = words_of(first)
    return f"{_place(kind, first['loc'])}: {said}"


def _place(kind: type, location: Sequence[str | int]) -> str:
    return kind.__name__ + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _class_at(kind: Any, location: Sequence[str | int]) -> Any:
    """Return the dataclass of the object at `location`: what the fields on the way to it are declared as."""
    for part in location:
        if is_dataclass(kind):
            kind = get_type_hints(kind)[str(part)]
        else:  # the key of a dict, or the index of a list
            kind = get_args(kind)[-1] if get_origin(kind) is dict else get_args(kind)[0]
        if get_origin(kind) is UnionType:
            kind = next(each for each in get_args(kind) if each is not NoneType)
    return kind
