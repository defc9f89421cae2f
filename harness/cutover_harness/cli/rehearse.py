"""`kafka-cutover rehearse`."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from cutover_scenarios import sample_capture
from rich.table import Table

from cutover_harness.cli import testbed_options as options
from cutover_harness.cli.progress import Progress
from cutover_harness.console import standard_output
from cutover_harness.errors import UsageError
from cutover_harness.judge.model import Report
from cutover_harness.judge.totals import EXIT_CODES, NOT_REHEARSED, Outcome, exit_code, in_words, totals
from cutover_harness.judge.verdicts import WORDS
from cutover_harness.masking import masked_command
from cutover_harness.plan.load import find, load_all
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.session import Rehearsed, rehearse_all
from cutover_harness.rehearsal.settings import Settings, TestbedKind
from cutover_harness.testbed.docker.options import TARGET_IMAGE

EXIT_USAGE = 2
FEW = 4
"""Up to so many scenarios run one after the other where nothing is said."""
MOST_JOBS = 3
AUTOMQ_CPUS = 4
"""With fewer AutoMQ, its store and Connect need them all for one scenario."""


def rehearse(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SCENARIO]...", help="Names of the catalogue, or files of your own.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The whole catalogue.")] = False,
    capture: Annotated[Path | None, typer.Option(help="Recorded traffic; default: the sample capture.")] = None,
    testbed: options.Kind = "process",
    source_version: options.SourceVersion = None,
    source_image: options.SourceImage = None,
    target_image: options.TargetImage = None,
    connect_image: options.ConnectImage = None,
    s3_image: options.S3Image = None,
    s3_endpoint: options.S3Endpoint = None,
    netem_image: options.NetemImage = None,
    memory: options.Memory = None,
    cpus: options.Cpus = None,
    automq_home: options.AutomqHome = None,
    automq_version: options.AutomqVersion = None,
    automq_url: options.AutomqUrl = None,
    automq_sha256: options.AutomqSha256 = None,
    s3_region: options.S3Region = None,
    s3_credentials: options.S3Credentials = None,
    target_ack_delay: Annotated[
        int, typer.Option(metavar="MS", help="Hold the target's acknowledgements back, as AutoMQ takes 250 ms for one.")
    ] = 0,
    exactly_once: Annotated[bool, typer.Option("--exactly-once", help="Mirror in transactions (KIP-618).")] = False,
    ports: Annotated[
        str | None, typer.Option(metavar="SOURCE,TARGET,CONNECT", help="Fixed ports on 127.0.0.1; default: free ones.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for report, ledgers and logs; an earlier run in it is kept in earlier_runs.")
    ] = Path("cutover-out"),
    replace: Annotated[bool, typer.Option("--replace", help="Remove an earlier run from --out, not keep it.")] = False,
    speed: Annotated[
        float | None, typer.Option(help="Times the capture's rhythm; default: one pass over it lasts 30 s.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Repeats a run's random choices; default: a new one.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the brokers' data.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            help="Scenarios at once, 450 MB each, 1.5 GB with AutoMQ; they disturb each other's times. "
            f"Default: 1 for up to {FEW} scenarios, and with AutoMQ on fewer than {AUTOMQ_CPUS} CPUs; "
            f"otherwise at most {MOST_JOBS}, and no more than CPUs.",
        ),
    ] = None,
) -> int:
    """Walk switchovers and rollbacks on real clusters with recorded traffic, and report what each costs.

    Without a scenario: the documented switchover, a rollback and a negative control, on the sample capture.
    """
    given = {
        "source_version": source_version,
        "source_image": source_image,
        "target_image": target_image,
        "connect_image": connect_image,
        "s3_image": s3_image,
        "s3_endpoint": s3_endpoint,
        "netem_image": netem_image,
        "memory": memory,
        "cpus": cpus,
        "automq_home": automq_home,
        "automq_version": automq_version,
        "automq_url": automq_url,
        "automq_sha256": automq_sha256,
        "s3_region": s3_region,
        "s3_credentials": s3_credentials,
    }
    kind = options.kind_of(testbed, given)
    if target_ack_delay and kind == "automq":
        raise UsageError("--target-ack-delay: slows a stand-in down, and AutoMQ takes its own time: leave it out")
    if not 0 <= target_ack_delay <= 60_000:
        raise UsageError(f"--target-ack-delay {target_ack_delay}: must be between 0 and 60000 ms")
    if speed is not None and speed <= 0:
        raise UsageError(f"--speed {speed}: must be above 0")
    scenarios = _scenarios(names, every)
    fixed_ports = _ports(ports)
    at_once = _jobs(jobs, len(scenarios), fixed_ports is not None, automq=_has_automq(kind, target_image))
    settings = Settings(
        out=out,
        capture=capture or sample_capture(),
        command=shlex.join(["kafka-cutover", *masked_command(sys.argv[1:])]),
        seed=secrets.randbits(31) if seed is None else seed,
        speed=speed,
        testbed=kind,
        docker=options.docker_options(given),
        automq=options.automq_of(given, keep=keep) if kind == "automq" else None,
        source_version=source_version or Settings.source_version,
        target_ack_delay_ms=target_ack_delay,
        exactly_once=exactly_once,
        ports=fixed_ports,
        keep=keep,
        jobs=at_once,
        replace=replace,
    )
    with Progress(prefixes=tuple(s.name for s in scenarios) if at_once > 1 else ()) as progress:
        done = rehearse_all(scenarios, settings, progress)
    _print([scenario.name for scenario in scenarios], done)
    if at_once > 1 and done.reports:
        typer.echo(f"{at_once} scenarios ran at once: the counts hold, blackouts are longer than with --jobs 1")
    if done.decision is not None:
        typer.echo(f"{done.decision.word}: {done.decision.headline}")
        typer.echo(f"report: {out / 'report.html'}")
    for name, why in done.not_rehearsed.items():
        typer.echo(f"kafka-cutover: {name}: {NOT_REHEARSED}: {why}", err=True)
    if done.stopped is not None:
        raise done.stopped
    if done.report_error is not None:
        raise done.report_error
    return code_of(done)


def code_of(done: Rehearsed) -> int:
    """Return the exit code: that of the outcomes; 1 also if the report says no, 2 if nothing could be rehearsed."""
    if done.unfit:
        return EXIT_USAGE
    if done.decision is not None and done.decision.blocks:
        return EXIT_CODES["FAIL"]
    outcomes: list[Outcome] = [report.verdict.outcome for report in done.reports.values()]
    if done.not_rehearsed:
        outcomes.append(NOT_REHEARSED)
    return exit_code(outcomes)


def _scenarios(names: list[str] | None, every: bool) -> list[Scenario]:
    if names and every:
        raise UsageError("--all walks the whole catalogue: leave out the names")
    if not names:
        return [scenario for scenario in load_all() if every or scenario.default]
    scenarios = [find(name) for name in names]
    doubles = {s.name for s in scenarios if sum(other.name == s.name for other in scenarios) > 1}
    if doubles:
        raise UsageError(f"scenario {', '.join(sorted(doubles))} is given twice")
    return scenarios


def _has_automq(kind: TestbedKind, target_image: str | None) -> bool:
    """Whether the target is meant to be AutoMQ, as far as the options say."""
    return kind == "automq" or (kind == "docker" and "automq" in (target_image or TARGET_IMAGE))


def _jobs(wanted: int | None, scenarios: int, fixed_ports: bool, *, automq: bool = False) -> int:
    """Return how many to rehearse at once: with few of them undisturbed figures are worth more than minutes."""
    if wanted is None:
        cpus = os.cpu_count() or 1
        alone = fixed_ports or scenarios <= FEW or (automq and cpus < AUTOMQ_CPUS)
        return 1 if alone else min(MOST_JOBS, cpus)
    if wanted < 1:
        raise UsageError(f"--jobs {wanted}: must be 1 or more")
    if wanted > 1 and fixed_ports:
        raise UsageError(f"--jobs {wanted}: scenarios at once cannot share the ports of --ports: leave one of both out")
    return min(wanted, scenarios)


def _ports(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    numbers = [int(part) if part.isascii() and part.isdigit() else 0 for part in text.split(",")]
    if len(numbers) != 3 or not all(0 < number < 65536 for number in numbers) or len(set(numbers)) < 3:
        raise UsageError(f"--ports {text}: three different port numbers are needed, as in 9092,9093,8083")
    return numbers[0], numbers[1], numbers[2]


def _print(names: list[str], done: Rehearsed) -> None:
    standard_output().print(_table(names, done.reports))
    for name, report in done.reports.items():
        found = totals(report.judgement)
        if found.destroyed:
            typer.echo(f"{name}: {found.destroyed:,} {WORDS['destroyed']}, not lost")
        if causes := ", ".join(f"{n:,} {WORDS[cause]}" for cause, n in found.duplicated.items() if n):
            typer.echo(f"{name}: duplicated: {causes}")
        for reason in report.verdict.reasons:
            typer.echo(f"{name}: {reason}")


def _table(names: list[str], reports: dict[str, Report]) -> Table:
    """Return a line for every scenario that was asked for."""
    table = Table(box=None, pad_edge=False)
    table.add_column("scenario", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for heading in ("acked", "lost", "disordered", "duplicated", "blackout"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name in names:
        if name not in reports:
            table.add_row(name, NOT_REHEARSED, *["-"] * 5)
            continue
        found = totals(reports[name].judgement)
        table.add_row(
            name,
            in_words(reports[name].verdict),
            f"{found.acked:,}",
            "unknown" if found.lost is None else f"{found.lost:,}",
            f"{found.disordered:,}",
            f"{found.duplicated_total:,}",
            "-" if found.blackout_ms is None else f"{found.blackout_ms / 1000:.1f} s",
        )
    return table
