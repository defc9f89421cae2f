"""The content of systems.yaml: which topics belong to which business system, and what a person decides for each."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_text_input
from cutover_harness.plan.batch import STAYS, WHOLE, Group, Pattern
from cutover_harness.plan.mistakes import first_mistake
from cutover_harness.plan.scenario import Gates, Name, PathStep
from cutover_harness.plan.yaml_lines import line_of
from cutover_harness.plan.yaml_tree import read_yaml
from cutover_harness.planning.model import PathName, PlanPart
from cutover_harness.planning.patterns import FirstOf

OTHER = "other"
"""The system of topics that match none."""
USUAL_ORDER = 50
How = Literal["shim", "restart"]


class System(PlanPart):
    """One business system."""

    topics: tuple[Pattern, ...] = Field(
        min_length=1, description="Names or globs. A name wins over globs; of several globs that of the first system."
    )
    order: int = Field(default=USUAL_ORDER, description="Lower numbers move earlier.")
    after: tuple[Name, ...] = Field(default=(), description="Systems that have to move earlier.")
    path: PathName | Annotated[tuple[PathStep, ...], Field(min_length=1)] | None = Field(
        default=None, description="Default: in-process if all of its clients have the shim, otherwise restart."
    )
    moves: dict[Group, How] = Field(
        default={}, description="How groups and producing applications move, by name or glob, instead of what is found."
    )
    rollback_window_h: float | None = Field(default=None, gt=0, le=8760)
    gates: Gates | None = None


class Systems(PlanPart):
    """The whole file."""

    format: Literal[1] = 1
    name: Name | None = Field(default=None, description="Name of the plan.")
    systems: dict[Name, System] = Field(min_length=1, description="By name.")
    stale: Literal["stay", "move"] = Field(
        default="stay", description="Topics and groups that the inventory calls stale stay on the source, or move."
    )
    stays: tuple[Pattern, ...] = Field(default=(), description="Topics that stay on the source: names or globs.")
    stays_groups: tuple[Group, ...] = Field(default=(), description="Groups that stay on the source: names or globs.")


def read_systems(path: Path) -> Systems:
    """Return the mapping in a file. Raises UsageError that names file, line and field of the first mistake."""
    node, data = read_yaml(read_text_input(path, "systems"), str(path))
    if not isinstance(data, dict):
        raise UsageError(f"{path}:1: expected a mapping with systems, such as systems: {{shop: {{topics: [shop.*]}}}}")
    try:
        found = Systems.model_validate(data)
    except ValidationError as errors:
        mistake = first_mistake(errors, Systems, data)
        raise UsageError(f"{path}:{line_of(node, mistake.at)}: {mistake}") from None
    for name, system in found.systems.items():
        at = ("systems", name)
        if name in (STAYS, WHOLE):
            raise UsageError(f"{path}:{line_of(node, at)}: {name} is reserved: choose another name")
        for other in system.after:
            if other not in found.systems:
                line = line_of(node, (*at, "after"))
                raise UsageError(f"{path}:{line}: systems.{name}.after: no system is called {other}: correct it")
    return found


def guess_systems(topics: Iterable[str]) -> Systems:
    """Return a mapping by the first part of topics' names, up to the first of `.`, `-` and `_`."""
    patterns: dict[str, set[str]] = defaultdict(set)
    for topic in topics:
        first = re.match(r"[A-Za-z0-9]+(?=[._-])", topic)
        name = first.group().lower() if first else re.sub(r"^[^a-z0-9]+|[^a-z0-9.-]", "", topic.lower())[:60]
        name = f"{name or OTHER}-topics" if name in ("", OTHER, STAYS, WHOLE) else name
        patterns[name].add(f"{first.group()}{topic[first.end()]}*" if first else topic)
    if not patterns:
        patterns[OTHER].add("*")
    return Systems(systems={name: System(topics=tuple(sorted(patterns[name]))) for name in sorted(patterns)})


class SystemOf:
    """Finds the system of a topic."""

    def __init__(self, systems: Mapping[str, System]) -> None:
        self._systems = FirstOf({name: system.topics for name, system in systems.items()})

    def __call__(self, topic: str) -> str:
        """Return the system's name, `other` if no pattern matches the topic."""
        return self._systems.find(topic) or OTHER
