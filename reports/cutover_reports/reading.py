"""Reading run folders, whole or half-written.

A rehearsal that was interrupted leaves folders without a verdict, without facts, or with a torn file. None of that
stops a report: missing files are listed in words, and the scenario counts as INCONCLUSIVE. A requested scenario without
a verdict is not rehearsed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cutover_harness.errors import UsageError
from cutover_harness.judge import earlier
from cutover_harness.judge.model import Judgement, RunFacts, Verdict

Frames = dict[str, "pd.Series[float]"]


@dataclass(frozen=True)
class Rhythm:
    """How the capture passes in a run. start: seconds since the run's start at which the first pass began.

    loop: seconds of one pass. first: the capture's time (ms) at which a pass begins.
    """

    start: float
    loop: float
    first: int
    speed: float


@dataclass
class ScenarioFolder:
    """Files of one scenario. `series`: `lag`, `acks` and one `deliveries/<group>`, by seconds since its start.

    Also `due`, the records a second that the capture has, if the run recorded it; rhythm: how the capture passes.

    absent: why it was not rehearsed, None if it was. title, path, faults, must_fail: as requested.
    """

    name: str
    folder: Path
    absent: str | None = None
    title: str = ""
    path: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    must_fail: list[str] = field(default_factory=list)
    facts: RunFacts | None = None
    verdict: Verdict | None = None
    judgement: Judgement | None = None
    series: Frames = field(default_factory=dict)
    rhythm: Rhythm | None = None
    missing: list[str] = field(default_factory=list)

    def discard(self, why: str) -> None:
        """Ignore its files, which cannot be used."""
        self.facts = self.verdict = self.judgement = None
        self.series = {}
        self.missing.append(f"{self.name}: its files cannot be used: {why}")


@dataclass
class RunFolder:
    """One `--out` folder: its `rehearsal.json` and the names of its scenarios, in order.

    asked: the request for each name. absent: why some were not rehearsed.
    """

    folder: Path
    rehearsal: dict[str, Any]
    names: list[str]
    asked: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def read_run(folder: Path) -> RunFolder:
    """Read the files of a run folder itself. Raises UsageError if it is no run folder."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder: give the folder that `rehearse --out` wrote, or PLAN.run of `run`")
    missing: list[str] = []
    rehearsal = _read_json(folder / "rehearsal.json", folder, missing)
    try:
        found = sorted(
            entry.name
            for entry in folder.iterdir()
            if entry.is_dir() and any((entry / name).exists() for name in ("run.json", "verdict.json", "ledger"))
        )
    except OSError as why:
        raise UsageError(f"{folder}: cannot be read: {why.strerror or why}") from None
    if not rehearsal and not found:
        raise UsageError(
            f"{folder}: neither a rehearsal (no rehearsal.json, no scenario folder) nor a run (no audit.jsonl, no "
            f"plan.yaml): give the folder that `rehearse --out` wrote, or PLAN.run of `kafka-cutover run`"
        )
    listed = [
        name for name in _strings(rehearsal.get("scenarios")) if Path(name).name == name and name not in (".", "..")
    ]
    others = [name for name in found if name not in listed]
    if listed and rehearsal.get("finished"):
        # A rehearsal that finished lists all of its scenarios. This one is of another run, perhaps on other brokers.
        missing += [f"{name}: rehearsal.json does not list this scenario, so it does not count." for name in others]
        others = []
    names = listed + others
    if rehearsal and not rehearsal.get("finished"):
        missing.append("The rehearsal did not finish: rehearsal.json has no time of its end.")
    asked, absent = rehearsal.get("asked"), rehearsal.get("not_rehearsed")
    return RunFolder(
        folder,
        rehearsal,
        list(dict.fromkeys(names)),
        asked if isinstance(asked, dict) else {},
        {name: str(why) for name, why in absent.items()} if isinstance(absent, dict) else {},
        missing,
    )


