"""Commands by name, and the page that lists them.

The module of a command is imported when the command is called: all of them together take seconds. So its line in the
list of commands is here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.main import get_command

from cutover_harness.cli.completing import complete_values, items
from cutover_harness.cli.help_pages import Group, tidy, with_pages
from cutover_harness.errors import UsageError


class Listed(NamedTuple):
    """Where a command is, `module:name` (a function, or a Typer application), and its line in the list."""

    place: str
    summary: str


SECTIONS: dict[str, dict[str, Listed]] = {
    "Rehearse: for those who test the platform": {
        "doctor": Listed("cutover_harness.cli.doctor:doctor", "Check that this machine can rehearse."),
        "rehearse": Listed("cutover_harness.cli.rehearse:rehearse", "Run switchovers and rollbacks on real clusters."),
        "scenarios": Listed("cutover_harness.cli.scenarios:app", "List, show, check and explore scenarios."),
        "record": Listed("cutover_harness.capture.command:app", "Record traffic from a live cluster."),
        "load": Listed("cutover_harness.load.command:app", "Replay recorded traffic as a Locust load."),
    },
    "Migrate: for those who plan and perform the cutover": {
        "init": Listed("cutover_harness.planning.starting:init", "Write commented files to start from."),
        "inventory": Listed("cutover_harness.inventory.command:inventory", "List what is on the clusters."),
        "plan": Listed("cutover_harness.planning.command:app", "Make and check the plan: batches and their order."),
        "preflight": Listed("cutover_harness.cli.preflight:preflight", "Find what can break the migration."),
        "run": Listed("cutover_harness.cli.run:run", "Move a batch of the plan to the target."),
        "status": Listed("cutover_harness.cli.status:status", "Show where each batch is."),
        "advance": Listed("cutover_harness.cli.advance:advance", "Approve, or decline, the step that a run waits for."),
        "resume": Listed("cutover_harness.cli.conduct:resume", "Resume an interrupted run from its journal."),
        "rollback": Listed("cutover_harness.cli.conduct:rollback", "Move clients back to the source."),
        "verify": Listed("cutover_harness.verify.command:verify", "Compare source and target record by record."),
    },
    "Applications: for those whose clients switch": {
        "file": Listed("cutover_harness.cli.cutover_file:app", "Write, check and compare cutover files."),
        "fleet": Listed("cutover_harness.cli.fleet:fleet", "Show which client is on which cluster."),
    },
    "Decide: for those who sign off the cutover": {
        "judge": Listed("cutover_harness.cli.evidence:judge", "Account for every record of a run's ledgers."),
        "report": Listed(
            "cutover_harness.cli.evidence:report",
            "Write the report of rehearsals or a cutover, or compare.",
        ),
    },
}
"""All commands, by who uses them, in the order of the list."""

COMMANDS = {name: listed.place for section in SECTIONS.values() for name, listed in section.items()}
"""Where each command is."""


class Commands(Group):
    """The group of all commands."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        names: Any = dict.fromkeys(COMMANDS)  # `get_command` loads them
        self.commands.update(names)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - as the base class
        """Return a command; None if there is none of this name. Raises UsageError if a package is missing."""
        if cmd_name not in COMMANDS:
            return None
        if self.commands[cmd_name] is None:
            self.commands[cmd_name] = _loaded(cmd_name)
        return self.commands[cmd_name]

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return the commands, or options, that begin so, without loading a command."""
        listed = [line for lines in self.sections().values() for line in lines if line[0].startswith(incomplete)]
        return items(listed) if listed else super().shell_complete(ctx, incomplete)

    def sections(self) -> dict[str, list[tuple[str, str]]]:
        """Return names and lines of the commands, by section, without loading one."""
        return {
            title: [(name, listed.summary) for name, listed in section.items()] for title, section in SECTIONS.items()
        }


def _loaded(name: str) -> Any:
    module, _, attribute = COMMANDS[name].partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("cutover_"):
            raise
        raise UsageError(f"needs {missing.name}: pip install 'kafka-cutover[harness]'") from None
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False)
        found.command(name)(function)
    found.rich_markup_mode, found.pretty_exceptions_enable = None, False
    with_pages(found)
    command = get_command(found)
    command.name = name
    tidy(command)
    complete_values(name, command)
    return command
