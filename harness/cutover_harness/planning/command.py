"""`kafka-cutover plan`: its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from cutover_harness.planning import check_command, make_command
from cutover_harness.planning.schema import schema
from cutover_harness.words import alike

_MAKE = "make"


class PlanCommands(TyperGroup):
    """The commands of `plan`; without the name of one, arguments are those of `make`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the name of the default command."""
        if args and args[0] not in (*self.commands, *ctx.help_option_names) and not self._misspelled(args[0]):
            args = [_MAKE, *args]
        return super().parse_args(ctx, args)

    def _misspelled(self, word: str) -> bool:
        """Return whether a word is rather meant to be a command than the file of an inventory."""
        return "." not in word and "/" not in word and bool(alike(word, self.commands)) and not Path(word).exists()


app = typer.Typer(
    cls=PlanCommands,
    help=(
        "Plan a migration in batches: `plan inventory.json -o plan.yaml`, which is short for `plan make`. "
        "`plan make --help` shows its options: --systems, --explain and others."
    ),
    no_args_is_help=True,
    add_completion=False,
)


app.command(_MAKE)(make_command.make)
app.command("check")(check_command.check)


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of a plan."""
    typer.echo(schema(), nl=False)
