"""Parts of sentences: numbers of things, and of bytes."""

from __future__ import annotations

import re
from pathlib import Path

import cutover_harness
import cutover_reports
import pytest
from cutover_harness.capture.command import _summary
from cutover_harness.capture.recorder import Recorded
from cutover_harness.words import counted, sized


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345, "12.3 kB"),
        (99_960, "100 kB"),
        (999_960, "1.0 MB"),
        (3_000_000, "3.0 MB"),
        (1 << 30, "1.1 GB"),
        (12.5, "12 B"),
        (2_000_000_000_000_000, "2,000.0 TB"),
    ],
)
def test_sizes(count: float, words: str) -> None:
    assert sized(count) == words


def test_one_thing_and_several() -> None:
    assert [counted(n, "topic") for n in (0, 1, 2, 1000)] == ["0 topics", "1 topic", "2 topics", "1,000 topics"]
    assert [counted(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]


def test_a_small_capture_has_a_size(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(bytes(1234))
    text = _summary(Recorded(tmp_path / "a.parquet", 1, 56, 0.1, interrupted=False, notes={}))
    assert "1 record, 56 B of keys and values, 1.2 kB on disk" in text


def test_every_size_is_written_by_one_function() -> None:
    """No module divides a number of bytes itself: small ones would be 0.0 MB."""
    own = re.compile(r"\{[^{}]*(/ *1e6|/ *1e9|/ *\(1 << [123]0\))[^{}]*\} *[MGk]i?B")
    assert own.search('f"{size / 1e6:,.1f} MB"')
    roots = [Path(str(each.__file__)).parent for each in (cutover_harness, cutover_reports)]
    files = [file for root in roots for file in root.rglob("*.py")]
    assert len(files) > 100
    assert [str(file) for file in files if own.search(file.read_text(encoding="utf-8"))] == []
