"""Which batch of a plan is next, and the folder of a batch that a command names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cutover_harness.conductor.config import CONFIG, ConductorConfig, run_folder
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.resume import remaining, turned_back
from cutover_harness.cutover.audit import Audit
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.cutover.hooks import Hooks
from cutover_harness.cutover.secrets import secrets_of
from cutover_harness.cutover.settings import fields_of
from cutover_harness.errors import UsageError
from cutover_harness.planning.model import PlanFile, PlannedBatch
from cutover_harness.planning.read import ReadPlan, read_plan
from cutover_harness.words import listed

Progress = Literal["not begun", "begun", "completed", "back on the source"]


def progress(run: RunFolder, name: str) -> Progress:
    """Return how far a batch is, by its journal. Raises UsageError if that cannot be read."""
    if not run.begun(name):
        return "not begun"
    return progress_of(run.entries(name), ConductorConfig.load(run.batch(name) / CONFIG))


def progress_of(entries: Sequence[Entry], config: ConductorConfig) -> Progress:
    """Return how far a batch that has begun is."""
    if not entries or entries[-1].kind != "end" or remaining(entries, config.steps):
        return "begun"
    return "back on the source" if turned_back(entries) else "completed"


@dataclass(frozen=True)
class Added:
    """Topics and groups that the plan has in a batch now, and that its run did not move."""

    topics: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Topics, then groups."""
        return (*self.topics, *self.groups)

    @property
    def advice(self) -> str:
        """What a person can do, in words; empty if nothing was added. A batch needs topics, also for a group."""
        for_topics = "put the topics into a batch of their own, with the groups that read nothing else"
        for_groups = (
            "a group moves only with its topics: put it into the batch of all topics that it reads, or, if some of "
            "them have moved, start it on the target by hand and list it in stays_groups"
        )
        return "; ".join(words for names, words in ((self.topics, for_topics), (self.groups, for_groups)) if names)


def added_since(planned: PlannedBatch, config: ConductorConfig) -> Added:
    """Return what the plan has in a batch now, and its run did not move."""
    return Added(
        (
            *(topic for topic in planned.topics if topic not in config.topics),
            *(topic for topic in config.exclude if topic not in planned.exclude),
        ),
        tuple(group for group in planned.groups if group not in config.groups),
    )


def _completed(run: RunFolder, batch: PlannedBatch) -> str:
    """Return, in words, that a batch is completed, or in part if the plan has more in it since it was moved."""
    added = added_since(batch, ConductorConfig.load(run.batch(batch.name) / CONFIG))
    if not added.names:
        return "completed"
    return f"completed in part, without {listed(added.names)}, which the plan has in it since: {added.advice}"


def choose(plan: ReadPlan, run: RunFolder, wanted: str | None) -> PlannedBatch:
    """Return the batch that is wanted, or the next one that is not completed.

    A batch that came back to the source is moved again only if it is wanted by name. Raises UsageError if there is no
    such batch, if none is left, if the plan has changed while a batch is in the middle, or if another batch is: two
    batches at once would hide which one causes a problem.
    """
    states = {batch.name: progress(run, batch.name) for batch in plan.plan.batches}
    if wanted is not None and wanted not in states:
        raise UsageError(f"{plan.path}: has no batch {wanted}: the batches are {', '.join(states)}")
    middle = [name for name, state in states.items() if state == "begun"]
    # A batch that has another name now, or none, would be moved a second time while the first attempt is in the middle.
    middle += [name for name in run.names() if name not in states and progress(run, name) == "begun"]
    if middle and wanted not in (None, middle[0]):
        raise UsageError(f"{run.path}: batch {middle[0]} has begun and is not finished: finish it, or roll it back")
    if middle and run.changed(plan):
        raise UsageError(
            f"{plan.path}: has changed since batch {middle[0]} began: compare it with {run.plan}, and put that one "
            f"back until the batch is finished or rolled back"
        )
    by_name = {batch.name: batch for batch in plan.plan.batches}
    if wanted is not None and states[wanted] == "completed":
        raise UsageError(f"{run.path}: batch {wanted} is {_completed(run, by_name[wanted])}")
    name = wanted or next(iter(middle), None) or next((n for n, s in states.items() if s == "not begun"), None)
    if name is None:
        ends = ", ".join(
            f"{name}: {_completed(run, by_name[name]) if state == 'completed' else state}"
            for name, state in states.items()
        )
        raise UsageError(f"{run.path}: no batch is left ({ends}): --batch moves one again that came back")
    return by_name[name]


def refuse_before_others(run: RunFolder, batch: PlannedBatch) -> None:
    """Raise UsageError if a batch begins before one that its `after` names is completed."""
    if progress(run, batch.name) == "begun":
        return
    early = [f"{name} ({state})" for name in batch.after if (state := progress(run, name)) != "completed"]
    if early:
        raise UsageError(
            f"batch {batch.name}: its `after` names {', '.join(early)}: move it first, or take it out of `after`"
        )


def refuse_edited(config: ConductorConfig, plan: PlanFile, batch: PlannedBatch, folder: Path) -> None:
    """Raise UsageError if a configuration is not that of the batch: without a gate it would prove less."""
    wrong = [name for name, value in fields_of(plan, batch).items() if getattr(config, name) != value]
    wrong += ["plan"] * (config.plan is None)
    if wrong:
        raise UsageError(
            f"{folder / CONFIG}: {', '.join(wrong)}: not as in the plan: restore the file from a copy, or roll the "
            f"batch back"
        )


def hooks_for(plan: ReadPlan, batch: PlannedBatch, run: RunFolder, audit: Audit) -> Hooks:
    """Return the commands of a batch of a plan."""
    return Hooks(plan, batch, plan.path.absolute().parent, run.batch(batch.name), audit, secrets_of(plan))


def hooks_of(folder: Path, command: str) -> Hooks | None:
    """Return the commands of the plan that the batch in `folder` belongs to, None if it is no plan's.

    command: what they are run for, in the audit log. Raises UsageError if the plan cannot be read.
    """
    run = RunFolder(run_folder(folder.absolute()))
    if not run.plan.exists():
        return None
    plan = read_plan(run.plan)
    batch = next((each for each in plan.plan.batches if each.name == folder.absolute().name), None)
    if batch is None:
        raise UsageError(f"{run.plan}: has no batch {folder.absolute().name}: give the folder of a batch")
    here = replace(plan, path=run.path.parent / run.plan.name)  # its relative paths start at the plan's original folder
    return hooks_for(here, batch, run, Audit(run.audit, command, plan.digest))


def batch_folder(place: Path, batch: str | None) -> Path:
    """Return the folder of a batch: `place` itself, or for a plan the batch that is wanted or the one that has begun.

    Raises UsageError if the plan has no such batch that has begun.
    """
    if not place.is_file() or place.suffix in (".json", ".sqlite"):  # files of the folder to give
        if batch is not None:
            raise UsageError(f"--batch {batch}: is for a plan, and {place} is none: leave it out")
        return place
    plan, run = read_plan(place), RunFolder.of(place)
    names = [each.name for each in plan.plan.batches]
    if batch is not None and batch not in names:
        raise UsageError(f"{place}: has no batch {batch}: the batches are {', '.join(names)}")
    begun = [name for name in names if run.begun(name)]
    wanted = [batch] if batch is not None else [n for n in begun if progress(run, n) == "begun"] or begun[-1:]
    if not wanted or wanted[0] not in begun:
        raise UsageError(f"{place}: {f'batch {batch}' if batch else 'no batch'} has begun: kafka-cutover run {place}")
    return run.batch(wanted[0])
