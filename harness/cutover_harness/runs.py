"""Records of running rehearsals, so that `doctor` finds what a killed tool left behind.

One small file for each process in the user's cache folder, removed when the process ends normally.
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

from cutover_harness import reaper
from cutover_harness.files import write_atomic
from cutover_harness.testbed.jars import cache_folder

What = Literal["rehearse", "run", "resume", "rollback"]


@dataclass(frozen=True)
class Interrupted:
    """A run whose process ended without removing its record."""

    record: Path
    what: What
    folder: Path
    pid: int
    again: str
    """The command that continues it; empty if none does."""


def records() -> Path:
    """Return the folder of the records."""
    return cache_folder() / "runs"


def begin(what: What, folder: Path, again: str = "") -> None:
    """Record that this process works on a run, instead of those that were killed in the same folder.

    again: the command that continues the run. A cache folder that is not writable stops no run.
    """
    me = psutil.Process()
    record = records() / f"{me.pid}-{what}-{abs(hash(folder.absolute()))}.json"
    place = folder.absolute()
    facts = {"what": what, "folder": str(place), "pid": me.pid, "started": me.create_time(), "again": again}
    with contextlib.suppress(OSError):
        for earlier in interrupted():
            if earlier.folder == place:
                earlier.record.unlink(missing_ok=True)
        records().mkdir(parents=True, exist_ok=True)
        write_atomic(record, json.dumps(facts))
        atexit.register(_end, record, me.pid)


def _end(record: Path, pid: int) -> None:
    if os.getpid() == pid:  # not in a fork of the tool
        record.unlink(missing_ok=True)


def interrupted() -> Iterator[Interrupted]:
    """Yield the runs whose process is gone; change nothing."""
    for record in sorted(records().glob("*.json")):
        try:
            facts = json.loads(record.read_text(encoding="utf-8"))
            pid, started = int(facts["pid"]), float(facts["started"])
            found = Interrupted(record, facts["what"], Path(facts["folder"]), pid, str(facts.get("again", "")))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # being written
        if reaper.identify(pid, started) is None:
            yield found
