"""The parts of a snapshot. Times are seconds since 1970, by the clock of the host where they were noted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cutover_harness.cutover.progress import BatchProgress
from cutover_harness.masking import masked

StepState = Literal["done", "in progress", "waits for approval", "stopped", "left", "dropped"]
GateState = Literal["passed", "waiting", "missed"]


@dataclass(frozen=True)
class GateView:
    """A gate of a step. words: its evidence, or what it waits for, or why it was missed."""

    name: str
    state: GateState
    words: str
    since: float
    wait_s: float
    deadline_s: float | None = None


@dataclass(frozen=True)
class StepView:
    """A step. `dropped`: left out, because the path was turned back. approved: by whom and how."""

    number: int
    name: str
    state: StepState
    begun: float | None
    done: float | None
    approved: str | None
    gates: tuple[GateView, ...]


@dataclass(frozen=True)
class RoleView:
    """Clients of one role. attested: how many are where they should be. missing: the others, in words."""

    role: str
    location: str
    expected: int
    attested: int
    missing: tuple[str, ...]
    restarted: tuple[str, ...]
    """Clients without the shim, which attest nothing."""


@dataclass(frozen=True)
class BlackoutView:
    """The longest blackouts of a role's clients: of the last switch, and the one that lasts. By the clients' clocks."""

    role: str
    current_s: float | None
    current_client: str | None
    last_s: float | None
    last_client: str | None


@dataclass(frozen=True)
class LagView:
    """Mirror lag: the last one, when it was read, and those before it."""

    records: int | None
    at: float | None
    history: tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Limit:
    """A moment after which a rollback is worse or impossible."""

    what: str
    at: float


@dataclass(frozen=True)
class RollbackView:
    """What going back costs now, and until when it is possible: the first of the limits."""

    possible: bool
    until: float | None
    limits: tuple[Limit, ...]
    costs: tuple[str, ...]
    native: int | None


@dataclass(frozen=True)
class AskedView:
    """A request for approval: what the step does, and what going back costs before and after it."""

    step: str
    since: float
    does: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    command: str


@dataclass(frozen=True)
class BatchView:
    """One batch."""

    progress: BatchProgress
    steps: tuple[StepView, ...]
    clients: tuple[RoleView, ...]
    blackouts: tuple[BlackoutView, ...]
    lag: LagView
    rollback: RollbackView
    asked: AskedView | None
    figures_at: float | None
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what docs/watching.md describes."""
        rest = asdict(self)
        del rest["progress"]
        return {**self.progress.to_json(), **rest}


@dataclass(frozen=True)
class LeaseView:
    """Who writes the documents now. words: the same in a line, or why it cannot be read (`unknown`)."""

    state: Literal["held", "expired", "unknown"]
    words: str
    who: str | None = None
    pid: int | None = None
    command: str | None = None
    batch: str | None = None
    run: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """All batches of a plan at one time. problem: why nothing could be read. lease: None if nobody holds it."""

    at: float
    plan: str
    digest: str
    batches: Sequence[BatchView]
    problem: str | None = None
    lease: LeaseView | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what docs/watching.md describes, without the secrets that addresses may hold."""
        shown: dict[str, Any] = _masked(
            {
                "at": self.at,
                "plan": self.plan,
                "hash": self.digest,
                "problem": self.problem,
                "lease": None if self.lease is None else asdict(self.lease),
                "batches": [batch.to_json() for batch in self.batches],
            }
        )
        return shown


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {name: _masked(each) for name, each in value.items()}
    return [_masked(each) for each in value] if isinstance(value, list | tuple) else value
