"""The policy file: the limits that the person who decides accepts.

`policy.toml` is read from the run folder, or given with `--policy`. Every key has a default, so a report needs no
policy; docs/policy.md describes each key.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cutover_harness.errors import UsageError
from cutover_harness.faults.union import FAULTS
from cutover_harness.judge import earlier
from cutover_harness.judge.measures import MEASURES
from cutover_harness.plan.catalogue import catalogue
from cutover_harness.plan.mistakes import At, Mistake, mistakes_of
from cutover_harness.words import did_you_mean
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from cutover_reports.paths import known_paths
from cutover_reports.survival import SETTINGS
from cutover_reports.toml_lines import key_lines, line_at

POLICY_NAME = "policy.toml"
APPLIED_NAME = "applied-policy.toml"
DEFAULTS = "built-in defaults"
"""The name of the policy of a report without a policy file."""
_MOST_NAME = 200

#: Limits by the name that an earlier version gave them.
EARLIER = earlier.MEASURES | {"producer_pause_ms": "producer_blackout_ms", "consumer_pause_ms": "consumer_blackout_ms"}

log = logging.getLogger(__name__)

Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0)]
Anything = Literal["any"]
FAULT_NAMES = tuple(f"{kind} {victim}" for kind, fault in FAULTS.items() for victim in fault.victims())


def _known(name: str, names: Collection[str], what: str) -> str:
    if name not in names:
        raise ValueError(f"no {what} is called {name}, {did_you_mean(name, names) or 'there are ' + ', '.join(names)}")
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
    name: str = Field(default=DEFAULTS, max_length=_MOST_NAME)
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
    """Check the policy `given` to a rehearsal, else the one in its folder. Raises UsageError as `read_policy` does.

    Logs a warning for a path or a scenario that the catalogue lacks if it has a similar one: a misspelt name would make
    the verdict of the whole rehearsal useless.
    """
    own = folder / POLICY_NAME
    file = given or (own if own.exists() or own.is_symlink() else None)
    if file is not None:
        for line, near in unknown_names(read_policy(file), ()):
            if near:
                log.warning("%s", line)


def unknown_names(policy: Policy, scenarios: Collection[str]) -> list[tuple[str, str]]:
    """Return the paths and scenarios that a policy names, and neither the catalogue nor `scenarios` has.

    Each in words, and the names that it was probably meant to be, empty if none is similar.
    """
    named = [("path", policy.path), *((f"routes.{name}.path", its.path) for name, its in policy.routes.items())]
    known = [*catalogue(), *scenarios]
    found = []
    for key, path in named:
        if path is not None and path not in known:
            near = did_you_mean(path, [*known_paths(), *scenarios])
            what = "no path of the catalogue and no scenario of the report is called so"
            found.append((f"{policy.name}: {key}: {path}: {what}{f', {near}' if near else ''}", near))
    for pattern in policy.evidence.not_taken:
        if not any(fnmatchcase(name, pattern) for name in known):
            near = did_you_mean(pattern, known)
            what = "no scenario of the catalogue or of the report has this name"
            found.append((f"{policy.name}: evidence.not_taken: {pattern}: {what}{f', {near}' if near else ''}", near))
    return found


def read_policy(file: Path, name: str | None = None) -> Policy:
    """Read a policy file; `name`: of the file that it is a copy of.

    Raises UsageError with a line for each mistake, which names file, line and key, what was found and what is expected.
    """
    if file.exists() and not file.is_file():
        raise UsageError(f"{file}: no regular file: give a policy file")
    try:
        text = file.read_text("utf-8")
        raw = tomllib.loads(text)
    except OSError as why:
        raise UsageError(f"{file}: cannot be read ({why.strerror or why}): give a readable policy file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as why:
        raise UsageError(f"{file}: not valid TOML: {why}") from None
    raw.setdefault("name", (name or file.name)[:_MOST_NAME])
    raw = _renamed(raw, file)
    found = _mistakes_of_limits(raw)
    try:
        policy = Policy.model_validate(raw)
    except ValidationError as errors:
        found = {each.at: each for each in mistakes_of(errors, Policy, raw)} | found
    if found:
        lines = key_lines(text)
        lines |= {tuple(EARLIER.get(str(part), part) for part in at): line for at, line in lines.items()} | lines
        placed = sorted((line_at(lines, at), str(each)) for at, each in found.items())
        raise UsageError("\n".join(f"{file}:{line}: {words}; see docs/policy.md" for line, words in placed))
    return policy


def _mistakes_of_limits(raw: Mapping[str, Any]) -> dict[At, Mistake]:
    """Return what is wrong with the limits of routes, by its place: the model of a route allows any name in them."""
    found: dict[At, Mistake] = {}
    routes = raw.get("routes")
    for name, route in routes.items() if isinstance(routes, dict) else ():
        limits = route.get("limits") if isinstance(route, dict) else None
        if not isinstance(limits, dict):
            continue
        try:
            Limits.model_validate(limits)
        except ValidationError as errors:
            for each in mistakes_of(errors, Limits, limits):
                at = ("routes", name, "limits", *each.at)
                found[at] = Mistake(at, each.message, each.kind)
    return found


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
