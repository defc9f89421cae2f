"""`resume` and `rollback` refuse a finished run, and a run whose clients are gone."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cutover_harness.conductor.standing import look
from cutover_harness.errors import UsageError
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.restarted import RestartedClient

from tests.unit.conductor.run_folder import Cli, contents, made, refused
from tests.unit.conductor.world import FORWARD, World, new_conductor


def finished(folder: Path, done: int, path: tuple[StepName, ...] = FORWARD) -> None:
    """Make a run whose path of `done` steps has ended."""
    config = made(folder, done, path)
    config.model_copy(update={"steps": config.steps[:done]}).save(folder / "conductor.json", run=folder)


def one_line(cli: Cli, folder: Path, *command: str) -> str:
    before = contents(folder)
    code, out, err = cli(*command)
    assert (code, out) == (2, ""), err
    assert contents(folder) == before
    return err.strip()


def test_a_completed_run_is_not_resumed(tmp_path: Path, cli: Cli) -> None:
    finished(tmp_path / "run", len(FORWARD))
    assert one_line(cli, tmp_path / "run", "resume", str(tmp_path / "run")) == (
        f"kafka-cutover: {tmp_path}/run: the run is finished (completed): stage 7, task deleted; producers on target, "
        "consumers on target: nothing is left to resume"
    )


def test_a_completed_run_can_be_rolled_back(tmp_path: Path, cli: Cli) -> None:
    """It is refused later, because its clusters do not answer."""
    finished(tmp_path / "run", 6)
    assert "the run is finished" in one_line(cli, tmp_path / "run", "resume", str(tmp_path / "run"))
    assert "source a:1: does not answer" in one_line(cli, tmp_path / "run", "rollback", str(tmp_path / "run"), "--yes")


@pytest.mark.parametrize("decided_by", ["rollback", "a missed gate"])
def test_a_run_that_turned_back_is_neither_resumed_nor_rolled_back(tmp_path: Path, cli: Cli, decided_by: str) -> None:
    folder = tmp_path / "run"
    config = made(folder)
    if decided_by == "rollback":
        conductor = new_conductor(folder, World(), config.steps)
        conductor.turn_back()
    else:
        conductor = new_conductor(folder, World(synchronised=False, is_broken="x"), config.steps, on_missed="rollback")
    assert not conductor.run()
    conductor.journal.close()
    for command, to in ((("resume", str(folder)), "resume"), (("rollback", str(folder), "--yes"), "roll back")):
        assert one_line(cli, folder, *command) == (
            f"kafka-cutover: {folder}: the run is finished (back on the source): stage 0, nothing is moved; producers "
            f"on source, consumers on source: nothing is left to {to}"
        )


def test_a_run_that_stopped_at_a_missed_gate_is_not_finished(tmp_path: Path, cli: Cli) -> None:
    """It is refused later, because its clusters do not answer."""
    folder = tmp_path / "run"
    config = made(folder)
    conductor = new_conductor(folder, World(is_broken="x"), config.steps)
    assert not conductor.run()
    conductor.journal.close()
    refused(cli, folder, "source a:1: does not answer")


def look_for_clients(folder: Path, within_s: float) -> None:
    look(folder).refuse_silence(within_s=within_s)


def test_a_client_that_renews_its_status_counts_however_wrong_its_clock_is(folder: Path) -> None:
    file = folder / "status" / "p.json"
    status = json.loads(file.read_text(encoding="utf-8"))
    ended = threading.Event()

    def renew() -> None:
        number = 0
        while not ended.wait(0.05):
            number += 1
            new = file.with_name(".p")
            new.write_text(json.dumps(status | {"updated": time.time() - 600 + number}), encoding="utf-8")
            new.replace(file)

    client = threading.Thread(target=renew)
    client.start()
    try:
        look_for_clients(folder, 60)
    finally:
        ended.set()
        client.join()


def test_clients_that_do_not_renew_their_statuses_are_refused(folder: Path) -> None:
    for name in ("p", "c"):
        file = folder / "status" / f"{name}.json"
        status = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps(status | {"updated": time.time()}), encoding="utf-8")
    with pytest.raises(UsageError, match=r"no client has renewed its status for 0 s: start the applications"):
        look_for_clients(folder, 0.3)
    for file in (folder / "status").glob("*.json"):
        file.unlink()
    with pytest.raises(UsageError, match=r"no client has renewed its status at all"):
        look_for_clients(folder, 0.3)


def test_a_run_whose_clients_are_all_restarted_needs_no_status(folder: Path) -> None:
    for file in (folder / "status").glob("*.json"):
        file.unlink()
    standing = look(folder)
    billing = RestartedClient("billing", "consumer", instances=1, within_s=60.0, hooked=False)
    only_restarted = standing.config.model_copy(update={"clients": {}, "restarts": [billing]})
    replace(standing, config=only_restarted).refuse_silence(within_s=0)
    both = standing.config.model_copy(update={"clients": {"p": "producer"}, "restarts": [billing]})
    with pytest.raises(UsageError, match=r"no client has renewed its status at all"):
        replace(standing, config=both).refuse_silence(within_s=0)
