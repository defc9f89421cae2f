"""The cutover file as its writer sees it: what others do to it between two writes is made good."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from cutover_harness.channels.base import OvertakenError
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.owner import Owner, claim, record_of
from cutover_harness.errors import UsageError
from cutover_harness.locks import FileLock, HeldError

CLUSTERS = {"source": {"bootstrap.servers": "a:1"}, "target": {"bootstrap.servers": "b:1"}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A cutover file at generation 2, consumers held."""
    pointer = CutoverFileWriter(tmp_path / "cutover.toml", CLUSTERS, {"r": RouteLocations(["t"], ["g"])})
    pointer.write()
    (tmp_path / "first").write_bytes(pointer.path.read_bytes())
    pointer.point("r", consumers="hold")
    return pointer.path


@pytest.mark.parametrize("harm", ["torn", "empty", "deleted", "rewound"])
def test_a_file_that_was_broken_is_made_good_when_its_writer_starts_again(file: Path, harm: str) -> None:
    good = file.read_bytes()
    if harm == "deleted":
        file.unlink()
    else:
        first = file.with_name("first").read_bytes()
        file.write_bytes({"torn": good[:-9], "empty": b"", "rewound": first}[harm])
    pointer = CutoverFileWriter.open(file)
    assert (pointer.generation, pointer.routes["r"].consumers) == (2, "hold")
    assert file.read_bytes() == good
    assert pointer.point("r", consumers="target") == 3


def test_a_file_that_another_writer_wrote_on_purpose_counts(file: Path) -> None:
    file.write_text(file.read_text(encoding="utf-8").replace("generation = 2", "generation = 7"), encoding="utf-8")
    pointer = CutoverFileWriter.open(file)
    assert pointer.generation == 7
    assert pointer.point("r", consumers="target") == 8


def test_without_a_copy_the_error_contains_a_remedy(file: Path) -> None:
    file.with_name(".cutover.toml.last").unlink()
    file.write_text("generation =", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cutover.toml: .* no copy of it: put the last one back"):
        CutoverFileWriter.open(file)


def test_the_copy_is_as_private_as_the_file(file: Path) -> None:
    assert file.with_name(".cutover.toml.last").stat().st_mode & 0o777 == 0o600


def test_a_writer_that_was_overtaken_writes_nothing(file: Path) -> None:
    """A rollback that succeeded next to a conductor is not overwritten by it with an older generation."""
    conductor, rollback = CutoverFileWriter.open(file), CutoverFileWriter.open(file)
    rollback.point("r", consumers="source")
    rollback.point("r", producers="hold")
    now = file.read_bytes()
    with pytest.raises(OvertakenError, match=r"generation 4 is there, and this writer's last one is 2: another writer"):
        conductor.point("r", consumers="target")
    assert file.read_bytes() == now
    assert conductor.routes["r"].consumers == "hold", "asked again it tries again, and does not take it for done"
    with pytest.raises(OvertakenError):
        conductor.point("r", consumers="target")


def test_two_writers_of_one_generation_do_not_both_win(file: Path) -> None:
    first, second = CutoverFileWriter.open(file), CutoverFileWriter.open(file)
    first.point("r", consumers="source")
    with pytest.raises(OvertakenError, match="generation 3 is there, and this writer's last one is 2"):
        second.point("r", consumers="target")


def test_the_same_generation_with_other_content_is_another_writers(file: Path) -> None:
    pointer = CutoverFileWriter.open(file)
    file.write_text(file.read_text(encoding="utf-8").replace('consumers = "hold"', 'consumers = "target"'))
    with pytest.raises(OvertakenError, match="generation 2 is there with other content than this writer's"):
        pointer.point("r", producers="hold")


def test_a_new_writer_does_not_take_over_a_file_that_is_there(file: Path) -> None:
    with pytest.raises(OvertakenError, match="generation 2 is there, and this writer's last one is 0"):
        CutoverFileWriter(file, CLUSTERS, {"r": RouteLocations(["t"], ["g"])}).write()


@pytest.mark.parametrize("harm", ["torn", "empty", "deleted", "rewound"])
def test_a_file_that_was_broken_under_its_writer_is_replaced_by_the_next_generation(file: Path, harm: str) -> None:
    pointer, good = CutoverFileWriter.open(file), file.read_bytes()
    if harm == "deleted":
        file.unlink()
    else:
        file.write_bytes({"torn": good[:-9], "empty": b"", "rewound": file.with_name("first").read_bytes()}[harm])
    assert pointer.point("r", consumers="target") == 3
    assert CutoverFileWriter.open(file).generation == 3


def test_a_newer_file_that_was_broken_since_still_stops_an_older_writer(file: Path) -> None:
    older, newer = CutoverFileWriter.open(file), CutoverFileWriter.open(file)
    newer.point("r", consumers="source")
    file.write_bytes(b"generation")
    with pytest.raises(OvertakenError, match="generation 3 is there"):
        older.point("r", consumers="target")


def test_a_newer_file_that_cannot_be_resolved_here_is_not_replaced_by_the_copy(file: Path) -> None:
    text = file.read_text(encoding="utf-8").replace("generation = 2", "generation = 5").replace("a:1", "${NOT_SET_1}")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="the environment variable 'NOT_SET_1' is not set"):
        CutoverFileWriter.open(file)
    assert file.read_text(encoding="utf-8") == text


def test_looking_changes_nothing(file: Path) -> None:
    file.write_bytes(b"")
    before = sorted(path.name for path in file.parent.iterdir())
    assert CutoverFileWriter.peek(file).generation == 2
    assert (file.read_bytes(), sorted(path.name for path in file.parent.iterdir())) == (b"", before)


def test_a_writer_waits_for_another_one_and_names_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pointer = CutoverFileWriter.open(file)
    monkeypatch.setattr("cutover_harness.channels.file.LOCK_WAIT_S", 0.05)
    with (
        FileLock(file.with_name(".cutover.toml.lock")),
        pytest.raises(HeldError, match=f"held by process {os.getpid()}"),
    ):
        pointer.point("r", consumers="target")
    assert pointer.point("r", consumers="target") == 3


def test_a_folder_that_cannot_be_written_is_one_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pointer = CutoverFileWriter.open(file)

    def full(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"cutover.toml: cannot be written: No space left on device"):
        pointer.point("r", consumers="target")
    assert pointer.routes["r"].consumers == "hold"


def test_pipes_are_not_waited_for(file: Path) -> None:
    copy, generation = file.with_name(f".{file.name}.last"), CutoverFileWriter.peek(file).generation
    file.unlink()
    os.mkfifo(file)
    assert CutoverFileWriter.peek(file).generation == generation  # from the copy
    copy.unlink()
    os.mkfifo(copy)
    with pytest.raises(UsageError, match="is no regular file, and there is no copy of it"):
        CutoverFileWriter.peek(file)


def test_a_pipe_instead_of_the_record_of_owners_is_not_waited_for(file: Path) -> None:
    os.mkfifo(record_of(file))
    with pytest.raises(UsageError, match=r"\.runs: cannot be read: delete it"):
        claim(file, "r", Owner("/run", "host", 1))
