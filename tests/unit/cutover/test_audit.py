"""The audit log on a disk that becomes full, and after a command that was killed before it had written its lines."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
from cutover_harness.conductor.journal import Entry
from cutover_harness.cutover.audit import Audit
from cutover_harness.cutover.audit_entries import follower
from cutover_harness.errors import UsageError


def test_a_line_of_which_only_a_part_was_written_stops_the_run(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl", "run", "h")
    audit.write("begin", batch="orders")
    assert json.loads(audit.file.read_text())["event"] == "begin"
    limit, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (audit.file.stat().st_size + 10, hard))  # like a disk with 10 bytes left
    try:
        with pytest.raises(UsageError, match=r"audit\.jsonl: cannot be written"):
            audit.write("step begun", batch="orders")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    audit.write("continue", batch="orders")
    assert [line["event"] for line in audit.lines()] == ["begin", "continue"]


ENTRIES = [
    Entry(1, 10**18, "step", 0, "create-task", {}),
    Entry(2, 10**18, "answer", 0, "approve create-task", {"approved": True, "by": "ann"}),
    Entry(3, 10**18, "doing", 0, "create-task", {}),
    Entry(4, 10**18, "done", 0, "create-task", {"stage": 1}),
]


def written(audit: Audit) -> list[tuple[str, int, bool]]:
    """Return event and entry of each line, and whether it was written late."""
    return [(line["event"], line["entry"], "happened" in line) for line in audit.lines() if "entry" in line]


@pytest.mark.parametrize("seen", [0, 2, 3, 4])
def test_lines_that_a_killed_command_has_not_written_are_written_by_the_next_one(tmp_path: Path, seen: int) -> None:
    audit = Audit(tmp_path / "audit.jsonl", "run", "h")
    for batch in ("orders", "other"):
        audit.write("begin", batch=batch)
    for entry in ENTRIES:
        follower(audit, "other", [])(entry)
    killed = follower(audit, "orders", [])
    for entry in ENTRIES[:seen]:
        killed(entry)
    before = len(list(audit.lines()))
    follower(audit, "orders", ENTRIES)
    late = written(audit)[before - 2 :]
    wanted = [("approval", 2, True), ("step begun", 3, True), ("step done", 4, True)]
    assert late == [each for each in wanted if each[1] > seen]
    assert [line["by"] for line in audit.lines() if line["event"] == "approval" and line["batch"] == "orders"] == [
        "ann"
    ]
    follower(audit, "orders", ENTRIES)
    assert len(written(audit)) == 6, "once"


def test_a_batch_that_is_moved_again_has_a_journal_of_its_own(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl", "run", "h")
    first = follower(audit, "orders", [])
    for entry in ENTRIES:
        first(entry)
    audit.write("begin", batch="orders")
    follower(audit, "orders", ENTRIES[:2])
    assert written(audit)[3:] == [("approval", 2, True)]


def test_lines_of_an_earlier_version_are_not_repeated(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl", "run", "h")
    audit.write("step begun", batch="orders")
    follower(audit, "orders", ENTRIES)
    assert written(audit) == []
