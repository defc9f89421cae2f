"""Files with production data are for their owner alone, also where the user's umask would let others read them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_harness import processes
from cutover_harness.capture.writer import CaptureWriter
from cutover_harness.errors import UsageError
from cutover_harness.ledger.writer import LedgerWriter
from cutover_harness.privacy import private_files
from cutover_harness.testbed.ports import Ports

from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def open_to_all() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def readable_by_others(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if not path.is_symlink() and path.is_file() and path.stat().st_mode & 0o077
    ]


def test_ledgers_and_captures(tmp_path: Path) -> None:
    ledger = LedgerWriter(tmp_path / "ledger", instance="p", role="producer", group=None, run=1)
    ledger.sent("t", 0, 1, 0, 0)
    ledger.close()
    writer = CaptureWriter(tmp_path / "c.parquet")
    assert len(list(tmp_path.rglob("*"))) > 2
    assert readable_by_others(tmp_path) == []
    del writer


def test_files_of_child_processes(tmp_path: Path) -> None:
    child = processes.spawn(
        [sys.executable, "-c", "open('made', 'w')"], cwd=tmp_path, stdout=tmp_path / "elsewhere" / "log"
    )
    wait_until(lambda: child.returncode is not None)
    assert (tmp_path / "made").exists()
    assert readable_by_others(tmp_path) == [tmp_path / "elsewhere" / "log"]  # it is the tool's, whose umask is its own


def test_a_block_of_private_files(tmp_path: Path) -> None:
    with private_files():
        (tmp_path / "inside").touch()
    (tmp_path / "after").touch()
    assert readable_by_others(tmp_path) == [tmp_path / "after"]


def test_a_ports_lock_follows_no_link_and_truncates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ports = Ports()
    port = ports.take()
    folder = tmp_path / "cache" / "kafka-cutover" / "ports"
    assert [f.name for f in folder.iterdir()] == [str(port)]
    ports.release()
    precious = tmp_path / "precious"
    precious.write_text("data")
    lock = folder / str(port)
    lock.unlink()
    lock.symlink_to(precious)
    with pytest.raises(UsageError, match="cannot be reserved"):
        Ports().take(port)
    assert precious.read_text() == "data"
    assert not readable_by_others(folder)
