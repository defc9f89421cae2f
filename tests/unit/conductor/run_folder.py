"""A run's folder as a conductor leaves it, made without brokers: its addresses do not answer."""

from __future__ import annotations

import hashlib
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cutover_harness.cli.app import run
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.plan.scenario import Gates, PathStep
from cutover_harness.procedure.names import StepName

from tests.unit.conductor.world import FORWARD, World, new_conductor, steps


def made(folder: Path, done: int = 3, path: tuple[StepName, ...] = FORWARD) -> ConductorConfig:
    """Make a run whose first `done` steps are done; the conductor was killed then."""
    folder.mkdir(exist_ok=True)
    conductor = new_conductor(folder, World(), steps(*path[:done]))
    assert conductor.run()
    conductor.journal.close()
    config = ConductorConfig(
        route="r",
        topics=["t"],
        groups=["g"],
        clients={"p": "producer", "c": "consumer"},
        steps=[PathStep(step=step) for step in path],
        gates=Gates(deadline_s=1),
        connect_url="http://127.0.0.1:1",
        cutover_file=folder / "cutover.toml",
        statuses=folder / "status",
        journal=folder / "journal.sqlite",
    )
    config.save(folder / "conductor.json", run=folder)
    return config


def contents(folder: Path) -> dict[str, str]:
    """Return the checksums of a folder's files, to check that nothing was changed."""
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
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    try:
        yield call
    finally:
        signal.signal(signal.SIGTERM, before)


def refused(cli: Cli, folder: Path, message: str) -> None:
    """Check that both commands refuse the run with `message`, in one line, and change nothing."""
    before = contents(folder)
    for command in (("resume", str(folder)), ("rollback", str(folder), "--yes", "--force")):
        code, out, err = cli(*command)
        assert code == 2, (command, out, err)
        assert out == ""
        assert len(err.strip().splitlines()) == 1, err
        assert "Traceback" not in err
        assert message in err, err
    assert contents(folder) == before
