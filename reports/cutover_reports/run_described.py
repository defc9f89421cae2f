"""What a run folder says of its run: command, seed, target, versions, capture and plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutover_reports import plans, words
from cutover_reports.commands import repeating
from cutover_reports.deciding import Deciding
from cutover_reports.model import Run, Scenario
from cutover_reports.reading import RunFolder


def described(run: RunFolder, scenarios: Sequence[Scenario], index: int, options: Deciding) -> Run:
    """Return a run, the `index`th of the report, as its `rehearsal.json` describes it.

    options: what the report was given on the command line, which the command that repeats the run keeps.
    """
    rehearsal = run.rehearsal
    capture = _dict(rehearsal.get("capture"))
    seed = rehearsal.get("seed")
    target = rehearsal.get("target_kind")
    return Run(
        folder=run.folder.resolve().name,
        started=_text(rehearsal.get("started")),
        finished=_text(rehearsal.get("finished")),
        command=repeating(_text(rehearsal.get("command")), seed if isinstance(seed, int) else None, options.options()),
        seed=seed if isinstance(seed, int) else None,
        target_kind=target if target in ("AutoMQ", "stand-in") else "unknown",
        environment=_texts(rehearsal.get("environment")) | _in_parallel(rehearsal.get("jobs")),
        versions=_texts(rehearsal.get("versions")),
        capture=_capture(capture),
        plan=plans.reference(rehearsal.get("plan")),
        scenarios=sum(scenario.run == index for scenario in scenarios),
        missing=run.missing,
    )


def _capture(capture: dict[str, Any]) -> dict[str, str]:
    """Return the description of a capture, in words; its topics by name alone."""
    described = {}
    for key, value in capture.items():
        if isinstance(value, int) and abs(value) > 2**63:
            described[key] = "no usable number"
        elif isinstance(value, dict | list):
            described[key] = words.listed([str(item) for item in value], 8)
        elif isinstance(value, bool) or value is None:
            described[key] = str(value)
        elif isinstance(value, int | float):
            described[key] = words.count(value) if key != "span_s" else words.milliseconds(value * 1000)
        else:
            described[key] = str(value)
    if "span_s" in described:
        described["span"] = described.pop("span_s")
    return described


def _in_parallel(jobs: Any) -> dict[str, str]:
    """Return how many scenarios ran in parallel, if any did: it makes blackouts longer."""
    if not isinstance(jobs, int) or jobs < 2:
        return {}
    return {"in parallel": f"{jobs} scenarios: counts are exact, blackouts are longer than in a run of one scenario"}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: Any) -> dict[str, str]:
    return {str(key): str(text) for key, text in _dict(value).items()}
