"""Scenario files: the catalogue that ships with the product, and a user's own; errors name file, line and field."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_text_input
from cutover_harness.plan.earlier import EARLIER, renamed
from cutover_harness.plan.mistakes import first_mistake
from cutover_harness.plan.scenario import Scenario
from cutover_harness.plan.yaml_lines import line_of
from cutover_harness.plan.yaml_tree import read_yaml


def catalogue() -> dict[str, Traversable]:
    """Return the scenario files that ship with the product, by name, in the order in which they run."""
    folder = resources.files("cutover_scenarios")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    # A leading number only orders the files: 10-stop-first.yaml is the scenario stop-first.
    return {f.name.removesuffix(".yaml").split("-", 1)[1]: f for f in files}


def find(word: str) -> Scenario:
    """Return the scenario that `word` names: a file's path or a name of the catalogue. Raises UsageError."""
    return parse(*text_of(word))


def text_of(word: str) -> tuple[str, str]:
    """Return the text of the scenario file that `word` names as for `find`, and the file's name. Raises UsageError."""
    if word.endswith((".yaml", ".yml")) or "/" in word:
        return read_text_input(Path(word), "scenario file"), word
    known = catalogue()
    if word not in known:
        raise UsageError(
            f"no scenario is called {word!r}: list the catalogue with `kafka-cutover scenarios list`, "
            "or give the path of a scenario file"
        )
    return known[word].read_text(encoding="utf-8"), known[word].name


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
        return Scenario.model_validate(renamed(data, origin))
    except ValidationError as errors:
        mistake = first_mistake(errors)
        raise UsageError(f"{origin}:{line_of(node, mistake.at, EARLIER)}: {mistake}") from None
