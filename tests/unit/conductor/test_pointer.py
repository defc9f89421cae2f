"""The cutover file as its writer sees it: what others do to it between two writes is made good."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.conductor.pointer import PointerFile, RoutePointer
from cutover_harness.errors import UsageError

CLUSTERS = {"source": {"bootstrap.servers": "a:1"}, "target": {"bootstrap.servers": "b:1"}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A cutover file at generation 2, consumers held."""
    pointer = PointerFile(tmp_path / "cutover.toml", CLUSTERS, {"r": RoutePointer(["t"], ["g"])})
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
    pointer = PointerFile.open(file)
    assert (pointer.generation, pointer.routes["r"].consumers) == (2, "hold")
    assert file.read_bytes() == good
    assert pointer.point("r", consumers="target") == 3


def test_a_file_that_somebody_wrote_on_purpose_counts(file: Path) -> None:
    file.write_text(file.read_text(encoding="utf-8").replace("generation = 2", "generation = 7"), encoding="utf-8")
    pointer = PointerFile.open(file)
    assert pointer.generation == 7
    assert pointer.point("r", consumers="target") == 8


def test_without_a_copy_the_error_says_what_to_do(file: Path) -> None:
    file.with_name(".cutover.toml.last").unlink()
    file.write_text("generation =", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cutover.toml: .* no copy of it: put the last one back"):
        PointerFile.open(file)


def test_the_copy_is_as_private_as_the_file(file: Path) -> None:
    assert file.with_name(".cutover.toml.last").stat().st_mode & 0o777 == 0o600
