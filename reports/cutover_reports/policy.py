"""The policy file: the limits that the person who decides accepts.

`policy.toml` is read from the run folder, or given with `--policy`. Every key has a default, so a report needs no
policy; docs/policy.md describes each key.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cutover_harness.errors import UsageError
from cutover_harness.faults.union import FAULTS
from cutover_harness.judge import earlier
from cutover_harness.judge.measures import MEASURES
from cutover_harness.plan.fields import fields_at
from cutover_harness.words import did_you_mean
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from cutover_reports.survival import SETTINGS

POLICY_NAME = "policy.toml"
APPLIED_NAME = "applied-policy.toml"
DEFAULTS = "built-in defaults"
"""The name of the policy of a report without a policy file."""

#: Limits by the name that an earlier version gave them.
EARLIER = earlier.MEASURES | {"producer_pause_ms": "producer_blackout_ms", "consumer_pause_ms": "consumer_blackout_ms"}

log = logging.getLogger(__name__)

Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0)]
Anything = Literal["any"]
FAULT_NAMES = tuple(f"{kind} {victim}" for kind, fault in FAULTS.items() for victim in fault.victims())


def _known(name: str, names: Collection[str], what: str) -> str:
    if name not in names:
        raise ValueError(f"no such {what}, {did_you_mean(name, names) or 'there are ' + ', '.join(names)}")
    return name


FaultName = Annotated[str, AfterValidator(lambda name: _known(name, FAULT_NAMES, "fault"))]
SettingName = Annotated[str, AfterValidator(lambda name: _known(name, SETTINGS, "setting"))]
PathText = Annotated[str, Field(min_length=1, max_length=200)]
Stage = Annotated[int, Field(ge=1, le=6)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LimitsBase(_Model):
    """The largest figure that is accepted in any run.

    "any" accepts every figure. None: not decided yet, so a figure above zero is a condition.
    """

    duplicated_on_switchover: Count | Anything | None = Field(
        default=None, description="Records that groups receive more than once on the way forward, all causes together."
    )
    duplicated_on_rollback: Count | Anything | None = Field(
        default="any", description="The same on the way back; the documentation prescribes re-reading there."
    )
    producer_blackout_ms: Milliseconds | Anything | None = 60_000.0
    consumer_blackout_ms: Milliseconds | Anything | None = 120_000.0
    lag_records: Count | Anything | None = "any"
    lag_ms: Milliseconds | Anything | None = "any"

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # a measure of the table


if TYPE_CHECKING:  # A type checker cannot read a model that is built from a table.
    Limits = LimitsBase
else:
    Limits = create_model(
        "Limits",
        __base__=LimitsBase,
        __doc__=LimitsBase.__doc__,
        **{each.name: (Count | Anything | None, each.limit) for each in MEASURES if each.risk},
    )


class Evidence(_Model):
    """The rehearsals that a GO needs."""

    runs: Annotated[int, Field(ge=1)] = Field(default=1, description="Conclusive runs wanted of each path.")
    negative_controls: Count = Field(default=1, description="Negative controls that have to be caught.")
    reversible: tuple[Stage, ...] = Field(
        default=(1, 2, 3, 4, 5), description="Stages that must have a rehearsed way back."
    )
    not_taken: tuple[str, ...] = Field(
        default=(),
        description="Scenario names (globs) of paths that this cutover does not take: shown, never decisive.",
    )
    faults: tuple[FaultName, ...] = Field(
        default=(), description="Faults that must have been survived, as `kind of` (for instance `kill connect`)."
    )


class Production(_Model):
    """Figures of the production clusters, which no rehearsal measures; they set the deadlines of the rollback cards."""

    topic_retention_hours: float | None = Field(default=None, gt=0)
    offsets_retention_hours: float | None = Field(default=None, gt=0)
    records_per_second: float | None = Field(
        default=None, gt=0, description="Peak rate of one producer process, for what piles up in its buffer."
    )
    record_bytes: float | None = Field(
        default=None, gt=0, description="Average size of a record with its key and headers."
    )


class RoutePolicy(_Model):
    """Exceptions for one route; other keys are as for all routes."""

    path: PathText | None = None
    limits: dict[str, float | Anything] = {}
    reversible: tuple[Stage, ...] | None = None


class Policy(_Model):
    """A whole policy file."""

    format: Literal[1] = 1
    name: str = Field(default=DEFAULTS, max_length=200)
    path: PathText | None = Field(
        default=None,
        description="The path that the cutover takes, such as in-process: its verdict is the route's. Default: the "
        "plan's, or the only one that was rehearsed.",
    )
    limits: Limits = Limits()
    evidence: Evidence = Evidence()
    production: Production = Production()
    clients: dict[str, dict[SettingName, float]] = Field(
        default={},
        description="Settings of production clients by name: delivery.timeout.ms, max.poll.interval.ms and so on.",
    )
    routes: dict[str, RoutePolicy] = {}

    def path_of(self, route: str) -> str | None:
        """Return the path that the cutover of `route` takes, None if the policy does not name it."""
        own = self.routes.get(route)
        return self.path if own is None or own.path is None else own.path

    def limits_of(self, route: str) -> Limits:
        """Return the limits that hold for `route`."""
        own = self.routes.get(route)
        return Limits.model_validate(self.limits.model_dump() | own.limits) if own else self.limits

    def unused(self, routes: Collection[str]) -> list[str]:
        """Return in words which of its tables are of none of `routes`: what they say is applied to nothing."""
        known = ", ".join(sorted(routes)) or "it has none"
        return [
            f"{self.name}: [routes.{name}] is of no route of this report ({known}), so it is applied to nothing."
            for name in self.routes
            if name not in routes
        ]

    def reversible_stages(self, route: str) -> tuple[int, ...]:
        """Return the stages of `route` that must have a rehearsed way back."""
        own = self.routes.get(route)
        return self.evidence.reversible if own is None or own.reversible is None else own.reversible


def policy_in(folder: Path) -> Path | None:
    """Return the policy file of a run folder, None if it has none. What the rehearsal was given comes first."""
    for file in (folder / APPLIED_NAME, folder / POLICY_NAME):
        # A link to a missing file is meant as a policy, too: it is refused, not ignored.
        if file.exists() or file.is_symlink():
            return file
    return None


def check_policy(folder: Path, given: Path | None = None) -> None:
    """Check the policy `given` to a rehearsal, else the one in its folder. Raises UsageError as `read_policy` does."""
    own = folder / POLICY_NAME
    file = given or (own if own.exists() or own.is_symlink() else None)
    if file is not None:
        read_policy(file)


def read_policy(file: Path, name: str | None = None) -> Policy:
    """Read a policy file; `name`: of the file that it is a copy of.

    Raises UsageError that names the file, the key, what was found and what is wanted.
    """
    if file.exists() and not file.is_file():
        raise UsageError(f"{file}: no regular file: give a policy file")
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
    except OSError as why:
        raise UsageError(f"{file}: cannot be read ({why.strerror or why}): give a readable policy file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as why:
        raise UsageError(f"{file}: not valid TOML: {why}") from None
    raw.setdefault("name", name or file.name)
    raw = _renamed(raw, file)
    try:
        policy = Policy.model_validate(raw)
        for route in policy.routes:
            policy.limits_of(route)
    except ValidationError as error:
        first = error.errors()[0]
        key = _key(raw, first["loc"])
        says = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            near = did_you_mean(str(first["loc"][-1]), fields_at(Policy, first["loc"][:-1]))
            says = f"no such field{f', {near}' if near else ''}"
        raise UsageError(f"{file}: {key}: {says} (found {first['input']!r}); see docs/policy.md") from None
    return policy


def _renamed(raw: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return `raw` with the present names of limits; log one warning that lists the earlier ones in `file`."""
    found: dict[str, str] = {}

    def limits(table: Any) -> Any:
        if not isinstance(table, dict):
            return table
        named = {}
        for key, value in table.items():
            # With both names in one table, the earlier one stays, and is refused as a key that is not known.
            if key in EARLIER and EARLIER[key] not in table:
                found[key] = EARLIER[key]
            named[found.get(key, key)] = value
        return named

    def with_limits(table: Any) -> Any:
        has = isinstance(table, dict) and "limits" in table
        return table | {"limits": limits(table["limits"])} if has else table

    raw = with_limits(raw)
    if isinstance(raw.get("routes"), dict):
        raw |= {"routes": {name: with_limits(route) for name, route in raw["routes"].items()}}
    if found:
        names = ", ".join(f"{old} (now {new})" for old, new in found.items())
        log.warning("%s: names of an earlier version: %s: rename them", file, names)
    return raw


def _key(raw: object, location: Sequence[str | int]) -> str:
    """Return the key of the file that an error is about; pydantic's location may continue into types that it tried."""
    parts = []
    for part in location:
        inside = (isinstance(raw, dict) and part in raw) or (isinstance(raw, list) and isinstance(part, int))
        if not inside:
            break
        parts.append(str(part))
        raw = raw[part]  # type: ignore[index]
    return ".".join(parts) or ".".join(str(part) for part in location)
