"""Scenarios as arguments of a test's `rehearse`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cutover_harness.errors import UsageError
from cutover_harness.plan.load import find
from cutover_harness.plan.mistakes import first_mistake
from cutover_harness.plan.scenario import Scenario


def scenario_of(given: Scenario | str | Path | Mapping[str, Any]) -> Scenario:
    """Return the scenario of a name in the catalogue, a file, or a mapping as a file has it. Raises UsageError."""
    if isinstance(given, Scenario):
        return given
    if isinstance(given, Path):
        return find(str(given if given.is_absolute() else Path.cwd() / given))
    if isinstance(given, str):
        return find(given)
    try:
        return Scenario.model_validate(given)
    except ValidationError as errors:
        raise UsageError(f"the scenario given to rehearse: {first_mistake(errors, Scenario, given)}") from None
