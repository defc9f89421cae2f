"""Figures of a benchmark: printed with their bars, and kept so that a later run can be compared with them."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIGURES = "KAFKA_CUTOVER_BENCHMARK_FIGURES"
"""Environment variable: a JSON file to which a benchmark also writes its figures."""


@dataclass(frozen=True)
class Figure:
    """One figure of a benchmark: a value for each round, in `unit`. Its bar holds for the median.

    at_least: whether the bar is a lower limit, as for a ratio; an upper one otherwise, as for seconds.
    """

    name: str
    values: tuple[float, ...]
    unit: str
    bar: float | None = None
    at_least: bool = True

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    @property
    def missed(self) -> bool:
        """Whether the bar is missed; never without a bar."""
        return self.bar is not None and (self.median < self.bar if self.at_least else self.median > self.bar)

    @property
    def limit(self) -> str:
        """The bar in words."""
        return "" if self.bar is None else f"{'at least' if self.at_least else 'at most'} {number(self.bar)}"

    @property
    def shown(self) -> str:
        """Median and spread in words."""
        unit = "" if self.unit == "ratio" else f" {self.unit}"
        low, high = min(self.values), max(self.values)
        spread = f" ({number(low)} to {number(high)})" if number(low) != number(high) else ""
        return f"{number(self.median)}{unit}{spread}"


def ratio(name: str, ours: Sequence[float], baseline: Sequence[float], bar: float | None = None) -> Figure:
    """Return the ratio of two rates, round by round."""
    return Figure(name, tuple(a / b for a, b in zip(ours, baseline, strict=True)), "ratio", bar)


def at_most(name: str, value: float | Sequence[float], unit: str, bar: float | None = None) -> Figure:
    """Return a figure of which less is better, such as seconds."""
    values = (value,) if isinstance(value, int | float) else tuple(value)
    return Figure(name, values, unit, bar, at_least=False)


def number(value: float) -> str:
    """Return a number with about three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def conclude(figures: Sequence[Figure], wrong: Sequence[str] = ()) -> int:
    """Print the figures, and what else is wrong; return the exit code: 1 if a bar is missed or something is wrong."""
    for each in figures:
        held = f" (bar: {each.limit}{', MISSED' if each.missed else ''})" if each.limit else ""
        print(f"{each.name}: {each.shown}{held}", flush=True)
    for line in wrong:
        print(f"WRONG: {line}", flush=True)
    if file := os.environ.get(FIGURES):
        content = {"figures": [dataclasses.asdict(each) for each in figures], "wrong": list(wrong)}
        Path(file).write_text(json.dumps(content), encoding="utf-8")
    return int(bool(wrong) or any(each.missed for each in figures))


def figure_of(data: dict[str, Any]) -> Figure:
    """Return the figure that `conclude` has written."""
    return Figure(**{**data, "values": tuple(data["values"])})