def read_scenario(run: RunFolder, name: str) -> ScenarioFolder:
    """Read one scenario of a run folder. Never raises for its content: what cannot be read is listed in `missing`."""
    folder, home = run.folder, run.folder / name
    about = run.asked.get(name)
    about = about if isinstance(about, dict) else {}
    title = about.get("title")
    scenario = ScenarioFolder(
        name,
        home,
        title=title if isinstance(title, str) else "",
        path=_strings(about.get("path")),
        faults=_strings(about.get("faults")),
        must_fail=[earlier.measure(name) for name in _strings(about.get("must_fail"))],
    )
    if not (home / "verdict.json").exists() and (name in run.absent or not (home / "run.json").exists()):
        left = "ended while it ran, before there was a verdict" if home.is_dir() else "ended before it began"
        scenario.absent = run.absent.get(name, f"the rehearsal {left}")
        scenario.missing.append(f"{name} was not rehearsed: {scenario.absent}")
        return scenario
    facts = _read_json(home / "run.json", folder, scenario.missing)
    # The series are by far the largest part: they go straight into pandas, not through one object a sample.
    lag = facts.pop("lag", None)
    try:
        scenario.facts = RunFacts.from_json(facts) if facts else None
    except (UsageError, OverflowError) as why:
        scenario.missing.append(f"{name}/run.json: {why}")
    verdict = _read_json(home / "verdict.json", folder, scenario.missing)
    judgement = verdict.get("judgement")
    seconds = judgement.pop("series", None) if isinstance(judgement, dict) else None
    try:
        scenario.verdict = Verdict.from_json(verdict["verdict"]) if "verdict" in verdict else None
        scenario.judgement = Judgement.from_json(judgement) if judgement is not None else None
    except (UsageError, OverflowError) as why:
        scenario.missing.append(f"{name}/verdict.json: {why}")
    start_ns = scenario.facts.started_ns if scenario.facts else 0
    try:
        scenario.series = _lag_series(lag, start_ns) | _rate_series(seconds, start_ns)
        found = scenario.facts.capture.get("rhythm") if scenario.facts else None
        if isinstance(found, dict) and scenario.facts is not None and "acks" in scenario.series:
            scenario.rhythm = _rhythm(found, scenario.facts)
            scenario.series["due"] = _due_series(found["due"], scenario.rhythm, scenario.series["acks"])
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, ArithmeticError) as why:
        scenario.missing.append(f"{name}: its series cannot be read ({why}), so its time line is not drawn.")
    return scenario


def _lag_series(samples: Any, start_ns: int) -> Frames:
    if not samples:
        return {}
    seconds = [(sample["time_ns"] - start_ns) / 1e9 for sample in samples]
    records = pd.Series([sample["records"] for sample in samples], index=seconds, dtype=float)
    return {"lag": records.sort_index()}


def _rate_series(series: Any, start_ns: int) -> Frames:
    """Return events a second, the clusters of each kind and group together. A step may be longer than a second."""
    if not series or not series.get("seconds"):
        return {}
    columns: Frames = {}
    step = series.get("step_ns", 10**9) / 1e9
    offset = (series["start_ns"] - start_ns) / 1e9
    for one in series["seconds"]:
        if one["kind"] == "route-acks":
            continue  # among the fleet's
        name = "acks" if one["kind"] == "acks" else f"deliveries/{one['group']}"
        values = pd.Series(one["values"], dtype=float) / step
        columns[name] = values if name not in columns else columns[name].add(values, fill_value=0)
    # A count belongs to the middle of its step.
    for values in columns.values():
        values.index = (values.index + 0.5) * step + offset
    return columns


def _rhythm(found: dict[str, Any], facts: RunFacts) -> Rhythm:
    loop = float(found["loop_s"])
    if not loop > 0:
        raise ValueError(f"a pass of {loop:g} s")
    return Rhythm((int(found["start_ns"]) - facts.started_ns) / 1e9, loop, int(found["first_ms"]), facts.speed)


def _due_series(due: list[int], rhythm: Rhythm, acks: pd.Series[float]) -> pd.Series[float]:
    """Return the records a second that were due in each step of `acks`, until the last acknowledgement."""
    busy = acks[acks > 0]
    steps = acks.index[acks.index <= busy.index[-1]].to_numpy(dtype=float) if len(busy) else np.empty(0)
    step = float(acks.index[1] - acks.index[0]) if len(acks) > 1 else 1.0
    total = np.concatenate([[0.0], np.cumsum(np.asarray(due, dtype=float))])

    def by(seconds: Any) -> Any:
        """Return how many records were due until a time since the first pass began."""
        passes, rest = np.divmod(np.maximum(seconds, 0.0), rhythm.loop)
        return passes * total[-1] + np.interp(rest / rhythm.loop * len(due), np.arange(len(total)), total)

    begin = steps - step / 2 - rhythm.start
    return pd.Series((by(begin + step) - by(begin)) / step, index=steps, dtype=float)


def _read_json(file: Path, root: Path, missing: list[str]) -> dict[str, Any]:
    """Return the object in `file`; an empty one, and a line in `missing`, if it cannot be read."""
    name = file.relative_to(root)
    if file.exists() and not file.is_file():
        missing.append(f"{name}: no regular file.")
        return {}
    try:
        content = json.loads(file.read_text("utf-8"), parse_constant=_no_number, parse_int=_number)
    except FileNotFoundError:
        missing.append(f"{name}: not there.")
    except OSError as why:
        missing.append(f"{name}: cannot be read ({why.strerror or why}).")
    except (ValueError, RecursionError) as why:
        missing.append(f"{name}: torn or not JSON ({why}).")
    else:
        if isinstance(content, dict):
            return content
        missing.append(f"{name}: contains no JSON object.")
    return {}


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is no number in JSON")


def _number(digits: str) -> int:
    value = int(digits)
    if value.bit_length() > 64:
        raise ValueError("a number of more than 64 bits")
    return value


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
