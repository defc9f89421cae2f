"""`kafka-cutover init`: files to start from."""

from __future__ import annotations

import os
import shlex
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from cutover_harness.errors import UsageError
from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.planning.keep import base_of
from cutover_harness.planning.schema import PLAN, SYSTEMS, write_schema

FILES = ("source.properties", "target.properties", "connect.properties", "systems.yaml", "plan.yaml", "policy.toml")


def init(folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder (default: this one).")] = Path()) -> int:
    """Write commented files to start from: properties of the clusters and Connect, systems, plan and policy.

    Refuses to overwrite a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"init {folder}: is a file: give a folder")
    there = [name for name in FILES if os.path.lexists(folder / name)]
    if there:
        raise UsageError(f"init {folder}: has {', '.join(there)} already: remove them, or give another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise UsageError(f"init {folder}: cannot be created: {why.strerror}") from None
    for name in FILES:
        write_atomic(folder / name, starter(name), mode=PRIVATE)
    # The base of the merge: `kafka-cutover plan` replaces the fields that still equal it.
    write_atomic(base_of(folder / "plan.yaml"), starter("plan.yaml"), mode=PRIVATE)
    for schema in (PLAN, SYSTEMS):
        write_schema(folder, schema)
    typer.echo(f"{folder}: {', '.join(FILES)}")
    typer.echo("next: fill in source.properties and systems.yaml, then")
    if folder != Path():
        typer.echo(f"  cd {shlex.quote(str(folder))}")
    typer.echo("  kafka-cutover inventory --source source.properties -o inventory.json")
    typer.echo("  kafka-cutover plan inventory.json --systems systems.yaml -o plan.yaml")
    typer.echo("  kafka-cutover plan check plan.yaml")
    return 0


def starter(name: str) -> str:
    """Return the text of a file to start from."""
    return (resources.files("cutover_harness.planning") / "assets" / name).read_text(encoding="utf-8")
