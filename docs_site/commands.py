"""The help of every command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from cutover_harness.cli.app import app
from typer.main import get_command

WIDTH = 100
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def commands() -> Iterator[str]:
    """Yield a section for each command, and for those of a group, in the order of the help."""
    root: Any = get_command(app)
    context = _context(root, "kafka-cutover", None)
    for name in root.list_commands(context):
        yield from _of(root.get_command(context, name), name, context)


def _of(command: Any, name: str, parent: Any) -> Iterator[str]:
    context = _context(command, name, parent)
    yield f"## `{context.command_path}`"
    yield f"```text\n{_COLOURS.sub('', command.get_help(context)).strip()}\n```"
    for sub in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from _of(command.get_command(context, sub), sub, context)


def _context(command: Any, name: str, parent: Any) -> Any:
    return typer.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)
