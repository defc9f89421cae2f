"""The schemas of plan.yaml and systems.yaml: `python -m cutover_harness.planning.schema > docs/plan.schema.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel

from cutover_harness.files import write_atomic
from cutover_harness.json_schema import schema_text
from cutover_harness.planning.model import PlanFile
from cutover_harness.planning.systems import Systems

PLAN, SYSTEMS = "plan.schema.json", "systems.schema.json"
_MODELS: dict[str, tuple[type[BaseModel], str]] = {PLAN: (PlanFile, "plan"), SYSTEMS: (Systems, "systems")}


def schema(name: str = PLAN) -> str:
    """Return a schema (JSON Schema, draft 2020-12) as text. name: that of its file."""
    model, what = _MODELS[name]
    return schema_text(model.model_json_schema(), f"kafka-cutover {what}, format 1")


def write_schema(folder: Path, name: str = PLAN) -> None:
    """Write a schema into a folder, where the first line of the file next to it names it for editors."""
    file, text = folder / name, schema(name)
    if not file.is_file() or file.read_text(encoding="utf-8", errors="replace") != text:
        write_atomic(file, text)


if __name__ == "__main__":
    sys.stdout.write(schema(*sys.argv[1:2]))
