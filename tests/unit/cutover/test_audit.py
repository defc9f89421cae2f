"""The audit log on a disk that becomes full."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
from cutover_harness.cutover.audit import Audit
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
