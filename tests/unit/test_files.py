"""A file that is replaced is replaced wholly or not at all, and has the mode that was asked for."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_harness.files import PRIVATE, write_atomic


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_new_file_and_replaced_file(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    write_atomic(file, "première\n")
    assert file.read_bytes() == "première\n".encode()
    write_atomic(file, "second\n")
    assert file.read_text(encoding="utf-8") == "second\n"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("mode", "expected"), [(None, 0o640), (PRIVATE, 0o600), (0o644, 0o644)])
def test_mode_is_the_one_given_or_what_the_umask_allows(
    tmp_path: Path, umask: None, mode: int | None, expected: int
) -> None:
    file = tmp_path / "facts.json"
    write_atomic(file, "text", mode=mode)
    assert stat.S_IMODE(file.stat().st_mode) == expected


def test_mode_of_the_replaced_file_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.touch(0o666)
    write_atomic(file, "secret", mode=PRIVATE)
    assert stat.S_IMODE(file.stat().st_mode) == PRIVATE


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_failure_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    file = tmp_path / "facts.json"
    file.write_text("old", encoding="utf-8")
    monkeypatch.setattr(os if call == "fsync" else Path, call, full)
    with pytest.raises(OSError, match=f"No space left on device: '{file}'$"):
        write_atomic(file, "new", durable=True)
    assert [(each.name, each.read_text(encoding="utf-8")) for each in tmp_path.iterdir()] == [("facts.json", "old")]


def test_only_a_durable_write_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    write_atomic(tmp_path / "a", "text")
    assert not synced
    write_atomic(tmp_path / "a", "text", durable=True)
    assert len(synced) == 1


def test_characters_that_utf8_cannot_encode(tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    with pytest.raises(UnicodeEncodeError):
        write_atomic(file, "\ud800")
    assert list(tmp_path.iterdir()) == []
    write_atomic(file, "a\ud800b", errors="replace")
    assert file.read_text(encoding="utf-8") == "a?b"


def test_link_is_replaced_and_its_file_is_not_touched(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("data", encoding="utf-8")
    link = tmp_path / "facts.json"
    link.symlink_to(precious)
    write_atomic(link, "new")
    assert precious.read_text(encoding="utf-8") == "data"
    assert not link.is_symlink()


def test_reader_never_finds_half_a_file(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    texts = {letter * 300_000 for letter in "ab"}
    write_atomic(file, "a" * 300_000)
    ended = threading.Event()

    def write() -> None:
        for _ in range(20):
            for text in texts:
                write_atomic(file, text)
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    found = set()
    while not ended.is_set():
        found.add(file.read_text(encoding="utf-8"))
    writer.join()
    assert found <= texts
