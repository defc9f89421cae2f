"""Results of `rehearse` on the terminal."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.text import Text

from cutover_harness import exit_codes
from cutover_harness.cli.kept import kept_lines
from cutover_harness.colours import OUTCOMES, painted
from cutover_harness.console import standard_output
from cutover_harness.errors import UsageError
from cutover_harness.judge.measures import WORDS
from cutover_harness.judge.model import Report
from cutover_harness.judge.totals import NOT_REHEARSED, Outcome, exit_code, in_words, totals
from cutover_harness.masking import visible
from cutover_harness.named_rows import Cell, print_rows
from cutover_harness.rehearsal.session import Rehearsed
from cutover_harness.rehearsal.settings import PlanSettings, Settings
from cutover_harness.words import counted


def show(names: list[str], done: Rehearsed, settings: Settings) -> None:
    """Print a table with all scenarios, then what is to be said about each, and where the report is."""
    print_totals(names, done.reports, standard_output())
    for name, report in done.reports.items():
        found = totals(report.judgement)
        if found.destroyed:
            typer.echo(f"{name}: {found.destroyed:,} {WORDS['destroyed']}, not lost")
        if causes := ", ".join(f"{n:,} {WORDS[cause]}" for cause, n in found.duplicated.items() if n):
            typer.echo(f"{name}: duplicated: {causes}")
        for reason in report.verdict.reasons:
            typer.echo(visible(f"{name}: {reason}"))
    if settings.jobs > 1 and done.reports:
        typer.echo(f"{settings.jobs} scenarios in parallel: counts are valid, blackouts are longer than with --jobs 1")
    if done.decision is not None:
        word = done.decision.word
        typer.echo(f"{painted(word, OUTCOMES.get(word, 'bold'))}: {done.decision.headline}")
        typer.echo(f"report: {settings.out / 'report.html'}")
    _show_left(names, settings)
    for name, why in done.not_rehearsed.items():
        # What ended the whole rehearsal is printed once, as the command's error.
        if not (isinstance(done.stopped, UsageError) and str(done.stopped) in why):
            typer.echo(f"kafka-cutover: {name}: {NOT_REHEARSED}: {why}", err=True)


def _show_left(names: list[str], settings: Settings) -> None:
    """Print what a plan's scenarios leave out, and what --keep kept."""
    if settings.plan is not None:
        _show_left_out(settings.plan)
    if settings.keep:
        typer.echo("\n".join(kept_lines(names, settings)))


def _show_left_out(plan: PlanSettings) -> None:
    """Print how much of a plan its scenarios leave out; the report lists it."""
    parts = {part.what for each in plan.planned.values() for part in each.not_rehearsed}
    if parts:
        typer.echo(
            f"plan {plan.facts['name']}: what is not rehearsed: {counted(len(parts), 'entry', 'entries')} in the report"
        )


def print_totals(names: list[str], reports: dict[str, Report], console: Console) -> None:
    """Print a row for every requested scenario."""
    figures = ("acked", "lost", "reordered", "duplicated", "blackout")
    rows: list[tuple[Cell, ...]] = []
    for name in names:
        if name not in reports:
            rows.append((name, NOT_REHEARSED, *["-"] * len(figures)))
            continue
        found = totals(reports[name].judgement)
        row = (
            name,
            Text(in_words(reports[name].verdict), style=OUTCOMES.get(reports[name].verdict.outcome, "")),
            f"{found.acked:,}",
            "unknown" if found.lost is None else f"{found.lost:,}",
            f"{found.reordered:,}",
            f"{found.duplicated_total:,}",
            "-" if found.blackout_ms is None else f"{found.blackout_ms / 1000:.1f} s",
        )
        rows.append(row)
    print_rows(console, ("scenario", "verdict", *figures), rows, folded=("scenario",), right=figures)


def code_of(done: Rehearsed) -> int:
    """Return the exit code: that of the outcomes; 1 also for a NO-GO, 2 if nothing could be rehearsed."""
    if done.unfit:
        return exit_codes.REFUSED
    if done.decision is not None and done.decision.blocks:
        return exit_codes.FAILED
    outcomes: list[Outcome] = [report.verdict.outcome for report in done.reports.values()]
    if done.not_rehearsed:
        outcomes.append(NOT_REHEARSED)
    return exit_code(outcomes)
