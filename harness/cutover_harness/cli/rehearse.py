"""`kafka-cutover rehearse`."""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from cutover_scenarios import sample_capture

from cutover_harness.cli.chosen import chosen
from cutover_harness.cli.option_groups import with_option_groups
from cutover_harness.cli.plan_options import PlanOptions, from_plan
from cutover_harness.cli.progress import Progress
from cutover_harness.cli.rehearse_results import code_of, show
from cutover_harness.cli.repeat_command import repeat_command
from cutover_harness.cli.testbed_options import TestbedOptions
from cutover_harness.errors import UsageError
from cutover_harness.explore.explored import explored_in, read_explored
from cutover_harness.rehearsal.checks import check_out
from cutover_harness.rehearsal.session import rehearse_all
from cutover_harness.rehearsal.settings import Settings

FEW = 4
"""By default up to this many scenarios run one after the other."""
MOST_JOBS = 3
MANY_CPUS = 4
"""With fewer CPUs, AutoMQ, its store and Connect, or several brokers a cluster, need all of them for one scenario."""


@dataclass(frozen=True)
class RunOptions:
    """What is replayed, where the results go, and how many scenarios run in parallel."""

    capture: Annotated[Path | None, typer.Option(help="Recorded traffic (default: the sample capture).")] = None
    speed: Annotated[float | None, typer.Option(help="Replay speed factor (default: replay the capture in 30 s).")] = (
        None
    )
    seed: Annotated[int | None, typer.Option(help="Random seed, to reproduce a run (default: a new one).")] = None
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder for report, ledgers and logs; an earlier run in it is moved to its earlier_runs.",
        ),
    ] = Path("cutover-out")
    explored: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Result of scenarios explore --json, for the report (default: --out's)."),
    ] = None
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove an earlier run from --out instead of keeping it.")
    ] = False
    keep: Annotated[bool, typer.Option("--keep", help="Keep the brokers' data, and print how to look at it.")] = False
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            help="Run N scenarios in parallel (about 450 MB each, 1.2 GB with --brokers 3, 1.5 GB with AutoMQ; timings "
            f"get longer). Default: 1 for up to {FEW} scenarios, and with several brokers or AutoMQ on fewer than "
            f"{MANY_CPUS} CPUs; otherwise the number of CPUs, at most {MOST_JOBS}.",
        ),
    ] = None


@with_option_groups
def rehearse(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SCENARIO]...", help="Names or globs from the catalogue, or scenario files."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Run the whole catalogue.")] = False,
    of: PlanOptions = PlanOptions(),  # noqa: B008 - frozen
    how: RunOptions = RunOptions(),
    on: TestbedOptions = TestbedOptions(),  # noqa: B008 - frozen
) -> int:
    """Run switchovers and rollbacks on real clusters with recorded traffic, and report what each costs.

    Without a scenario: the documented switchover, a rollback and a negative control, on the sample capture.
    With --plan: each batch of the plan by its own path, or by the named scenarios, with the topics, groups and traffic
    of its inventory.
    """
    kind = on.kind()
    if how.speed is not None and how.speed <= 0:
        raise UsageError(f"--speed {how.speed}: must be above 0")
    planned = None
    if of.plan is None:
        of.refuse_without_plan()
        scenarios = chosen(names, every)
    else:
        if every:
            raise UsageError("--all: the catalogue has scenarios with topics of their own: with --plan name scenarios")
        planned = from_plan(of, of.plan, how.capture, chosen(names, every) if names else [], kind)
        scenarios = planned.scenarios
    policy = of.policy or (planned.policy if planned is not None else None)
    existing = on.existing()
    if existing is not None and how.keep:
        raise UsageError("--keep: what a run creates on existing clusters is always removed: leave it out")
    ports = on.fixed_ports()
    check_out(how.out, policy)
    if (searched := how.explored or explored_in(how.out)) is not None:
        read_explored(searched)
    seed = secrets.randbits(31) if how.seed is None else how.seed
    settings = Settings(
        out=how.out,
        capture=how.capture or sample_capture(),
        command=repeat_command(sys.argv[1:], seed if how.seed is None else None),
        seed=seed,
        speed=how.speed,
        testbed=kind,
        docker=on.docker(),
        automq=on.automq(keep=how.keep) if kind == "automq" else None,
        existing=existing,
        source_version=on.source_version or Settings.source_version,
        brokers=on.brokers,
        target_ack_delay_ms=on.target_ack_delay,
        exactly_once=on.exactly_once,
        ports=ports,
        keep=how.keep,
        jobs=_jobs(how.jobs, len(scenarios), ports is not None, crowded=on.has_automq() or (on.brokers or 1) > 1),
        replace=how.replace,
        plan=None if planned is None else planned.settings,
        policy=policy,
        explored=how.explored,
    )
    with Progress(prefixes=tuple(s.name for s in scenarios) if settings.jobs > 1 else ()) as progress:
        done = rehearse_all(scenarios, settings, progress, named=bool(names))
    show([scenario.name for scenario in scenarios], done, settings)
    if done.stopped is not None:
        raise done.stopped
    if done.report_error is not None:
        raise done.report_error
    if done.left:
        raise UsageError(
            f"not removed: {'; '.join(done.left)}: remove it with kafka-cutover doctor --testbed {on.testbed} --clean"
        )
    return code_of(done)


def _jobs(wanted: int | None, scenarios: int, fixed_ports: bool, *, crowded: bool = False) -> int:
    """Return how many run in parallel; for a few scenarios exact timings are worth more than minutes."""
    if wanted is None:
        cpus = os.cpu_count() or 1
        alone = fixed_ports or scenarios <= FEW or (crowded and cpus < MANY_CPUS)
        return 1 if alone else min(MOST_JOBS, cpus)
    if wanted < 1:
        raise UsageError(f"--jobs {wanted}: must be 1 or more")
    if wanted > 1 and fixed_ports:
        raise UsageError(f"--jobs {wanted}: parallel scenarios cannot share --ports: leave out one of them")
    return min(wanted, scenarios)
