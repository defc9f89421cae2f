"""Figures in words, the same in every output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cutover_harness.judge.measures import CAUSES, FIGURES, WORDS

from cutover_reports.model import ReachedBy, Scenario

CAUSE_WORDS = {cause: WORDS[cause] for cause in CAUSES}
#: Measures with a column in the table of scenarios, and in that of a scenario's groups.
SCENARIO_COLUMNS = tuple(measure for measure in FIGURES if measure.column == "scenarios")
GROUP_COLUMNS = tuple(measure for measure in FIGURES if measure.column)
#: Shown if there is no figure.
NOTHING = "\u2013"


def count(value: float | None) -> str:
    """Return a count with a thin space between thousands, or "unknown"."""
    return "unknown" if value is None else f"{value:,.0f}".replace(",", "\u202f")


def factor(value: float) -> str:
    """Return a factor, such as a replay's speed: fractions below 1000, above as a count."""
    return count(value) if value >= 1000 else f"{value:g}"


def records(value: float | None) -> str:
    """Return a number of records with its unit, or "unknown"."""
    return "unknown" if value is None else plural(value, "record")


def deliveries(value: float | None) -> str:
    """Return a number of duplicate deliveries with its unit, or "unknown"."""
    return "unknown" if value is None else plural(value, "deliver", "y", "ies")


class Losses(Protocol):
    """Of a scenario or of a group."""

    lost: int | None
    destroyed: int


def measure(name: str) -> str:
    """Return how a measure reads after a number; an unknown name unchanged."""
    return WORDS.get(name, name)


def lost(figures: Losses) -> str:
    """Return the lost records, and separately those that a fault destroyed on purpose."""
    apart = f" (and {count(figures.destroyed)} {WORDS['destroyed']})" if figures.destroyed else ""
    return f"{count(figures.lost)}{apart}"


def figure(figures: Losses, name: str) -> str:
    """Return the figure of a measure in words."""
    return lost(figures) if name == "lost" else count(getattr(figures, name))


def milliseconds(value: float | None) -> str:
    """Return a duration given in milliseconds in the unit that suits its size."""
    if value is None:
        return "unknown"
    if value < 1000:
        return f"{value:.0f} ms"
    if value < 120_000:
        return f"{value / 1000:.1f} s"
    if value < 7_200_000:
        return f"{value / 60_000:.1f} min"
    return f"{value / 3_600_000:.1f} h"


def blackout(scenario: Scenario, role: str) -> str:
    """Return the longest blackout of producers or consumers; a dash if none of them was switched."""
    if scenario.groups and not any(each.role == role for each in scenario.blackouts):
        return NOTHING
    return milliseconds(scenario.producer_blackout_ms if role == "producer" else scenario.consumer_blackout_ms)


def blackouts(scenario: Scenario) -> str:
    """Return the longest blackout of producers and of consumers in one phrase."""
    return f"blackout of producers {blackout(scenario, 'producer')}, of consumers {blackout(scenario, 'consumer')}"


def duration(value: float | None) -> str:
    """Return a duration given in seconds; a dash if there is none."""
    return NOTHING if value is None else milliseconds(value * 1000)


def at(value: str | None) -> str:
    """Return a time in ISO 8601 without its date's T and its milliseconds; a dash if there is none."""
    return NOTHING if value is None else value[:19].replace("T", " ")


def moment(value: str | None) -> str:
    """Return the same with its milliseconds."""
    return NOTHING if value is None else value[:23].replace("T", " ")


def or_dash(value: float | None) -> str:
    """Return a duration given in milliseconds; a dash if there is none."""
    return NOTHING if value is None else milliseconds(value)


def seen(row: ReachedBy) -> str:
    """Return how long generations took until a client saw them: median, 99th percentile, longest."""
    return _three(row.seen_p50_ms, row.seen_p99_ms, row.seen_max_ms)


def applied(row: ReachedBy) -> str:
    """Return how long generations took until a client had carried them out, in the same way."""
    return _three(row.applied_p50_ms, row.applied_p99_ms, row.applied_max_ms)


def _three(*durations: float | None) -> str:
    known = [milliseconds(each) for each in durations if each is not None]
    return ", ".join(known) or NOTHING


def hours(value: float) -> str:
    """Return a duration given in hours, in days if it is at least two days."""
    return f"{value / 24:g} days" if value >= 48 else f"{value:g} h"


def plural(number: float, noun: str, one: str = "", several: str = "s") -> str:
    """Return `number` with `noun`, in the plural unless there is exactly one; `one`, `several`: endings of the noun."""
    return f"{count(number)} {noun}{one if number == 1 else several}"


def stages(numbers: Sequence[int]) -> str:
    """Return stages by their numbers: "stage 1", "stages 1, 2, 5"."""
    return f"stage{'' if len(numbers) == 1 else 's'} {', '.join(str(number) for number in numbers)}"


def listed(items: list[str], most: int = 4) -> str:
    """Return at most `most` items, and how many more there are."""
    shown = ", ".join(items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


def causes(duplicated: dict[str, int]) -> str:
    """Return duplicates by cause, without the causes that did not occur."""
    found = [f"{count(number)} {CAUSE_WORDS.get(cause, cause)}" for cause, number in duplicated.items() if number]
    return ", ".join(found) or "0"
