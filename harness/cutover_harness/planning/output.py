"""Write a plan next to its base and its schema, and print what is in it."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import typer

from cutover_harness.console import standard_output
from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.inputs import read_text_input
from cutover_harness.inventory.model import Listing
from cutover_harness.planning.keep import Replanned, base_of
from cutover_harness.planning.make import Made, topics_in
from cutover_harness.planning.read import read_plan
from cutover_harness.planning.schema import PLAN, write_schema
from cutover_harness.planning.summary import print_plan
from cutover_harness.planning.systems import Systems


def write_plan(out: Path, planned: Replanned) -> None:
    """Write the plan, its base and the schema; what is the same already is left alone."""
    for file, text in ((out, planned.text), (base_of(out), planned.generated)):
        if not file.exists() or read_text_input(file, "plan") != text:
            write_atomic(file, text, mode=PRIVATE)
    write_schema(out.parent, PLAN)


def changes(out: Path, text: str) -> list[str]:
    """Return the difference between the plan and its new text."""
    before = read_text_input(out, "plan") if out.exists() else ""
    return list(difflib.unified_diff(before.splitlines(True), text.splitlines(True), str(out), f"{out} (new)"))


def print_kept(planned: Replanned) -> None:
    """Print what could not be merged."""
    for line in planned.kept:
        print(f"kept: {line}", file=sys.stderr)


def print_empty(systems: Systems | None, made: Made) -> None:
    """Print the systems of the mapping that have no topic, which may be a mistake."""
    topics = {topic for batch in made.batches for topic in batch.topics} | {
        at[1] for at in made.comments if at[0] == "stays"
    }
    used = {made.system_of(topic) for topic in topics}
    if empty := [name for name in (systems.systems if systems else ()) if name not in used]:
        print(f"systems without a topic in the inventory: {', '.join(empty)}", file=sys.stderr)


def print_summary(out: Path, listing: Listing, *, guessed: bool) -> None:
    """Print the batches of the plan that was written."""
    plan = read_plan(out).plan
    movable = [each for each in listing.clusters["source"].topics if not each.internal]
    counts = {batch.name: len(topics_in(batch, movable)) for batch in plan.batches}
    print_plan(plan, counts, standard_output(highlight=False))
    if guessed:
        typer.echo("business systems are guessed from the first part of topics' names: give a mapping with --systems")
    typer.echo(f"{out}: written; check it with `kafka-cutover plan check {out}`")
