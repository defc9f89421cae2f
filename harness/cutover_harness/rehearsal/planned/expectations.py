"""Expectations of a scenario in which batches with different paths move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutover_harness.judge.measures import COUNTS
from cutover_harness.plan.expect import Expect


def loosest(expectations: Sequence[Expect]) -> dict[str, Any]:
    """Return an expectation that allows what any of them allows: the batches of a scenario are judged together."""
    first, *others = [each.model_dump() for each in expectations]
    for other in others:
        for name in COUNTS:
            first[name] = _looser(first[name], other[name])
        causes = [cause for cause in first["duplicated"] if cause in other["duplicated"]]
        first["duplicated"] = {
            cause: _looser(first["duplicated"][cause], other["duplicated"][cause]) for cause in causes
        }
    return first


def _looser(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
