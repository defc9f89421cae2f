"""Schemas of files, as docs/*.schema.json has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def schema_text(content: Mapping[str, Any], title: str) -> str:
    """Return what pydantic has generated (JSON Schema, draft 2020-12) as text, with a title of its own."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return json.dumps(head | {key: value for key, value in content.items() if key != "title"}, indent=1) + "\n"
