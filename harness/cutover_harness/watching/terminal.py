"""A snapshot as lines of a terminal: the same facts as the page. Pure functions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from cutover_harness.channels.leases import moment
from cutover_harness.masking import masked, visible
from cutover_harness.procedure.denials import words
from cutover_harness.watching.views import BatchView, BlackoutView, Snapshot, StepView
from cutover_harness.words import counted

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 40
_LEASE = {"held": "until", "expired": "and it has expired at", "unknown": "until"}
_MARKS = {"done": "x", "in progress": ">", "waits for approval": "?", "stopped": "!", "left": " ", "dropped": "-"}


def lines_of(snapshot: Snapshot) -> list[str]:
    """Return the lines of the batches in progress."""
    found = [] if snapshot.problem is None else [snapshot.problem]
    if (lease := snapshot.lease) is not None:
        until = "" if lease.until is None else f", {_LEASE[lease.state]} {moment(lease.until)}"
        found.append(f"lease: {lease.words}{until}")
    for batch in snapshot.batches:
        if batch.progress.fence and batch.progress.progress != "begun":
            found.append(f"{batch.progress.name}: {fence_line(batch)}")
        if batch.progress.progress == "begun":
            found += ["", f"{batch.progress.name}:", *(f"  {line}" for line in _batch(batch, snapshot.at))]
    return [_plain(line) for line in found]


def _batch(batch: BatchView, now: float) -> Iterator[str]:
    for problem in batch.problems:
        yield f"cannot be read now: {problem}"
    if batch.problems and batch.figures_at is not None:
        yield f"figures of the clusters are {now - batch.figures_at:.0f} s old"
    yield from bypass_lines(batch)
    if batch.progress.fence:
        yield fence_line(batch)
    for step in batch.steps:
        yield from _step(step)
    for role in batch.clients:
        absent = f"; {'; '.join(role.missing)}" if role.missing else ""
        yield f"{role.attested} of {role.expected} {role.role}s attest {role.location}{absent}"
        if role.restarted:
            yield f"{role.role}s without the shim: {', '.join(role.restarted)}"
    if batch.lag.records is not None:
        yield f"mirror lag {counted(batch.lag.records, 'record')}  {sparkline([lag for _, lag in batch.lag.history])}"
    yield from blackout_lines(batch.blackouts)
    yield rollback_line(batch)
    if batch.asked is not None:
        yield f"{batch.asked.step} waits for approval: {batch.asked.command}"
        yield f"  {batch.asked.does}"
        yield from (f"  going back before it: {cost}" for cost in batch.asked.before)
        yield from (f"  going back after it: {cost}" for cost in batch.asked.after)


def _step(step: StepView) -> Iterator[str]:
    approved = f", approved by {step.approved}" if step.approved else ""
    yield f"[{_MARKS[step.state]}] {step.number} {step.name}{approved}"
    if step.state in ("in progress", "stopped"):
        for gate in step.gates:
            limit = f"/{gate.deadline_s:.0f}" if gate.deadline_s is not None else ""
            yield f"      {gate.name}: {gate.state} ({gate.wait_s:.1f}{limit} s): {gate.words}"


def live_lines(snapshot: Snapshot, name: str) -> list[str]:
    """Return what changes while a batch is moved, besides its gates: blackouts, and what going back costs."""
    for batch in snapshot.batches:
        if batch.progress.name == name and batch.progress.progress == "begun":
            return [
                f"  {_plain(line)}"
                for line in (*bypass_lines(batch), *blackout_lines(batch.blackouts), rollback_line(batch))
            ]
    return []


def fence_line(batch: BatchView) -> str:
    """Return in one line whom the fence of a batch keeps from writing."""
    return f"fence on the source: {words(batch.progress.fence)}"


def bypass_lines(batch: BatchView) -> list[str]:
    """Return the bypasses that close gates, in words."""
    return [f"bypass: {each.words}" for each in batch.progress.bypasses if each.closes]


def blackout_lines(blackouts: Sequence[BlackoutView]) -> list[str]:
    """Return the blackouts in words."""
    found = []
    for role in blackouts:
        if role.current_s is not None:
            found.append(f"blackout of {role.role}s so far: {role.current_s:.1f} s ({role.current_client})")
        elif role.last_s is not None:
            found.append(f"blackout of {role.role}s in the last switch: {role.last_s:.1f} s ({role.last_client})")
    return found


def rollback_line(batch: BatchView) -> str:
    """Return in one line what going back costs, and until when it is possible."""
    back = batch.rollback
    if not back.possible:
        return "going back: no documented way"
    until = "" if back.until is None else f" (until {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(back.until))})"
    return f"going back{until}: {'; '.join(back.costs)}"


def sparkline(values: Sequence[int]) -> str:
    """Return the last values as bars."""
    shown = values[-_WIDTH:]
    most = max(shown, default=0) or 1
    return "".join(_BARS[value * (len(_BARS) - 1) // most] for value in shown)


def _plain(line: str) -> str:
    """Return a line without secrets of addresses and what a terminal would obey: statuses can hold anything."""
    return visible(masked(line))
