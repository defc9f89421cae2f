"""Scenario files: the catalogue that ships with the product, and a user's own; errors name file, line and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_text_input
from cutover_harness.plan.catalogue import catalogue, is_file, named
from cutover_harness.plan.earlier import EARLIER, renamed
from cutover_harness.plan.mistakes import Mistake, first_mistake, mistakes_of
from cutover_harness.plan.scenario import Scenario
from cutover_harness.plan.yaml_lines import line_of
from cutover_harness.plan.yaml_tree import read_yaml


def find(word: str) -> Scenario:
    """Return the scenario that `word` names: a file's path or a name of the catalogue. Raises UsageError."""
    return parse(*text_of(word))


def text_of(word: str) -> tuple[str, str]:
    """Return the text of the scenario file that `word` names as for `find`, and the file's name. Raises UsageError."""
    if is_file(word):
        return read_text_input(Path(word), "scenario file"), word
    file = named(word)
    return file.read_text(encoding="utf-8"), file.name


def load_all() -> list[Scenario]:
    """Return the whole catalogue."""
    return [parse(file.read_text(encoding="utf-8"), file.name) for file in catalogue().values()]


def parse(text: str, origin: str) -> Scenario:
    """Return the scenario that `text` (YAML) describes. Raises UsageError naming `origin`, line and field."""
    node, data = _read(text, origin)
    try:
        return Scenario.model_validate(data)
    except ValidationError as errors:
        raise UsageError(_placed(origin, node, first_mistake(errors, Scenario, data))) from None


def mistakes_in(word: str) -> list[str]:
    """Return all mistakes of the scenario that `word` names as for `find`, a line each with file, line and field."""
    try:
        text, origin = text_of(word)
        node, data = _read(text, origin)
    except UsageError as why:
        return [str(why)]
    try:
        Scenario.model_validate(data)
    except ValidationError as errors:
        return [_placed(origin, node, each) for each in mistakes_of(errors, Scenario, data)]
    return []


def _read(text: str, origin: str) -> tuple[yaml.Node | None, dict[Any, Any]]:
    node, data = read_yaml(text, origin)
    if not isinstance(data, dict):
        found = "nothing" if data is None else type(data).__name__
        raise UsageError(f"{origin}:1: a scenario is a mapping with name, title and path; found {found}")
    return node, renamed(data, origin)


def _placed(origin: str, node: yaml.Node | None, mistake: Mistake) -> str:
    return f"{origin}:{line_of(node, mistake.at, EARLIER)}: {mistake}"
