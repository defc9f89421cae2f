"""The JSON schema of report.json: `python -m cutover_reports.schema > docs/report.schema.json`."""

from __future__ import annotations

import json
import sys

from cutover_reports.model import Report


def schema() -> str:
    """Return the schema (JSON Schema, draft 2020-12) as text."""
    content = Report.model_json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "kafka-cutover report, format 3"}
    return json.dumps(head | {key: value for key, value in content.items() if key != "title"}, indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
