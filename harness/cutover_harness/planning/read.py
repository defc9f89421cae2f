"""Read a plan file; errors name file, line and field."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_input
from cutover_harness.plan.mistakes import first_mistake
from cutover_harness.plan.yaml_lines import line_of
from cutover_harness.plan.yaml_tree import read_yaml
from cutover_harness.planning.model import SECRET, PlanFile
from cutover_harness.properties_file import resolved

MOST_BYTES = 16 << 20
"""20,000 topics by name are 1.5 MB."""


@dataclass(frozen=True)
class ReadPlan:
    """A plan as read. `digest`: SHA-256 of the file's bytes, the plan's hash in everything that is made from it."""

    path: Path
    plan: PlanFile
    digest: str

    def file(self, name: str) -> Path:
        """Return the path of a file that the plan names, relative to the plan's folder, with its `${NAME}` resolved.

        Raises UsageError if the environment lacks a variable.
        """
        return self.path.parent / resolved(name, str(self.path), os.environ, self.path.parent)

    def secret(self, text: str) -> str:
        """Return a text with its references resolved; `${file:PATH}` is relative to the plan's folder.

        Raises UsageError if a variable or a file is missing.
        """
        return resolved(text, str(self.path), os.environ, self.path.parent)


def read_plan(path: Path) -> ReadPlan:
    """Return the plan in a file. Raises UsageError that names file, line and field of the first mistake."""
    content = read_input(path, "plan")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"plan {path}: cannot be read: not UTF-8 text") from None
    node, data = read_yaml(text, str(path), MOST_BYTES)
    if not isinstance(data, dict):
        found = "nothing" if data is None else type(data).__name__
        raise UsageError(f"{path}:1: a plan is a mapping with name, clusters and batches; found {found}")
    try:
        plan = PlanFile.model_validate(data)
    except ValidationError as errors:
        mistake = first_mistake(errors, PlanFile, data, secret=SECRET)
        raise UsageError(f"{path}:{line_of(node, mistake.at)}: {mistake}") from None
    return ReadPlan(path, plan, hashlib.sha256(content).hexdigest())
