"""`kafka-cutover resume` and `rollback`: going on with a path whose conductor was killed, or turning it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cutover_harness.cli.progress import Progress
from cutover_harness.conductor.process import ConductorConfig
from cutover_harness.errors import UsageError
from cutover_harness.plan.path import Act
from cutover_harness.rehearsal.conducted import Conducted

Folder = Annotated[Path, typer.Argument(help="The folder with conductor.json and journal.sqlite.")]


def resume(folder: Folder) -> int:
    """Go on along a path from where its conductor was, by its journal."""
    return _conduct(folder, back=False)


def rollback(folder: Folder) -> int:
    """Bring consumers and producers back to the source from wherever the path stands, and delete the mirror task."""
    return _conduct(folder, back=True)


def _conduct(folder: Path, *, back: bool) -> int:
    config = ConductorConfig.load(folder / "conductor.json")
    if not config.journal.exists():
        raise UsageError(f"{config.journal}: no journal, so there is nothing to go on with; start the path instead")

    def cannot(act: Act, when: str) -> NoReturn:
        raise UsageError(f"{folder}: the path asks for something {when} {act} that only its rehearsal can do")

    with Progress() as progress:
        conducted = Conducted(config, folder, progress.begin(config.route, 1, 1), cannot, lambda: None, back=back)
        why = conducted.run()
    wanted = "turned-back" if back else "walked"
    typer.echo(f"{folder}: {conducted.ended}" + (f": {why}" if why else ""))
    return 0 if conducted.ended == wanted else 1
