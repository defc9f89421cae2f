"""A run's folder as a conductor leaves it, made without brokers; what listens at its addresses is nothing."""

from __future__ import annotations

import hashlib
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cutover_harness.cli.app import run
from cutover_harness.conductor.process import ConductorConfig
from cutover_harness.plan.path import Act
from cutover_harness.plan.scenario import Gates, Step

from tests.unit.conductor.test_conductor import FORWARD, World, conductor, steps


def made(folder: Path, done: int = 3, path: tuple[Act, ...] = FORWARD) -> ConductorConfig:
    """Make a run whose first `done` acts are done; the conductor was killed then."""
    folder.mkdir(exist_ok=True)
    walker = conductor(folder, World(), steps(*path[:done]))
    assert walker.walk()
    walker.journal.close()
    config = ConductorConfig(
        route="r",
        topics=["t"],
        groups=["g"],
        clients={"p": "producer", "c": "consumer"},
        steps=[Step(act=act) for act in path],
        gates=Gates(deadline_s=1),
        connect_url="http://127.0.0.1:1",
        cutover_file=folder / "cutover.toml",
        statuses=folder / "status",
        journal=folder / "journal.sqlite",
    )
    config.save(folder / "conductor.json", run=folder)
    return config


def contents(folder: Path) -> dict[str, str]:
    """Return what a folder holds, to see that nothing was changed."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "other"
        for path in sorted(folder.rglob("*"))
    }


Cli = Callable[..., tuple[int, str, str]]


@contextmanager
def command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """The command line within this process: a call returns exit code, standard output and standard error."""
    before = signal.getsignal(signal.SIGTERM)

    def call(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kafka-cutover", *args])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    try:
        yield call
    finally:
        signal.signal(signal.SIGTERM, before)
