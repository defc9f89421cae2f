"""Results of benchmarks: with machine and versions, in a file, next to earlier ones, and as a page of the docs."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cutover_harness.testbed.process import DEFAULT_SOURCE_VERSION

from benchmarks.figures import Figure, figure_of, number

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = HERE.parent / "docs" / "benchmarks.md"
_PACKAGES = ("confluent-kafka", "pyarrow", "duckdb", "pandas")
_SAME = 0.05
"""Medians that differ by less are called equal even if rounds hardly differ."""


class DamagedError(Exception):
    """The file with kept results cannot be read; the message is one line."""


@dataclass(frozen=True)
class Result:
    """What one benchmark found. machine: processor, versions, day, and load before it began."""

    machine: dict[str, str]
    figures: tuple[Figure, ...]
    wrong: tuple[str, ...] = ()

    @classmethod
    def of(cls, machine: Mapping[str, str], data: Mapping[str, Any]) -> Result:
        """Return the result of a benchmark on a machine from what `conclude` has written."""
        return cls(dict(machine), tuple(map(figure_of, data["figures"])), tuple(data["wrong"]))


def machine() -> dict[str, str]:
    """Return what figures depend on."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "unknown processor")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "day": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} x {model}, {memory:.0f} GiB",
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "Kafka": DEFAULT_SOURCE_VERSION,
        **{name: version(name) for name in _PACKAGES},
    }


def load(file: Path) -> dict[str, Result]:
    """Return the results in a file by benchmark; none if there is no file. Raises DamagedError."""
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {name: Result.of(each["machine"], each) for name, each in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as why:
        raise DamagedError(f"{file}: cannot be used ({why!r}): restore it from the repository, or delete it") from why


def save(file: Path, results: Mapping[str, Result]) -> None:
    """Write results by benchmark."""
    content = {name: dataclasses.asdict(results[name]) for name in sorted(results)}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def compared(now: Result, before: Result | None) -> Iterator[str]:
    """Yield a line for each figure that is also in the earlier result: whether it is better, worse, or the same."""
    if before is None:
        return
    earlier = {each.name: each for each in before.figures}
    other = "" if before.machine.get("machine") == now.machine.get("machine") else ", on another machine"
    for each in now.figures:
        if was := earlier.get(each.name):
            yield f"{each.name}: {number(was.median)} on {before.machine['day']}{other}, {_change(each, was)}"


def _change(now: Figure, was: Figure) -> str:
    """Say how a figure has changed: beyond the spread of both, and by more than a twentieth."""
    apart = min(now.values) > max(was.values) or max(now.values) < min(was.values)
    if not apart or abs(now.median - was.median) <= _SAME * abs(was.median):
        return f"about the same now ({number(now.median)})"
    return f"{'better' if (now.median > was.median) == now.at_least else 'worse'} now ({number(now.median)})"


def page(results: Mapping[str, Result]) -> str:
    """Return the page of the docs."""
    lines = [
        "# Benchmarks",
        "",
        "`make benchmark` (`python -m benchmarks`) runs them all, and compares each figure with the one below.",
        "`python -m benchmarks NAME` runs one, `--json FILE` writes the figures, `--save` replaces those below.",
        "",
        "A ratio compares with a baseline of the same run: both alternate on the same machine, so it says more than a",
        "time. A figure is the median of its rounds, with the smallest and the largest in parentheses. The exit code",
        "is 1 if a bar is missed.",
        "",
    ]
    for name in sorted(results):
        result = results[name]
        about = result.machine
        versions = ", ".join(f"{key} {about[key]}" for key in ("python", "Kafka", *_PACKAGES) if key in about)
        lines += [
            f"## {name}",
            "",
            f"{about['day']}, {about['machine']}, load {about['load']} before it; {versions}.",
            "",
            "| figure | measured | bar | |",
            "|---|---|---|---|",
            *(f"| {each.name} | {each.shown} | {each.limit} | {_held(each)} |" for each in result.figures),
            *(f"| {each} | | | wrong |" for each in result.wrong),
            "",
        ]
    return "\n".join(lines)


def _held(figure: Figure) -> str:
    return "" if figure.bar is None else "**missed**" if figure.missed else "held"
