"""A disk that gets full in the middle of a run: one line that names the file, exit code 2, nothing written is lost."""

from __future__ import annotations

import collections
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cutover_harness.capture.format import CaptureError
from cutover_harness.capture.writer import CaptureWriter, record_batch
from cutover_harness.conductor.journal import Journal, JournalError
from cutover_harness.exit_codes import REFUSED
from cutover_harness.ledger.errors import LedgerError
from cutover_harness.ledger.format import ACKED, SENT
from cutover_harness.ledger.reader import read_ledger, seal_ledgers
from cutover_harness.ledger.writer import LedgerWriter
from cutover_harness.replay.config import ProducerConfig, ReplayOptions, Share
from cutover_scenarios import sample_capture

from tests.unit.conductor.run_folder import made
from tests.unit.reports.run_folders import SHAPES, write_run

SIZE = 1 << 20
PROGRAM = "-c", "from cutover_harness.cli import main; main()"
FULL = "No space left on device", "database or disk is full"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    command = [str(mount), "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)]
    if not mount or not umount or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run([umount, "-l", str(folder)], check=True)


def fill(disk: Path, *, leave: int = 0) -> None:
    """Fill the disk but for about `leave` bytes."""
    with (disk / "filler").open("wb", buffering=0) as filler:
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
        if free > leave:
            filler.write(b"x" * (free - leave))


def until_full(write: Callable[[int], object]) -> int:
    """Return how many writes there were until one raised; the disk holds less than a million."""
    done = 0

    def on() -> None:
        nonlocal done
        for done in range(1_000_000):
            write(done)

    with pytest.raises((LedgerError, JournalError, CaptureError)) as raised:
        on()
    assert any(words in str(raised.value) for words in FULL)
    assert "\n" not in str(raised.value)
    return done


def test_a_ledger(disk: Path) -> None:
    writer = LedgerWriter(disk / "p", instance="p", role="producer", group=None, run=1)
    count = until_full(lambda number: writer.acked("orders", 0, number, 7, number, 0))
    assert count > 1000
    with pytest.raises(LedgerError, match=f"ledger {disk}/p/journal.bin: cannot be written: {FULL[0]}: make room"):
        writer.acked("orders", 0, count, 7, count, 0)
    assert read_ledger(disk / "p").rows.count == count
    writer.close()
    assert read_ledger(disk / "p").rows.count == count


def name_many(writer: LedgerWriter) -> None:
    for number in range(10_000):
        writer.name_stream(number, "orders", b"key" * 10, 0)


def test_a_ledger_whose_names_do_not_fit(disk: Path) -> None:
    writer = LedgerWriter(disk / "p", instance="p", role="producer", group=None, run=1)
    fill(disk)
    with pytest.raises(LedgerError, match=f"ledger {disk}/p/names.jsonl: cannot be written: {FULL[0]}"):
        name_many(writer)


def test_a_ledger_that_cannot_be_sealed(disk: Path) -> None:
    writer = LedgerWriter(disk / "p", instance="p", role="producer", group=None, run=1)
    for number in range(5000):
        writer.acked("orders", 0, number, number * 2**50, number, 0)
    writer.close()
    fill(disk, leave=8192)
    with pytest.raises(LedgerError, match=f"ledger {disk}/p/events.parquet: cannot be written: .*{FULL[0]}"):
        seal_ledgers(disk)
    assert read_ledger(disk / "p").rows.count == 5000, "the journal still counts"
    (disk / "filler").unlink()
    assert seal_ledgers(disk) == 1
    assert read_ledger(disk / "p").rows.count == 5000


def test_no_room_for_a_new_ledger(disk: Path) -> None:
    fill(disk, leave=20_000)
    with pytest.raises(LedgerError, match=f"ledger {disk}/p/journal.bin: cannot be written: {FULL[0]}"):
        LedgerWriter(disk / "p", instance="p", role="producer", group=None, run=1)


def test_a_journal(disk: Path) -> None:
    journal = Journal(disk / "journal.sqlite")
    count = until_full(lambda number: journal.write("note", 0, f"note {number}", text="x" * 500))
    assert count > 100
    with pytest.raises(JournalError, match=f"{disk}/journal.sqlite: the journal cannot be used"):
        journal.write("note", 0, "x" * 5000)
    assert [entry.name for entry in journal.read()] == [f"note {number}" for number in range(count)]
    journal.close()
    (disk / "filler").unlink(missing_ok=True)


def test_a_capture(disk: Path) -> None:
    n = 50
    batch = record_batch(["orders"] * n, [0] * n, [0] * n, [1] * n, [0] * n, [b"k"] * n, [b"v"] * n, [None] * n)
    with CaptureWriter(disk / "c.parquet") as writer:

        def write(_: int) -> None:
            writer.write(batch)
            writer.checkpoint()

        assert until_full(write) > 10
    assert not (disk / "c.parquet").exists()


def ended(*command: str | Path) -> str:
    """Run a command that has to be refused; return its one line."""
    done = subprocess.run(
        [sys.executable, "-P", *map(str, command)], capture_output=True, text=True, timeout=120, check=False
    )
    text = (done.stdout + done.stderr).strip()
    assert done.returncode == REFUSED, text
    assert "Traceback" not in text
    assert any(words in text for words in FULL), text
    return text


def test_an_app_process(disk: Path, tmp_path: Path) -> None:
    """Its own cluster acknowledges (librdkafka's mock), until its ledger does not fit any more."""
    config = ProducerConfig(
        instance="p",
        run=1,
        ledger=disk / "p",
        client={"bootstrap.servers": "127.0.0.1:1", "test.mock.num.brokers": 1},
        use_shim=False,
        cluster="source",
        replay=ReplayOptions(capture=sample_capture(), speed=None, loop=True),
        share=Share(index=0, of=1),
    )
    config.save(tmp_path / "p.json")
    text = ended("-m", "cutover_harness.replay.producer", tmp_path / "p.json")
    assert text.splitlines()[-1].startswith(f"ledger {disk}/p/journal.bin: cannot be written: ")
    found = read_ledger(disk / "p").rows
    assert found.count > 1000, "what was written until then counts"
    events = collections.Counter(found.everything().event.tolist())
    assert 0 < events[ACKED] <= events[SENT], "nothing is acknowledged that was not sent"


def test_a_conductor(disk: Path) -> None:
    config = made(disk / "run")
    fill(disk)
    text = ended("-m", "cutover_harness.conductor.process", disk / "run" / "conductor.json")
    assert len(text.splitlines()) == 1
    assert str(config.journal.parent) in text


def test_a_report(disk: Path) -> None:
    run = write_run(disk / "run", SHAPES[:1])
    fill(disk)
    text = ended(*PROGRAM, "report", run)
    assert len(text.splitlines()) == 1
    assert f"{run}/report." in text


def test_a_judgement(disk: Path) -> None:
    writer = LedgerWriter(disk / "run" / "ledger" / "p", instance="p", role="producer", group=None, run=1)
    for number in range(1000):
        writer.sent("orders", 0, 7, number, 0)
        writer.acked("orders", 0, number, 7, number, 0)
    writer.close()
    fill(disk)
    done = subprocess.run(
        [sys.executable, *PROGRAM, "judge", disk / "run"], capture_output=True, text=True, check=False
    )
    assert done.returncode in {2, 3}, done.stderr  # a judge needs no room of its own on that disk
    assert "Traceback" not in done.stdout + done.stderr


def test_the_folder_of_a_rehearsal(disk: Path) -> None:
    fill(disk)
    text = ended(*PROGRAM, "rehearse", "stop-first", "--out", disk / "out")
    assert len(text.splitlines()) == 1
    assert f"{disk}/out" in text
