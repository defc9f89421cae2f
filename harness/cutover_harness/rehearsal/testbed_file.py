"""Read the file of `--testbed FILE`; errors name file, line and field."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from cutover_harness.configfile import with_paths
from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_text_input
from cutover_harness.plan.mistakes import first_mistake
from cutover_harness.plan.yaml_lines import line_of
from cutover_harness.plan.yaml_tree import read_yaml
from cutover_harness.testbed.existing.description import ExistingClusters


def read_testbed_file(file: Path) -> ExistingClusters:
    """Return the testbed that `file` describes; its paths are relative to the file's folder. Raises UsageError."""
    node, data = read_yaml(read_text_input(file, "testbed file"), str(file))
    if not isinstance(data, dict):
        found = "nothing" if data is None else type(data).__name__
        raise UsageError(f"{file}:1: a testbed file is a mapping with source, target and connect; found {found}")
    try:
        described = ExistingClusters.model_validate(data)
    except ValidationError as errors:
        mistake = first_mistake(errors, ExistingClusters, data, secret=("password", "url"))
        raise UsageError(f"{file}:{line_of(node, mistake.at)}: {mistake}") from None
    folder = file.absolute().parent
    return with_paths(described, lambda path: folder / path)
