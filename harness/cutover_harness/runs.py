"""Records of runs under way, so that `doctor` can name what a tool that was killed has left.

One small file for each process below the user's cache folder, removed when the process ends in order.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from cutover_harness import warden
from cutover_harness.testbed.jars import cache_folder

What = Literal["rehearse", "resume", "rollback"]


@dataclass(frozen=True)
class Interrupted:
    """A run whose process is gone and has not removed its record."""

    record: Path
    what: What
    folder: Path
    pid: int


def records() -> Path:
    """Return the folder of the records."""
    return cache_folder() / "runs"


def begin(what: What, folder: Path) -> None:
    """Record that this process works on a run. A cache folder that cannot be written hinders no run."""
    me = psutil.Process()
    record = records() / f"{me.pid}-{what}-{abs(hash(folder.absolute()))}.json"
    facts = {"what": what, "folder": str(folder.absolute()), "pid": me.pid, "started": me.create_time()}
    with contextlib.suppress(OSError):
        records().mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(facts), encoding="utf-8")
        atexit.register(_end, record, me.pid)


def _end(record: Path, pid: int) -> None:
    if os.getpid() == pid:  # not in a fork of the tool
        record.unlink(missing_ok=True)


def interrupted() -> Iterator[Interrupted]:
    """Yield the runs whose process is gone; changes nothing."""
    for record in sorted(records().glob("*.json")):
        try:
            facts = json.loads(record.read_text(encoding="utf-8"))
            pid, started = int(facts["pid"]), float(facts["started"])
            found = Interrupted(record, facts["what"], Path(facts["folder"]), pid)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # being written
        if warden.identify(pid, started) is None:
            yield found
