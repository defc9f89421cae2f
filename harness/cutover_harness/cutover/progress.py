"""Where each batch of a plan is, from its journal alone. Asks no cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.journalled_gates import unapproved
from cutover_harness.conductor.resume import reached, remaining
from cutover_harness.cutover.batches import Progress, progress_of
from cutover_harness.cutover.bypassing import BypassSeen, bypasses_in
from cutover_harness.locks import FileLock, HeldError
from cutover_harness.procedure.denials import Denial, standing
from cutover_harness.procedure.state import STAGES, RouteState

State = Progress | Literal["completed in part"]


@dataclass(frozen=True)
class Waiting:
    """A gate that is not open yet: what it waits for, for how long, and its deadline without progress."""

    gate: str
    waits_for: str
    elapsed_s: float
    deadline_s: float


@dataclass(frozen=True)
class BatchProgress:
    """One batch. step: the one that is being done, or was interrupted. left: steps that are not done.

    running: whether a conductor works on it. approval: the step that waits for a person. missed: why it stopped last.
    bypasses: producers and groups that were active on a cluster on which they must not be, also those that are over.
    """

    name: str
    progress: Progress
    stage: int
    producers: str
    consumers: str
    running: bool = False
    step: str | None = None
    left: tuple[str, ...] = ()
    waiting: Waiting | None = None
    approval: str | None = None
    missed: str | None = None
    bypasses: tuple[BypassSeen, ...] = ()
    added: tuple[str, ...] = ()
    """Topics and groups that the plan has in a completed batch since, and that were not moved."""
    advice: str = ""
    """What a person can do about them."""
    fence: tuple[Denial, ...] = ()
    """ACLs of the run on the source that deny Write, also those that a killed run has left."""

    @property
    def state(self) -> State:
        """How far it is: what the plan has in a completed batch since was not moved."""
        return "completed in part" if self.added else self.progress

    @property
    def stage_name(self) -> str:
        """The stage in words."""
        return STAGES[self.stage]

    def to_json(self) -> dict[str, Any]:
        """Return what docs/run.md describes."""
        return {**asdict(self), "progress": self.state, "stage_name": self.stage_name}


def not_begun(name: str) -> BatchProgress:
    """Return the progress of a batch that has not begun."""
    state = RouteState()
    return BatchProgress(name, "not begun", state.stage, state.producers, state.consumers)


def batch_progress(name: str, entries: Sequence[Entry], config: ConductorConfig) -> BatchProgress:
    """Return where a batch that has begun is."""
    state = reached(entries)
    asked = unapproved(entries)
    running = _runs(config)
    return BatchProgress(
        name,
        progress_of(entries, config),
        state.stage,
        state.producers,
        state.consumers,
        running=running,
        step=_step(entries),
        left=tuple(str(step.step) for _, step in remaining(entries, config.steps)),
        waiting=_waiting(entries) if running else None,
        approval=str(asked.detail["act"]) if asked is not None and running else None,
        missed=_missed(entries),
        bypasses=bypasses_in(entries),
        fence=tuple(standing(entries)),
    )


def _runs(config: ConductorConfig) -> bool:
    try:
        FileLock.probe(config.lock)
    except HeldError:
        return True
    return False


def _step(entries: Sequence[Entry]) -> str | None:
    """Return the step that was begun last, None if it is done."""
    begun = [e for e in entries if e.kind == "step"]
    if not begun or any(e.kind == "done" and e.step == begun[-1].step for e in entries):
        return None
    return begun[-1].name


def _waiting(entries: Sequence[Entry]) -> Waiting | None:
    """Return the gate that is waited for: the last entry is about it."""
    if not entries or entries[-1].kind != "waits":
        return None
    detail = entries[-1].detail
    return Waiting(entries[-1].name, str(detail["waits_for"]), float(detail["elapsed_s"]), float(detail["deadline_s"]))


def _missed(entries: Sequence[Entry]) -> str | None:
    """Return why the run stopped, None if it went on since."""
    kinds = [e.kind for e in entries]
    if "missed" not in kinds:
        return None
    last = len(kinds) - 1 - kinds[::-1].index("missed")
    went_on = any(kind in ("step", "doing", "gate", "done", "end") for kind in kinds[last + 1 :])
    return None if went_on else str(entries[last].detail.get("why"))
