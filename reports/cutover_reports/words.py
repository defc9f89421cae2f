"""Figures in words, the same on every page."""

from __future__ import annotations

from typing import Protocol

from cutover_harness.judge.model import CAUSES
from cutover_harness.judge.verdicts import WORDS

from cutover_reports.model import Scenario

CAUSE_WORDS = {cause: WORDS[cause] for cause in CAUSES}
#: Stands where there is nothing to say.
NOTHING = "\u2013"


def count(value: float | None) -> str:
    """Return a count with a thin space between thousands, or "unknown"."""
    return "unknown" if value is None else f"{value:,.0f}".replace(",", "\u202f")


def records(value: float | None) -> str:
    """Return a number of records with its unit, where a figure alone could be a duration as well."""
    return f"{count(value)} record{'' if value == 1 else 's'}" if value is not None else "unknown"


class Losses(Protocol):
    """Of a scenario or of a group."""

    lost: int | None
    destroyed: int


def lost(figures: Losses) -> str:
    """Return what was lost, and apart from it what a fault destroyed on purpose."""
    apart = f" (and {count(figures.destroyed)} {WORDS['destroyed']})" if figures.destroyed else ""
    return f"{count(figures.lost)}{apart}"


def milliseconds(value: float | None) -> str:
    """Return a duration given in milliseconds in the unit that reads best."""
    if value is None:
        return "unknown"
    if value < 1000:
        return f"{value:.0f} ms"
    if value < 120_000:
        return f"{value / 1000:.1f} s"
    if value < 7_200_000:
        return f"{value / 60_000:.1f} min"
    return f"{value / 3_600_000:.1f} h"


def pause(scenario: Scenario, role: str) -> str:
    """Return the longest pause of producers or consumers; a dash where none of them was switched."""
    if scenario.groups and not any(pause.role == role for pause in scenario.pauses):
        return NOTHING
    return milliseconds(scenario.producer_pause_ms if role == "producer" else scenario.consumer_pause_ms)


def hours(value: float) -> str:
    """Return a duration given in hours, in days from two days on."""
    return f"{value / 24:g} days" if value >= 48 else f"{value:g} h"


def plural(number: int, noun: str) -> str:
    """Return `number` with `noun`, in the plural where there is not exactly one."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def listed(items: list[str], most: int = 4) -> str:
    """Return at most `most` items, and how many more there are."""
    shown = ", ".join(items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


def causes(duplicated: dict[str, int]) -> str:
    """Return duplicates by cause, the causes that did not occur left out."""
    found = [f"{count(number)} {CAUSE_WORDS.get(cause, cause)}" for cause, number in duplicated.items() if number]
    return ", ".join(found) or "0"
