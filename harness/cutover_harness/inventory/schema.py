"""The schema of inventory.json: `python -m cutover_harness.inventory.schema > docs/inventory.schema.json`."""

from __future__ import annotations

import sys

from cutover_harness.inventory.model import Listing
from cutover_harness.json_schema import schema_text


def schema() -> str:
    """Return the schema (JSON Schema, draft 2020-12) as text."""
    return schema_text(Listing.model_json_schema(mode="serialization"), "kafka-cutover inventory, format 1")


if __name__ == "__main__":
    sys.stdout.write(schema())
