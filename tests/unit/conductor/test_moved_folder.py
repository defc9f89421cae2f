"""A run's folder that is moved or copied uses its own files, and a copy does not touch files of the original."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.owner import Owner, claim, record_of, refuse_other, this_run
from cutover_harness.conductor.standing import look
from cutover_harness.errors import UsageError
from cutover_harness.procedure.names import StepName

from tests.unit.conductor.run_folder import contents, made

PATHS = ("cutover_file", "statuses", "journal")


@pytest.mark.parametrize("batch", [False, True])
def test_a_run_is_written_without_the_path_of_its_folder(tmp_path: Path, batch: bool) -> None:
    run = tmp_path / "run"
    config = made(run)
    folder = run / "batches" / "weather" if batch else run
    config = config.model_copy(update={"journal": folder / "journal.sqlite"})
    config.save(folder / "conductor.json", run=run)
    text = (folder / "conductor.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert ConductorConfig.load(folder / "conductor.json") == config


def test_the_key_of_a_run_moves_with_its_folder_and_others_stay(tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = made(run).model_copy(update={"key": f"${{file:{run / 'cutover.key'}}}, ${{file:/etc/key}} ${{KEY}}"})
    config.save(run / "conductor.json", run=run)
    assert str(tmp_path) not in (run / "conductor.json").read_text(encoding="utf-8")
    assert ConductorConfig.load(run / "conductor.json") == config
    shutil.move(run, tmp_path / "there")
    found = ConductorConfig.load(tmp_path / "there" / "conductor.json")
    assert found.key == f"${{file:{tmp_path / 'there' / 'cutover.key'}}}, ${{file:/etc/key}} ${{KEY}}"


@pytest.mark.filterwarnings("error")
def test_the_names_of_steps_stay_names_of_steps(tmp_path: Path) -> None:
    made(tmp_path / "run")
    steps = ConductorConfig.load(tmp_path / "run" / "conductor.json").steps
    assert {type(step.step) for step in steps} == {StepName}


@pytest.mark.parametrize("how", ["moved", "copied"])
@pytest.mark.parametrize("written", ["now", "with absolute paths"])
def test_a_moved_folder_uses_its_own_files(tmp_path: Path, how: str, written: str) -> None:
    config = made(tmp_path / "run")
    if written != "now":
        config.save(tmp_path / "run" / "conductor.json")  # as versions before wrote it
    if how == "moved":
        shutil.move(tmp_path / "run", tmp_path / "there")
    else:
        shutil.copytree(tmp_path / "run", tmp_path / "there")
    found = look(tmp_path / "there").config
    assert all(getattr(found, name).parent == tmp_path / "there" for name in PATHS)


def test_the_batches_of_a_run_with_absolute_paths_follow_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = made(run)
    config = config.model_copy(update={"journal": run / "batches" / "b" / "journal.sqlite"})
    config.save(run / "batches" / "b" / "conductor.json")
    shutil.move(run, tmp_path / "there")
    found = ConductorConfig.load(tmp_path / "there" / "batches" / "b" / "conductor.json")
    assert found.journal == tmp_path / "there" / "batches" / "b" / "journal.sqlite"
    assert found.cutover_file == tmp_path / "there" / "cutover.toml"
    assert found.statuses == tmp_path / "there" / "status"


def test_a_run_of_an_earlier_version_is_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has old fields, absolute paths, steps that are called acts, and entries that are not written any more."""
    config = made(tmp_path / "run")
    old = json.loads(config.model_dump_json()) | {"lag_at": ["producers-to-target"]}
    for name in ("preconditions", "traffic_within_s", "connect_logs"):
        old.pop(name)
    old["steps"] = [{"act" if key == "step" else key: value for key, value in step.items()} for step in old["steps"]]
    (tmp_path / "run" / "conductor.json").write_text(json.dumps(old), encoding="utf-8")
    journal = Journal(config.journal)
    journal.write("lag", 2, "stop-consumers", records=7)
    journal.close()
    assert look(tmp_path / "run").config == config
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", ""), "nothing is wrong with it"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A run whose cutover file lies outside of its folder, as on real clusters."""
    run = tmp_path / "run"
    config = made(run)
    (tmp_path / "etc").mkdir()
    (run / "cutover.toml").rename(tmp_path / "etc" / "cutover.toml")
    config = config.model_copy(update={"cutover_file": tmp_path / "etc" / "cutover.toml"})
    config.save(run / "conductor.json", run=run)
    claim(config.cutover_file, "r", this_run(run, Journal(config.journal).read()[0].time_ns))
    return run


def test_a_cutover_file_that_lies_elsewhere_stays_reachable(outside: Path, tmp_path: Path) -> None:
    assert look(outside).config.cutover_file == tmp_path / "etc" / "cutover.toml"
    shutil.move(outside, tmp_path / "there")
    assert look(tmp_path / "there").config.cutover_file == tmp_path / "etc" / "cutover.toml"


def test_a_copy_does_not_use_the_originals_cutover_file(outside: Path, tmp_path: Path) -> None:
    shutil.copytree(outside, tmp_path / "copy")
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=r"copy: is a copy of .*/run, which conducts route r of .*cutover.toml"):
        look(tmp_path / "copy")
    assert contents(tmp_path) == before
    look(outside)
    shutil.rmtree(outside)
    look(tmp_path / "copy")


def test_another_run_of_the_same_route_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    file = tmp_path / "cutover.toml"
    (tmp_path / "first").mkdir()
    claim(file, "r", this_run(tmp_path / "first", 1))
    second = this_run(tmp_path / "second", 2)
    with pytest.raises(UsageError, match=r"conducted by the run in .*first, which has not ended"):
        refuse_other(file, "r", second, lambda _: False)
    refuse_other(file, "r", second, lambda _: True)
    refuse_other(file, "another route", second, lambda _: False)


def test_a_run_on_another_machine_is_named(tmp_path: Path) -> None:
    file = tmp_path / "cutover.toml"
    claim(file, "r", Owner("/runs/first", "db7", 1))
    with pytest.raises(UsageError, match=r"conducted from /runs/first on db7: resume it there, or delete .*\.runs"):
        refuse_other(file, "r", Owner("/runs/first", socket.gethostname(), 1), lambda _: True)


def test_a_damaged_record_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "cutover.toml"
    for text in ("", "[]", "[" * 100_000, '{"r": 1}', '{"r": {"folder": 1}}'):
        record_of(file).write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match="cannot be read: delete it"):
            refuse_other(file, "r", Owner("x", "y", 1), lambda _: True)
