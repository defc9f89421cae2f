"""The part of a report on what was explored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cutover_reports.model_parts import ModelPart


class ExploredGate(ModelPart):
    """A gate that was left out, and the damage that it prevents."""

    gate: str
    prevents: str | None = Field(description="The violation without it; None if the search found none.")
    note: str = Field(description="How the damage was found, or why none was; empty if there is nothing to add.")


class ExploredPath(ModelPart):
    """A rehearsed path, and what an exhaustive search of a small world found on it."""

    path: str
    route_paths: list[str] = Field(description="Paths of routes whose verdict its violations concern.")
    world: str = Field(description="The fleet of the world; empty if the path was not explored.")
    result: Literal["no violation", "violation", "not proved", "not explored"] = Field(
        description="`no violation` only of a complete search, of this path, by this version's code."
    )
    why: list[str] = Field(description="Why it proves nothing, or less.")
    states: int | None = Field(description="None if it was not searched.")
    depth: int | None
    bounds: str
    violations: int | None
    violation: str = Field(description="In words; empty without one.")
    trace: list[str] = Field(description="A shortest sequence of events that leads to the violation.")
    gates: list[ExploredGate]


class Explored(ModelPart):
    """What was explored, of the paths of a report."""

    file: str | None = Field(description="Name of the result file; None without one.")
    product: str | None = Field(description="The version of kafka-cutover that explored.")
    procedure: str | None = Field(description="SHA-256 of the code that was explored.")
    paths: list[ExploredPath]
    note: str = Field(description="What the search proves and what not; without a file, how to make one.")
    command: str = Field(description="The command that writes the result file.")
