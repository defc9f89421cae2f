"""Mistakes of a command line in one line: what was found, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cutover_harness.masking import printable
from cutover_harness.words import did_you_mean


def in_words(error: Any) -> str:
    """Return the line for an error that Typer found in the command line."""
    ctx = getattr(error, "ctx", None)
    message = printable(" ".join(str(error.format_message()).split())).rstrip(".")
    near = ""
    if hasattr(error, "possibilities"):  # an option that does not exist
        message = f"no such option: {printable(error.option_name)}"
        near = did_you_mean(error.option_name, _options(ctx))
    if ctx is None:
        return message
    return _line(ctx.command_path, message[:1].lower() + message[1:], near)


def no_such_command(group: str, name: str, known: Iterable[str]) -> str:
    """Return the line for a command that a group, such as "kafka-cutover plan", does not have."""
    return _line(group, f"no such command: {printable(name)}", did_you_mean(name, known))


def _line(command: str, message: str, near: str) -> str:
    place = command.partition(" ")[2]
    more = f": {near} " if near else ": "
    return f"{place}{': ' if place else ''}{message}{more}`{command} --help` shows the usage"


def _options(ctx: Any) -> list[str]:
    if ctx is None:
        return []
    return [name for param in ctx.command.get_params(ctx) for name in (*param.opts, *param.secondary_opts)]
