"""Commands by name; the module of a command is imported when it is called, as all of them together take seconds."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from cutover_harness.errors import UsageError

COMMANDS = {
    "rehearse": "cutover_harness.cli.rehearse:rehearse",
    "record": "cutover_harness.capture.command:app",
    "load": "cutover_harness.load.command:app",
    "init": "cutover_harness.planning.starting:init",
    "inventory": "cutover_harness.inventory.command:inventory",
    "plan": "cutover_harness.planning.command:app",
    "preflight": "cutover_harness.cli.preflight:preflight",
    "run": "cutover_harness.cli.run:run",
    "status": "cutover_harness.cli.status:status",
    "advance": "cutover_harness.cli.advance:advance",
    "verify": "cutover_harness.verify.command:verify",
    "resume": "cutover_harness.cli.conduct:resume",
    "rollback": "cutover_harness.cli.conduct:rollback",
    "judge": "cutover_harness.cli.evidence:judge",
    "report": "cutover_harness.cli.evidence:report",
    "file": "cutover_harness.cli.cutover_file:app",
    "fleet": "cutover_harness.cli.fleet:fleet",
    "scenarios": "cutover_harness.cli.scenarios:app",
    "doctor": "cutover_harness.cli.doctor:doctor",
}
"""Where each command is, `module:name`: a function, or a Typer application. Help lists them in this order."""


class Commands(TyperGroup):
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
    command = get_command(found)
    command.name = name
    return command
