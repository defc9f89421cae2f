"""Rank the paths of a route by decision and measured cost, and recommend one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cutover_harness.judge.totals import longest

from cutover_reports import words
from cutover_reports.model import Decision, PathReport, Scenario

_RANK: dict[Decision, int] = {"GO": 0, "GO WITH CONDITIONS": 1, "INCONCLUSIVE": 2, "NO-GO": 3}


def costs(path: str, along: Sequence[Scenario]) -> dict[str, Any]:
    """Return the measured cost of a path: the worst of its runs without a fault.

    Scenarios that vary it, such as one with transactions, count only if the path itself was not run, and those with a
    fault only if there are no others: then `only_with` names the faults.
    """
    measured = [s for s in along if s.kind == "switchover" and s.groups]
    plain = [s for s in measured if not s.faults]
    own = [s for s in plain if s.name.removeprefix(f"{s.route}.") == path or s.name == s.route] or plain or measured
    return {
        "only_with": [] if plain else list(dict.fromkeys(" + ".join(s.faults) for s in own)),
        "lost": None if not own or any(s.lost is None for s in own) else max(s.lost or 0 for s in own),
        "reordered": max((s.reordered for s in own), default=None),
        "stranded": None if not own or any(s.stranded is None for s in own) else max(s.stranded or 0 for s in own),
        "duplicated": max((s.duplicated_total for s in own), default=None),
        "producer_blackout_ms": longest(s.producer_blackout_ms for s in own),
        "consumer_blackout_ms": longest(s.consumer_blackout_ms for s in own),
        "worst_lag_records": max((s.worst_lag_records for s in own if s.worst_lag_records is not None), default=None),
    }


def ranked(paths: Sequence[PathReport]) -> list[PathReport]:
    """Return the paths, the best first: by decision, then by damage, records read again, and blackouts."""
    ordered = sorted(paths, key=_key)
    best = ordered[0].name if ordered and ordered[0].decision in ("GO", "GO WITH CONDITIONS") else None
    return [
        path.model_copy(update={"rank": number, "recommended": path.name == best})
        for number, path in enumerate(ordered, 1)
    ]


def _key(path: PathReport) -> tuple[float, ...]:
    unknown = math.inf
    return (
        _RANK[path.decision],
        bool(path.only_with),  # their figures are not comparable with those without a fault
        unknown if path.lost is None else path.lost,
        unknown if path.stranded is None else path.stranded,
        unknown if path.reordered is None else path.reordered,
        unknown if path.duplicated is None else path.duplicated,
        (path.producer_blackout_ms or 0.0) + (path.consumer_blackout_ms or 0.0),
    )


def cost(path: PathReport) -> str:
    """Return the cost of a path in one phrase."""
    if path.lost is None and path.producer_blackout_ms is None and path.consumer_blackout_ms is None:
        return "its cost is not measured"
    damage = [f"{words.count(path.lost)} lost"] if path.lost != 0 else []
    damage += [f"{words.count(path.reordered)} reordered"] if path.reordered else []
    damage += [f"{words.count(path.stranded)} stranded"] if path.stranded else []
    figures = ", ".join(
        [
            *damage,
            f"{words.count(path.duplicated)} read twice",
            f"producers' blackout {words.or_dash(path.producer_blackout_ms)}",
            f"consumers' blackout {words.or_dash(path.consumer_blackout_ms)}",
        ]
    )
    return f"{figures} ({only_with(path)})" if path.only_with else figures


def only_with(path: PathReport) -> str:
    """Return in words with which faults alone a path was rehearsed; empty if it was rehearsed without any."""
    return f"rehearsed only with {words.listed(path.only_with)}" if path.only_with else ""


def recommendation(paths: Sequence[PathReport], path: str | None, path_from: str) -> str:
    """Return which path to take and why, in one or two sentences."""
    best = next((each for each in paths if each.recommended), None)
    chosen = next((each for each in paths if each.name == path), None)
    if best is None:
        return "No path can be recommended: none of those rehearsed may go."
    if path is None:
        beside = [f"{each.name} ({each.decision}): {cost(each)}" for each in paths if each is not best]
        return f"Take {best.name}: {cost(best)}." + (f" The others: {'; '.join(beside)}." if beside else "")
    if chosen is None:
        return f"Rehearse {path}, {path_from}; of those rehearsed, {best.name} costs least: {cost(best)}."
    if chosen is best:
        others = "; ".join(f"{each.name} ({each.decision}): {cost(each)}" for each in paths if each is not best)
        return f"Take {best.name}, {path_from}: {cost(best)}." + (f" The others cost more: {others}." if others else "")
    return (
        f"{chosen.name}, {path_from}, costs {cost(chosen)}. "
        f"{best.name} is better ({best.decision}): {cost(best)}: consider it."
    )
