"""`kafka-cutover resume` and `rollback`: run the rest of a path whose conductor was killed, or turn it back."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from confluent_kafka import KafkaException

from cutover_harness import runs
from cutover_harness.admin import Admin
from cutover_harness.cli.progress import Progress
from cutover_harness.conductor import cost as costs
from cutover_harness.conductor.conductor import When
from cutover_harness.conductor.inspection import inspect
from cutover_harness.conductor.pointer import PointerFile
from cutover_harness.conductor.process import ConductorConfig
from cutover_harness.conductor.reach import refuse_unreachable
from cutover_harness.conductor.readback import ReadBack, read_back
from cutover_harness.conductor.resume import reached
from cutover_harness.conductor.standing import Standing, look, refuse_running
from cutover_harness.conductor.statuses import read_statuses
from cutover_harness.errors import UsageError
from cutover_harness.plan.path import Act
from cutover_harness.processes import stop_all
from cutover_harness.rehearsal.conducted import Conducted

EXIT_STOPPED, EXIT_UNPROVED, EXIT_TURNED_BACK = 1, 3, 4
Ended = Literal["walked", "turned-back", "stopped"]
_WORDS = {"walked": "walked to the end", "turned-back": "back on the source"}
NO_WAY_BACK = 7
"""The stage from which there is no documented way back."""

Folder = Annotated[Path, typer.Argument(help="Folder with conductor.json and journal.sqlite.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print cost and steps, and change nothing.")]


def resume(folder: Folder, dry_run: DryRun = False) -> int:
    """Resume an interrupted run from its journal.

    Exit code 0: the path is walked to its end, and clients and mirror were read back. 1: it stopped before, or what was
    read back contradicts it. 2: refused, nothing was changed. 3: walked, but not all of it could be read back.
    4: it turned back, and everything is on the source.
    """
    standing = look(folder)
    acts = standing.left(back=False)
    clusters = _refuse_unready(standing, acts)
    _show(standing, acts, "steps to come" if not standing.turned_back else "steps to come, back to the source")
    if dry_run:
        return 0
    return _conduct(standing, clusters, acts, back=False)


def rollback(
    folder: Folder,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Roll back from stage 7 too, where records stay behind on the target.")
    ] = False,
) -> int:
    """Move consumers and producers back to the source from wherever the run stands, and delete the mirror.

    Exit code 0: everything is back, and clients and mirror were read back. 1: it stopped before, or what was read back
    contradicts it. 2: refused, nothing was changed. 3: back, but not all of it could be read back.
    """
    standing = look(folder)
    acts = standing.left(back=True)
    if standing.state.stage == NO_WAY_BACK and not force:
        raise UsageError(
            f"{folder}: stands at stage 7, task deleted: there is no way back without loss, as nothing was copied to "
            f"the source since; --force goes back all the same, --dry-run --force shows the cost"
        )
    clusters = _refuse_unready(standing, acts)
    lines = costs.cost(standing.state, _now(standing, clusters))
    typer.echo("\n  ".join(["going back to the source costs now:", *lines]))
    _show(standing, acts, "steps")
    if dry_run:
        return 0
    if acts and not yes:
        _ask(folder)
    return _conduct(standing, clusters, acts, back=True)


def _refuse_unready(standing: Standing, acts: list[Act]) -> tuple[Admin, Admin]:
    """Return source and target. Raises UsageError if anything that `acts` need is not there."""
    standing.refuse_asks(acts)
    config = standing.config
    pointer = standing.cutover_file
    source, target = config.clusters(pointer.document(pointer.generation))
    urls = [config.connect_url, *([config.reverse_connect_url] if config.reverse_connect_url else [])]
    try:
        refuse_unreachable({"source": source, "target": target}, urls, standing.entries)
    except UsageError as why:
        if not standing.is_rehearsal:
            raise
        raise UsageError(
            f"{standing.folder}: the brokers of this rehearsal are gone, as they end with it: rehearse again ({why})"
        ) from None
    standing.refuse_silence(time.time())
    return Admin(source), Admin(target)


def _now(standing: Standing, clusters: tuple[Admin, Admin]) -> costs.Now:
    source, target = clusters
    config, state = standing.config, standing.state
    try:
        topics = [t for t in source.partitions() if config.batch.mirrors(t)]
        ends = source.end_offsets(topics)
        unread = {group: costs.unread(source.committed(group, topics), ends) for group in config.groups}
        native = costs.native(standing.entries, target.end_offsets(topics)) if state.producers == "target" else 0
    except KafkaException as why:
        raise UsageError(f"the cost cannot be read: {why.args[0].str()}") from None
    return costs.Now(unread, native, costs.queued(read_statuses(config.statuses, config.route)))


def _show(standing: Standing, acts: list[Act], title: str) -> None:
    pointer, route, stage = standing.cutover_file, standing.route, standing.state.stage
    typer.echo(
        f"{standing.folder}: route {standing.config.route} at stage {stage}, {costs.STAGES[stage]}; cutover file at "
        f"generation {pointer.generation}: producers on {route.producers}, consumers on {route.consumers}"
    )
    steps = costs.steps(acts, standing.config.route, pointer.generation, (route.producers, route.consumers))
    typer.echo("\n  ".join([f"{title}:", *(map(str, steps) if steps else ["none"])]))


def _ask(folder: Path) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"{folder}: nobody is there to confirm the rollback: give --yes; nothing was changed")
    if not typer.confirm("Roll back?"):
        raise UsageError(f"{folder}: not confirmed; nothing was changed")


def _conduct(standing: Standing, clusters: tuple[Admin, Admin], acts: list[Act], *, back: bool) -> int:
    """Have `acts` done, read back what came of them, and return the exit code."""
    folder, config, entries = standing.folder, standing.config, standing.entries
    ended: Ended = "turned-back" if back or standing.turned_back else "walked"
    if acts or (entries[-1].kind != "end" and not back):
        runs.begin("rollback" if back else "resume", folder)
        refuse_running(folder, config)  # it may have been started while the question was open
        with Progress() as progress:
            watcher = progress.begin(config.route, 1, 1)
            conducted = Conducted(config, folder, watcher, _cannot, lambda: None, back=back, known=entries)
            try:
                why = conducted.run()
            except KeyboardInterrupt:
                stop_all()
                again = "rollback" if back else "resume"
                typer.echo(
                    f"{folder}: interrupted: {_where(config)}; kafka-cutover {again} {folder} continues", err=True
                )
                raise
        entries = inspect(config.journal, config.steps, config.groups)
        if conducted.refused and len(entries) == len(standing.entries):
            raise UsageError(f"{folder}: {why}; nothing was changed")
        if conducted.ended == "stopped":
            typer.echo(f"{folder}: stopped: {_where(config)}: {why}")
            return EXIT_STOPPED
        ended = conducted.ended
    state = reached(entries)
    found = read_back(config, state, {"source": clusters[0], "target": clusters[1]})
    typer.echo(f"{folder}: {_WORDS[ended]}: {_where(config)}")
    for label, lines in (("read back", found.proved), ("not so", found.wrong), ("not known", found.unknown)):
        for line in lines:
            typer.echo(f"  {label}: {line}")
    return exit_code(found, asked_back=back, ended=ended)


def exit_code(found: ReadBack, *, asked_back: bool, ended: Ended) -> int:
    """Return the exit code of a run that ended: 0 only for what was asked for and read back."""
    if found.wrong:
        return EXIT_STOPPED
    if found.unknown:
        return EXIT_UNPROVED
    return 0 if asked_back or ended == "walked" else EXIT_TURNED_BACK


def _where(config: ConductorConfig) -> str:
    """Return where the route stands, in words."""
    try:
        stage = reached(inspect(config.journal, config.steps, config.groups)).stage
        route = PointerFile.peek(config.cutover_file).routes[config.route]
    except (UsageError, KeyError) as why:
        return f"where it stands cannot be read ({why})"
    return f"stage {stage}, {costs.STAGES[stage]}; producers on {route.producers}, consumers on {route.consumers}"


def _cannot(act: Act, when: When) -> NoReturn:
    raise UsageError(f"the path asks for something {when} {act} that only its rehearsal can do")
