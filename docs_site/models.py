"""Tables of the fields of a file, from its pydantic model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cutover_harness import markdown
from pydantic import BaseModel

Schema = Mapping[str, Any]


def fields(model: type[BaseModel], level: int = 2) -> str:
    """Return a table of a model's fields, and one for each model within it. level: that of their headings."""
    schema = model.model_json_schema()
    parts = [_table(schema)]
    for name, part in schema.get("$defs", {}).items():
        heading = f"{'#' * level} {name}"
        if "properties" in part:
            parts += [heading, *_about(part), _table(part)]
        elif "enum" in part:
            parts += [heading, ", ".join(f"`{value}`" for value in part["enum"])]
    return "\n\n".join(part.strip("\n") for part in parts)


def _about(part: Schema) -> Iterator[str]:
    if text := part.get("description"):
        yield str(text).split("\n\n")[0].replace("\n", " ")


def _table(schema: Schema) -> str:
    required = schema.get("required", [])
    rows = [
        (f"`{name}`", kind(field), _default(field, name in required), _cell(field.get("description", "")))
        for name, field in schema.get("properties", {}).items()
    ]
    return markdown.table(("field", "value", "default", "meaning"), rows)


def _default(field: Schema, required: bool) -> str:
    if required:
        return "required"
    value = field.get("default")
    return "" if value in (None, {}, [], "") or isinstance(value, dict) else f"`{json.dumps(value)}`"


def kind(field: Schema) -> str:
    """Return the words for a field's type."""
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in field:
            return " or ".join(dict.fromkeys(kind(each) for each in field[choice] if each.get("type") != "null"))
    if field.get("type") == "array":
        return f"list of {kind(field['items'])}" if isinstance(field.get("items"), Mapping) else "list"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"mapping of names to {kind(inner)}" if isinstance(inner, Mapping) else "mapping"
    return str(field.get("type", "any"))


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")
