"""`kafka-cutover scenarios`: list the catalogue, check your own files."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from cutover_harness import exit_codes
from cutover_harness.cli.scenarios_explore import explore
from cutover_harness.console import standard_output
from cutover_harness.masking import visible
from cutover_harness.plan.catalogue import expanded
from cutover_harness.plan.load import find, load_all, mistakes_in, parse, text_of
from cutover_harness.plan.scenario import Scenario
from cutover_harness.words import counted

_NARROW = 110
"""Columns of a terminal below which the stages of a path are below its name."""
app = typer.Typer(help="List, show, check and explore scenarios.", no_args_is_help=True, add_completion=False)


app.command()(explore)


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the catalogue; a star marks what `rehearse` runs by default."""
    scenarios = load_all()
    if as_json:
        typer.echo(json.dumps([scenario.model_dump(mode="json") for scenario in scenarios], indent=2))
        return
    console = standard_output()
    narrow = console.width < _NARROW
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("scenario, and its stages" if narrow else "scenario", no_wrap=True)
    if not narrow:
        table.add_column("stages", no_wrap=True)
    table.add_column("path")
    for scenario in scenarios:
        stages = "-".join(str(state.stage) for state in scenario.states())
        names = [f"{scenario.name}\n  {stages}"] if narrow else [scenario.name, stages]
        table.add_row("*" if scenario.default else "", *names, scenario.title)
    console.print(table)


@app.command()
def show(name: Annotated[str, typer.Argument(help="Name in the catalogue, or a scenario file.")]) -> None:
    """Print a scenario's file, as a start for your own."""
    text, origin = text_of(name)
    parse(text, origin)
    typer.echo(text, nl=False)


@app.command()
def validate(
    files: Annotated[list[str], typer.Argument(metavar="SCENARIO", help="Scenario files, or names or globs of names.")],
) -> int:
    """Check scenario files, and report all errors of all files with file, line and field.

    Exit codes: 0 no error, 2 some.
    """
    wrong = 0
    for word in expanded(files):
        mistakes = mistakes_in(word)
        wrong += bool(mistakes)
        for mistake in mistakes:
            typer.echo(f"kafka-cutover: {visible(mistake)}", err=True)
        if not mistakes:
            scenario = find(word)
            typer.echo(f"{word}: valid: {scenario.name}, {counted(len(scenario.path), 'step')}")
    return exit_codes.REFUSED if wrong else 0


@app.command()
def schema() -> None:
    """Print the JSON Schema of a scenario file."""
    typer.echo(json.dumps(Scenario.model_json_schema(), indent=2))
