"""Options of a command as objects."""

from __future__ import annotations

from dataclasses import dataclass, fields
from inspect import signature
from typing import Annotated, Any

import pytest
import typer
from cutover_harness.cli.option_groups import with_option_groups
from cutover_harness.cli.plan_options import PlanOptions
from cutover_harness.cli.rehearse import RunOptions, rehearse
from cutover_harness.cli.testbed_options import BELONGS, TestbedOptions
from cutover_harness.errors import UsageError
from typer.testing import CliRunner

got: list[object] = []


@dataclass(frozen=True)
class Colours:
    """Two options."""

    fore: Annotated[str, typer.Option(help="Colour of the text.")] = "black"
    back: Annotated[str | None, typer.Option(help="Colour behind it.")] = None


@with_option_groups
def paint(name: Annotated[str, typer.Argument(help="What to paint.")], colours: Colours = Colours()) -> int:
    """Paint."""
    got.append((name, colours))
    return 0


def app() -> typer.Typer:
    made = typer.Typer()
    made.command()(paint)
    return made


def test_each_field_is_an_option_and_the_command_gets_the_object() -> None:
    got.clear()
    done = CliRunner().invoke(app(), ["door", "--back", "red"])
    assert done.exit_code == 0, done.output
    assert got == [("door", Colours("black", "red"))]


def test_an_option_that_no_field_has_is_refused() -> None:
    assert CliRunner().invoke(app(), ["door", "--size", "3"]).exit_code == 2


def test_rehearse_has_the_fields_of_all_groups_as_options() -> None:
    own = {"names", "every"}
    groups: list[Any] = [PlanOptions, RunOptions, TestbedOptions]
    assert {*signature(rehearse).parameters} == own | {field.name for group in groups for field in fields(group)}


def test_options_that_belong_to_a_kind_of_testbed_exist() -> None:
    assert {*BELONGS} <= {field.name for field in fields(TestbedOptions)}


@pytest.mark.parametrize("name", [*BELONGS])
def test_an_option_of_another_testbed_is_refused(name: str) -> None:
    own = (kind for kind in ("process", "docker", "automq") if kind not in BELONGS[name])
    other, words = next(((kind, kind) for kind in own), ("clusters.yaml", "existing clusters"))
    given: dict[str, Any] = {name: 1}
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} 1: is for --testbed .* not for {words}"):
        TestbedOptions(testbed=other, **given).kind()
    assert TestbedOptions(testbed=BELONGS[name][0], **given).kind() == BELONGS[name][0]
