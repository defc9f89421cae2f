"""The clients of the shim, for the preflight of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from cutover_harness.cli.fleet import Look
from cutover_harness.conductor.statuses import StatusSource, open_statuses, place_of
from cutover_harness.errors import UsageError
from cutover_harness.inventory.completeness import Gaps
from cutover_harness.inventory.writers import STATUSES, client_of
from cutover_harness.planning.read import ReadPlan
from cutover_harness.preflight.planned.facts import ShimFleet


def shim_fleet(read: ReadPlan, source: Mapping[str, str], gaps: Gaps) -> ShimFleet | None:
    """Return the clients of the shim by their statuses, None if the plan names none or they cannot be read.

    The latter is a gap: the right to read them may be one of those that the preflight finds missing.
    """
    if read.plan.statuses is None:
        return None
    with closing(statuses_of(read, source)) as statuses:
        statuses.read()
        if statuses.problem is not None:
            gaps.add(STATUSES, "failed", statuses.problem, names=[statuses.name])
            return None
        silent = {row.client for row in Look(statuses, None, None).first().of("silent")}
        contents = statuses.read()
    clients = []
    for instance, content in sorted(contents.items()):
        try:
            clients.append(client_of(content))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            gaps.add(STATUSES, "failed", "not the status of a client", names=[instance])
    return ShimFleet([each for each in clients if not each.ended], frozenset(silent))


def statuses_of(read: ReadPlan, source: Mapping[str, str]) -> StatusSource:
    """Return the reader of the plan's statuses, which has to be closed. Raises UsageError."""
    place = place_of(str(read.plan.statuses))
    if isinstance(place, Path):
        place = read.file(str(place))
        if not place.is_dir():
            raise UsageError(f"plan {read.path}: statuses: {place} is no folder: create it, or correct the plan")
    return open_statuses(place, source, lambda text: _without(text, source))


def _without(text: str, config: Mapping[str, str]) -> str:
    """Return a message of the client without the values of properties, all but the address."""
    for name, value in config.items():
        if len(value) > 3 and not name.endswith((".servers", ".broker.list")):
            text = text.replace(value, "***")
    return text
