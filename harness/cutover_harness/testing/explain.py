"""Output of a failed test: verdict, reasons and records, never a traceback."""

from __future__ import annotations

from pathlib import Path

from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback

from cutover_harness.judge.measures import WORDS
from cutover_harness.judge.model import Judgement, Offender, Verdict
from cutover_harness.plan.scenario import Scenario

MOST_OFFENDERS = 10


def explain(scenario: Scenario, verdict: Verdict, judgement: Judgement, folder: Path) -> str:
    """Return the verdict, its reasons and the first offending records, in lines."""
    control = " (negative control)" if verdict.control else ""
    lines = [f"{verdict.outcome}{control}: {scenario.name}: {scenario.title}"]
    because = "caught" if verdict.control and verdict.outcome == "PASS" else "because"
    lines += [f"  {because} {reason}" for reason in verdict.reasons]
    worst_first = list(WORDS)
    offenders = sorted(judgement.offenders, key=lambda o: (worst_first.index(o.kind), o.group or "", o.time_ns))
    if offenders:
        lines.append("  first offending records:")
        lines += [f"    {_offender(offender)}" for offender in offenders[:MOST_OFFENDERS]]
        if len(offenders) > MOST_OFFENDERS:
            lines.append("    ... (all of them: kafka-cutover judge)")
    lines.append(f"  run folder: {folder}")
    return "\n".join(lines)


def headline(verdict: Verdict) -> str:
    """Return the verdict in one line."""
    more = f" (and {len(verdict.reasons) - 1} more)" if len(verdict.reasons) > 1 else ""
    return f"{verdict.outcome}: {verdict.reasons[0]}{more}" if verdict.reasons else verdict.outcome


def shown(text: str, line: str, path: Path) -> ReprExceptionInfo:
    """Return a failure for pytest: it prints `text` in a section, and `line` in its summary and in JUnit.

    This form is the only one that a worker of xdist can serialise.
    """
    entry = ReprEntryNative([f"{text}\n"])
    return ReprExceptionInfo(
        reprtraceback=ReprTraceback([entry], None, style="native"), reprcrash=ReprFileLocation(str(path), 1, line)
    )


def _offender(offender: Offender) -> str:
    offset = offender.offset if offender.offset >= 0 else "?"
    parts = [
        WORDS.get(offender.kind, offender.kind),
        offender.group,
        f"{offender.topic}/{offender.partition} @ {offset} on {offender.cluster}",
        None if offender.key is None else f"key {offender.key}",
        f"sequence {offender.sequence}" if offender.sequence >= 0 else None,
        f"seen by {', '.join(offender.seen_by)}" if offender.seen_by else None,
        offender.detail,
    ]
    return "  ".join(part for part in parts if part)
