"""Read back what a conductor has done, and print it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import typer

from cutover_harness import exit_codes
from cutover_harness.admin import Admin
from cutover_harness.cli.route_state import where
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.findings import ReadBack
from cutover_harness.conductor.inspection import inspect
from cutover_harness.conductor.readback import read_back
from cutover_harness.conductor.readback_connectors import read_back_connectors
from cutover_harness.conductor.resume import reached
from cutover_harness.cutover.audit import Audit
from cutover_harness.cutover.bypassing import bypasses_in
from cutover_harness.plan.expect import Ended
from cutover_harness.procedure.connectors import Connectors
from cutover_harness.procedure.denials import standing, words

_WORDS = {"completed": "completed", "turned-back": "back on the source"}


def conclude(
    config: ConductorConfig,
    folder: Path,
    clusters: tuple[Admin, Admin],
    ended: Ended,
    *,
    asked_back: bool,
    note: Callable[[ReadBack], None] = lambda _: None,
) -> int:
    """Read back where everything is, print it, and return the exit code. note: is called with what was found."""
    entries = inspect(config.journal, config.steps, config.groups)
    state = reached(entries)
    source, target = clusters
    found = read_back(config, state, {"source": source, "target": target})
    if config.connectors:
        with closing(config.connects(source.cluster_id, target.cluster_id)) as connect:
            found.add(read_back_connectors(Connectors(config.connectors, connect), state))
    if ended == "completed":
        found.wrong.extend(f"bypass: {each.words}" for each in bypasses_in(entries) if each.closes)
    if fence := standing(entries):
        found.wrong.append(f"the fence still stands on the source: {words(fence)}")
    note(found)
    typer.echo(f"{folder}: {_WORDS[ended]}: {where(config)}")
    for label, lines in (("read back", found.proved), ("not so", found.wrong), ("not known", found.unknown)):
        for line in lines:
            typer.echo(f"  {label}: {line}")
    return exit_code(found, asked_back=asked_back, ended=ended)


def read_back_in(audit: Audit, batch: str) -> Callable[[ReadBack], None]:
    """Return what writes the findings about a batch to the audit log."""
    return lambda found: audit.write("read back", batch=batch, **asdict(found))


def exit_code(found: ReadBack, *, asked_back: bool, ended: Ended) -> int:
    """Return the exit code of a run that ended: 0 only for what was asked for and read back."""
    if found.wrong:
        return exit_codes.FAILED
    if found.unknown:
        return exit_codes.UNPROVED
    return 0 if asked_back or ended == "completed" else exit_codes.TURNED_BACK
