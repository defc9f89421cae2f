"""The policy file: what the one who signs accepts.

`policy.toml` is looked for in the run folder, or given with `--policy`. Every key has a default, so that a report needs
no policy; docs/policy.md describes each key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cutover_harness.errors import UsageError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

POLICY_NAME = "policy.toml"

Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0)]
Anything = Literal["any"]
Stage = Annotated[int, Field(ge=1, le=6)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Model):
    """The largest figure that is accepted in any run.

    "any" accepts every figure. None: nobody has decided yet, so a figure above zero is a condition.
    """

    lost: Count | Anything | None = 0
    stranded: Count | Anything | None = 0
    disordered: Count | Anything | None = 0
    phantom: Count | Anything | None = 0
    duplicated_on_switchover: Count | Anything | None = Field(
        default=None, description="Records that groups receive more than once on the way forward, all causes together."
    )
    duplicated_on_rollback: Count | Anything | None = Field(
        default="any", description="The same on the way back, where the documentation prescribes re-reading."
    )
    producer_pause_ms: Milliseconds | Anything | None = 60_000.0
    consumer_pause_ms: Milliseconds | Anything | None = 120_000.0
    lag_records: Count | Anything | None = "any"
    lag_ms: Milliseconds | Anything | None = "any"


class Evidence(_Model):
    """How much has to be rehearsed before a GO is worth anything."""

    runs: Annotated[int, Field(ge=1)] = Field(default=1, description="Conclusive runs wanted of each path.")
    negative_controls: Count = Field(default=1, description="Negative controls that have to be caught.")
    reversible: tuple[Stage, ...] = Field(
        default=(1, 2, 3, 4, 5), description="Stages that must have a rehearsed way back."
    )
    not_taken: tuple[str, ...] = Field(
        default=(),
        description="Scenario names (globs) of paths that this cutover does not take: shown, never decisive.",
    )
    faults: tuple[str, ...] = Field(
        default=(), description="Faults that must have been survived, as `kind of` (for instance `kill connect`)."
    )


class Production(_Model):
    """Figures of the production clusters that a rehearsal cannot know; they set the deadlines of the rollback cards."""

    topic_retention_hours: float | None = Field(default=None, gt=0)
    offsets_retention_hours: float | None = Field(default=None, gt=0)
    records_per_second: float | None = Field(
        default=None, gt=0, description="Peak rate of one producer process, for what piles up in its buffer."
    )
    record_bytes: float | None = Field(
        default=None, gt=0, description="Average size of a record with its key and headers."
    )


class RoutePolicy(_Model):
    """What differs for one route. What is left out is as for all routes."""

    limits: dict[str, float | Anything] = {}
    reversible: tuple[Stage, ...] | None = None


class Policy(_Model):
    """A whole policy file."""

    format: Literal[1] = 1
    name: str = Field(default="built-in defaults", max_length=200)
    limits: Limits = Limits()
    evidence: Evidence = Evidence()
    production: Production = Production()
    clients: dict[str, dict[str, float]] = Field(
        default={},
        description="Settings of production clients by name: delivery.timeout.ms, max.poll.interval.ms and so on.",
    )
    routes: dict[str, RoutePolicy] = {}

    def limits_of(self, route: str) -> Limits:
        """Return the limits that hold for `route`."""
        own = self.routes.get(route)
        return Limits.model_validate(self.limits.model_dump() | own.limits) if own else self.limits

    def reversible_stages(self, route: str) -> tuple[int, ...]:
        """Return the stages of `route` that must have a rehearsed way back."""
        own = self.routes.get(route)
        return self.evidence.reversible if own is None or own.reversible is None else own.reversible


def read_policy(file: Path) -> Policy:
    """Read a policy file. Raises UsageError that names the file, the key, what was found and what is wanted."""
    if file.exists() and not file.is_file():
        raise UsageError(f"{file}: no regular file: give a policy file")
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
    except OSError as why:
        raise UsageError(f"{file}: cannot be read ({why.strerror or why}): give a readable policy file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as why:
        raise UsageError(f"{file}: not valid TOML: {why}") from None
    raw.setdefault("name", file.name)
    try:
        policy = Policy.model_validate(raw)
        for route in policy.routes:
            policy.limits_of(route)
    except ValidationError as error:
        first = error.errors()[0]
        key = _key(raw, first["loc"])
        raise UsageError(f"{file}: {key}: {first['msg']} (found {first['input']!r}); see docs/policy.md") from None
    return policy


def _key(raw: object, location: Sequence[str | int]) -> str:
    """Return the key of the file that an error is about; pydantic's location may go on into the types that it tried."""
    parts = []
    for part in location:
        inside = (isinstance(raw, dict) and part in raw) or (isinstance(raw, list) and isinstance(part, int))
        if not inside:
            break
        parts.append(str(part))
        raw = raw[part]  # type: ignore[index]
    return ".".join(parts) or ".".join(str(part) for part in location)
