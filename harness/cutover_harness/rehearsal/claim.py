"""The output folder: claimed by one rehearsal at a time; the results of an earlier one in it are kept."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cutover_harness.errors import UsageError
from cutover_harness.explore.explored import NAME as EXPLORED
from cutover_harness.words import sized

FACTS = "rehearsal.json"
EARLIER = "earlier_runs"
"""Folder in the output folder for what earlier rehearsals left; no scenario can have this name."""
REPORTS = ("report.html", "report.md", "report.json", "junit.xml")
POLICY = "policy.toml"
APPLIED_POLICY = "applied-policy.toml"
"""Copy of the policy that a rehearsal was given by an option or its plan."""
_BEFORE_THE_PATH = {"logs", "testbed", "traffic.parquet", "failed_start", "error.txt"}


@dataclass(frozen=True)
class Claim:
    """An output folder that is ours until the process ends or `release` is called.

    `notice`: one line on what was done with an earlier run in it; None if there was none.
    """

    lock: int
    notice: str | None = None

    def release(self) -> None:
        """Release the folder for other rehearsals."""
        os.close(self.lock)


def claim(out: Path, *, replace: bool = False) -> Claim:
    """Claim `out`: absent, empty, or the folder of an earlier run, whose files are moved into `EARLIER` in it.

    `replace` removes them instead. Other files are not touched. Raises UsageError, with nothing changed.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: is a file; give a folder")
    try:
        foreign = out.is_dir() and any(out.iterdir()) and not (out / FACTS).exists() and not (out / EARLIER).is_dir()
        if foreign:
            raise UsageError(f"--out {out}: is not empty and not an earlier rehearsal's; give another folder")
        out.mkdir(parents=True, exist_ok=True)
        lock = _lock(out)
        try:
            notice = _make_room(out, replace=replace)
        except BaseException:
            os.close(lock)
            raise
    except OSError as why:
        raise UsageError(f"--out {out}: cannot be used: {why.strerror or why} ({why.filename})") from None
    return Claim(lock, notice)


def _lock(out: Path) -> int:
    """Lock the folder itself, so that no file of ours is left in it; the kernel unlocks it when the process ends."""
    lock = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as why:
        os.close(lock)
        if not isinstance(why, BlockingIOError):
            raise
        raise UsageError(f"--out {out}: a rehearsal is running in it: wait for it, or give another folder") from None
    return lock


def _make_room(out: Path, *, replace: bool) -> str | None:
    found = _left(out)
    if not found:
        return None
    when = _started(out)
    if replace:
        for entry in found:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        return f"{out}: the run of {when:%Y-%m-%d %H:%M:%S} UTC was removed (--replace)"
    kept = out / EARLIER / _free(out / EARLIER, f"{when:%Y-%m-%dT%H-%M-%SZ}")
    kept.mkdir(parents=True)
    _move(found, kept)
    for name in (POLICY, EXPLORED):  # so that its report can be written again with the same files
        if (out / name).is_file():
            shutil.copy2(out / name, kept / name)
    runs = sum(entry.is_dir() for entry in (out / EARLIER).iterdir())
    return (
        f"{out}: the run of {when:%Y-%m-%d %H:%M:%S} UTC is kept in {kept}; earlier runs: {runs}, "
        f"{sized(_bytes(out / EARLIER))} (--replace removes a run instead)"
    )


def _left(out: Path) -> list[Path]:
    """Return the files of an earlier rehearsal in `out`: facts, reports and scenarios' folders."""
    if not (out / FACTS).exists():
        return []
    listed = _listed(out)
    files = [out / name for name in (FACTS, *REPORTS, APPLIED_POLICY) if (out / name).exists()]
    return [*files, *(entry for entry in sorted(out.iterdir()) if _is_run(entry, listed))]


def _is_run(folder: Path, listed: set[str]) -> bool:
    """Whether this is the folder of a scenario, however early its rehearsal ended."""
    if not folder.is_dir() or folder.is_symlink() or folder.name == EARLIER:
        return False
    content = {path.name for path in folder.iterdir()}
    return folder.name in listed or "cutover.toml" in content or content <= _BEFORE_THE_PATH


def _listed(out: Path) -> set[str]:
    try:
        names = json.loads((out / FACTS).read_text(encoding="utf-8")).get("scenarios", [])
    except (OSError, ValueError, RecursionError, AttributeError):
        return set()
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


def _started(out: Path) -> datetime:
    """Return when the earlier rehearsal began; if its facts cannot be read, when they were written."""
    try:
        started = datetime.fromisoformat(json.loads((out / FACTS).read_text(encoding="utf-8"))["started"])
        return started.astimezone(UTC)
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return datetime.fromtimestamp((out / FACTS).lstat().st_mtime, UTC)


def _free(folder: Path, name: str) -> str:
    number, free = 2, name
    while (folder / free).exists():
        number, free = number + 1, f"{name}-{number}"
    return free


def _move(found: list[Path], kept: Path) -> None:
    """Move all of `found` or nothing."""
    moved: list[Path] = []
    try:
        for entry in found:
            entry.rename(kept / entry.name)
            moved.append(entry)
    except OSError:
        for entry in moved:
            (kept / entry.name).rename(entry)
        kept.rmdir()
        raise


def _bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
