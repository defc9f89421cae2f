"""Makes, from a plan, what is to be verified."""

from __future__ import annotations

import re
from pathlib import Path

from cutover_harness.conductor.statuses import own_topics
from cutover_harness.errors import UsageError
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.spec import Batch
from cutover_harness.planning.read import ReadPlan
from cutover_harness.properties_file import read_properties
from cutover_harness.verify.batch import Wanted
from cutover_harness.verify.run_journal import RunFacts, read_run, run_folder


def of_plan(read: ReadPlan, batch: str, *, until_ends: Path | None = None) -> Wanted:
    """Return what to verify of a batch: all records, at any rate. Raises UsageError.

    `until_ends`: a run's folder whose journal has the target's log ends; None: the plan's run folder, if it is there.
    """
    return Wanted(
        plan=read.plan.name,
        plan_sha256=read.digest,
        batch=mirrored(read, batch),
        source=read_properties(read.file(read.plan.clusters.source.properties)),
        target=read_properties(read.file(read.plan.clusters.target.properties)),
        run=_run(read.path, batch, until_ends),
    )


def mirrored(read: ReadPlan, name: str) -> Batch:
    """Return the batch as its mirror has it. Raises UsageError if there is none, or for a name that it cannot have."""
    for each in read.plan.batches:
        if each.name == name:
            try:
                own = own_topics((way.channel for way in read.plan.reach), read.plan.statuses)
                return Batch(name, each.topics, tuple(each.groups), (*each.exclude, *sorted(own)))
            except MirrorError as error:
                raise UsageError(str(error)) from None
    names = ", ".join(each.name for each in read.plan.batches)
    raise UsageError(f"--batch {name}: {read.path} has no batch of this name: choose one of {names}")


def share(given: str) -> float:
    """Return a percentage as a number from 0 to 1. Raises UsageError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", given.strip())
    its = float(found[1]) / 100 if found else 0.0
    if not 0 < its <= 1:
        raise UsageError(f"--sample {given}: expected a percentage above 0% and up to 100%, such as 1%")
    return its


def _run(plan: Path, batch: str, given: Path | None) -> RunFacts | None:
    folder = given or run_folder(plan, batch)
    return None if folder is None else read_run(folder, batch)
