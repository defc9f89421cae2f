"""Scenario files: the catalogue that ships with the product, and a user's own; errors name file, line and field."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml
from pydantic import ValidationError

from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_text_input
from cutover_harness.plan.scenario import Scenario
from cutover_harness.plan.yaml_tree import read_yaml


def catalogue() -> dict[str, Traversable]:
    """Return the scenario files that ship with the product, by name, in the order they are walked."""
    folder = resources.files("cutover_scenarios")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    # A leading number only orders the files: 10-stop-first.yaml is the scenario stop-first.
    return {f.name.removesuffix(".yaml").split("-", 1)[1]: f for f in files}


def find(word: str) -> Scenario:
    """Return the scenario that `word` names: a file's path or a name of the catalogue. Raises UsageError."""
    if word.endswith((".yaml", ".yml")) or "/" in word:
        return parse(read_text_input(Path(word), "scenario file"), word)
    known = catalogue()
    if word not in known:
        raise UsageError(
            f"no scenario is called {word!r}: `kafka-cutover scenarios list` shows the catalogue, "
            "and a file of your own is given by its path"
        )
    return parse(known[word].read_text(encoding="utf-8"), known[word].name)


def load_all() -> list[Scenario]:
    """Return the whole catalogue."""
    return [parse(file.read_text(encoding="utf-8"), file.name) for file in catalogue().values()]


def parse(text: str, origin: str) -> Scenario:
    """Return the scenario that `text` (YAML) describes. Raises UsageError naming `origin`, line and field."""
    node, data = read_yaml(text, origin)
    if not isinstance(data, dict):
        found = "nothing" if data is None else type(data).__name__
        raise UsageError(f"{origin}:1: a scenario is a mapping with name, title and path; found {found}")
    try:
        return Scenario.model_validate(data)
    except ValidationError as errors:
        first = errors.errors()[0]
        # `act` is where a step given as a plain string fails, and that has no node of its own.
        field = ".".join(str(part) for part in first["loc"]) or "scenario"
        more = f" (and {errors.error_count() - 1} more)" if errors.error_count() > 1 else ""
        found = first.get("input")
        shown = f", found {found!r}" if isinstance(found, str | int | float | bool) else ""
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{origin}:{_line(node, first['loc'])}: {field}: {message}{shown}{more}") from None


def _line(node: yaml.Node | None, loc: tuple[int | str, ...]) -> int:
    """Return the line (from 1) of the deepest node that `loc` reaches."""
    line = node.start_mark.line + 1 if node else 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == str(part)]
            if not pairs:
                return line
            key, node = pairs[0]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line
