"""`kafka-cutover plan make`: from an inventory to batches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cutover_harness.capture.units import size_bytes
from cutover_harness.errors import UsageError
from cutover_harness.masking import masked, printable
from cutover_harness.outputs import check_file
from cutover_harness.plan.mistakes import first_mistake
from cutover_harness.planning.explain import explain
from cutover_harness.planning.keep import replanned
from cutover_harness.planning.listing import read_listing, refuse_partial
from cutover_harness.planning.make import Wanted, make_plan
from cutover_harness.planning.model import ListedBy, PlanFile
from cutover_harness.planning.output import changes, print_empty, print_kept, print_summary, write_plan
from cutover_harness.planning.read import ReadPlan, read_plan
from cutover_harness.planning.render import text_of
from cutover_harness.planning.systems import read_systems

_DEFAULT = Path("plan.yaml")


def make(
    inventory: Annotated[
        Path | None,
        typer.Argument(metavar="[INVENTORY]", help="File of `inventory -o` (default: that of the existing plan)."),
    ] = None,
    systems: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Business systems of topics (default: by the first part of names)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Plan to write; edits of an existing one are kept."),
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Print what would change; write nothing.")] = False,
    name: Annotated[str | None, typer.Option(help="Name of the plan (default: cutover).")] = None,
    source: Annotated[
        str | None, typer.Option(metavar="FILE", help="Client properties of the source (default: source.properties).")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="FILE", help="Client properties of the target (default: target.properties).")
    ] = None,
    connect: Annotated[
        str | None, typer.Option(metavar="URL", help="Connect for the mirror (default: the inventory's on the target).")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(metavar="FILE", help="Policy of the report (default: policy.toml if it is there).")
    ] = None,
    mirror_rate: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Bytes per second that the mirror copies, such as 40m (default: 20 MB)."),
    ] = None,
    measured: Annotated[bool, typer.Option("--measured", help="--mirror-rate was measured on these clusters.")] = False,
    about: Annotated[
        str | None,
        typer.Option("--explain", metavar="NAME", help="Explain where a topic or a group is, and why; write nothing."),
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Accept an inventory that lacks something.")] = False,
) -> int:
    """Make a plan: what moves together, in which order, how, and how long it takes.

    Without -o it prints the plan. Options that are not given are taken from the existing plan.
    """
    if measured and mirror_rate is None:
        raise UsageError("--measured: give the rate with --mirror-rate")
    if out is not None:
        check_file(out, "-o")
    file = _DEFAULT if out is None and (inventory is None or about is not None) else out
    existing = read_plan(file) if file is not None and file.exists() else None
    folder = Path() if file is None else file.parent
    inventory = inventory or _inventory_of(existing)
    listing, digest = read_listing(inventory)
    if not partial:
        refuse_partial(listing, inventory)
    wanted = Wanted(
        name=name,
        source=source,
        target=target,
        connect=None if connect is None else _without_secret(connect),
        connect_properties=_if_there(folder, "connect.properties"),
        policy=policy or (_if_there(folder, "policy.toml") if existing is None else existing.plan.policy),
        mirror_rate=None if mirror_rate is None else size_bytes("--mirror-rate", mirror_rate),
        measured=measured,
    )
    mapping_file = systems or _systems_of(existing)
    mapping = None if mapping_file is None else read_systems(mapping_file)
    listed = _listed_by(inventory, digest, mapping_file, folder)
    try:
        made = make_plan(listing, listed, mapping, wanted, None if existing is None else existing.plan)
    except ValidationError as errors:  # Kafka allows any name of a group, and a person can edit an inventory
        mistake = printable(str(first_mistake(errors, PlanFile, None)))
        raise UsageError(f"inventory {inventory}: a plan cannot contain this: {mistake}") from None
    if about is not None:
        typer.echo("\n".join(explain(made, listing, about, existing)))
        return 0
    if out is None:
        typer.echo(text_of(made), nl=False)
        return 0
    planned = replanned(out, made, listing)
    print_empty(mapping, made)
    if diff:
        typer.echo("".join(changes(out, planned.text)), nl=False)
        print_kept(planned)
        return 0
    write_plan(out, planned)
    print_kept(planned)
    print_summary(out, listing, guessed=made.guessed)
    return 0


def _if_there(folder: Path, name: str) -> str | None:
    """Return the name of a file that `kafka-cutover init` has written next to the plan."""
    return name if (folder / name).is_file() else None


def _inventory_of(existing: ReadPlan | None) -> Path:
    if existing is None or existing.plan.inventory is None:
        raise UsageError("plan: no inventory: give the file that `kafka-cutover inventory -o` has written")
    return existing.file(existing.plan.inventory.file)


def _systems_of(existing: ReadPlan | None) -> Path | None:
    listed = None if existing is None else existing.plan.inventory
    return None if existing is None or listed is None or listed.systems is None else existing.file(listed.systems)


def _listed_by(inventory: Path, digest: str, systems: Path | None, folder: Path) -> ListedBy:
    named = None if systems is None else os.path.relpath(systems, folder)
    return ListedBy(file=os.path.relpath(inventory, folder), systems=named, sha256=digest)


def _without_secret(url: str) -> str:
    if masked(url) != url and "${" not in url:
        raise UsageError(f"--connect {masked(url)}: has a password: write ${{NAME}} for it, in single quotes")
    return url
