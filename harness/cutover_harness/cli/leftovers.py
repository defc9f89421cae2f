"""Leftovers of runs whose tool was killed: processes, run folders, connectors.

Ports are never among them: the system releases their locks when the process ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from cutover_harness import processes, reaper, runs
from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.conductor.inspection import inspect
from cutover_harness.errors import UsageError
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.procedure import denials
from cutover_harness.words import sized

_GRACE_S = 5.0
_LOOK_S = 2.0


@dataclass(frozen=True)
class Leftover:
    """One leftover, and how to remove it; `removed` if that was done."""

    what: str
    remedy: str
    removed: bool = False

    def __str__(self) -> str:
        return f"removed {self.what}" if self.removed else f"{self.what}: {self.remedy}"


def leftovers(*, clean: bool) -> Iterator[Leftover]:
    """Yield all leftovers; with `clean` remove those that are no evidence."""
    yield from abandoned_processes(clean=clean)
    yield from interrupted_runs(clean=clean)


def abandoned_processes(*, clean: bool) -> Iterator[Leftover]:
    """Yield processes whose tool is gone and whose reaper was killed as well."""
    found = {process: _words(process) for process in _abandoned()}
    if clean:
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        for process in psutil.wait_procs(list(found), timeout=_GRACE_S)[1]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(list(found), timeout=_GRACE_S)
    for process, words in found.items():
        gone = clean and not reaper.alive(process)
        yield Leftover(f"process {process.pid} ({words})", f"kill {process.pid}", removed=gone)


def _words(process: psutil.Process) -> str:
    """Return a short description of a process: its program and its last argument."""
    try:
        line = process.cmdline()
    except psutil.Error:
        return "unknown"
    return " … ".join(dict.fromkeys((Path(line[0]).name, line[-1]))) if line else process.name()


def _abandoned() -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            owner = process.environ().get(processes.OWNER)
        except psutil.Error:  # of another user, or gone
            continue
        if owner is None or not reaper.alive(process):
            continue
        pid, _, started = owner.partition(":")
        try:
            gone = reaper.identify(int(pid), float(started)) is None
        except ValueError:
            continue
        if gone:
            yield process


def interrupted_runs(*, clean: bool) -> Iterator[Leftover]:
    """Yield folders of runs whose tool was killed, and the connectors that they left on a Connect that still runs."""
    for run in runs.interrupted():
        if run.folder.is_dir():
            yield from _of_folder(run)
        if clean:
            run.record.unlink(missing_ok=True)


def _of_folder(run: runs.Interrupted) -> Iterator[Leftover]:
    configs = list(_configs(run.folder))
    connectors = [words for config in configs if not config.prefix for words in _connectors(config)]
    foreign = any(config.prefix for config in configs)
    data = [path for path in (*run.folder.glob("testbed"), *run.folder.glob("*/testbed")) if path.is_dir()]
    remedy = (
        f"{run.again or f'kafka-cutover resume {run.folder}'} continues"
        if run.what != "rehearse"
        else ("rehearse again" if foreign else "its brokers are gone: rehearse again")
    )
    if data and not foreign:
        size = sum(file.stat().st_size for path in data for file in path.rglob("*") if file.is_file())
        remedy += f"; its brokers' data ({sized(size)}) can be deleted: rm -r {' '.join(map(str, data))}"
    yield Leftover(f"run folder {run.folder}: {run.what} (process {run.pid}) was killed", remedy)
    for config in configs:
        if fence := _fence(config):
            yield Leftover(
                f"fence of {config.route} on the source ({denials.words(fence)})",
                f"{run.again or f'kafka-cutover resume {run.folder}'} continues, kafka-cutover rollback removes it",
            )
    for words in connectors:
        yield Leftover(words, f"kafka-cutover rollback {run.folder} deletes it, once the route is back")
    if foreign:
        yield Leftover(
            f"topics and groups of {run.folder} on existing clusters",
            "kafka-cutover doctor --testbed FILE lists them, and removes them with --clean",
        )


def _configs(folder: Path) -> Iterator[ConductorConfig]:
    for pattern in (CONFIG, f"*/{CONFIG}", f"*/batches/*/{CONFIG}", f"batches/*/{CONFIG}"):
        for file in sorted(folder.glob(pattern)):
            try:
                yield ConductorConfig.load(file)
            except UsageError:  # half written
                continue


def _fence(config: ConductorConfig) -> list[denials.Denial]:
    """Return the denials that the run has made and not removed, as its journal has them."""
    try:
        return denials.standing(inspect(config.journal, config.steps, config.groups))
    except UsageError:  # no journal yet, or a damaged one
        return []


def _connectors(config: ConductorConfig) -> Iterator[str]:
    for url in dict.fromkeys(filter(None, (config.connect_url, config.reverse_connect_url))):
        connect = Connect(url, patience_s=0, timeout_s=_LOOK_S, access=config.access)
        try:
            for name in (*config.batch.connectors, config.batch.reverse.source_connector):
                if (status := connect.status(name)) is not None:
                    yield f"connector {name} on {url}, {status.connector}"
        except UsageError:  # it does not answer: a rehearsal's is gone
            continue
        finally:
            connect.close()
