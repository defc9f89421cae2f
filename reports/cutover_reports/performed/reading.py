"""Reading the folder of a run. Never raises for its content: what cannot be read is listed in words."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover_harness.conductor.config import BATCHES, CONFIG, JOURNAL, PLAN, RUN_SUFFIX, ConductorConfig
from cutover_harness.conductor.inspection import inspect
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.snapshots import FOLDER, Snapshot
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.errors import UsageError
from cutover_harness.mistake_words import first_words
from cutover_harness.planning.read import ReadPlan, read_plan
from cutover_harness.verify.model import Verification
from pydantic import ValidationError

Line = dict[str, Any]


@dataclass
class BatchFolder:
    """The files of one batch. attempt: the folder's name if it is an earlier attempt. lines: of the audit log."""

    name: str
    attempt: str | None = None
    begun: bool = False
    config: ConductorConfig | None = None
    entries: list[Entry] = field(default_factory=list)
    verification: Verification | None = None
    snapshots: list[Snapshot] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@dataclass
class RunRead:
    """A whole run folder."""

    folder: Path
    plan: ReadPlan | None = None
    lines: list[Line] = field(default_factory=list)
    torn: int = 0
    batches: list[BatchFolder] = field(default_factory=list)
    earlier: list[BatchFolder] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a plan's run, also if something of it is missing."""
    if (folder / "rehearsal.json").exists() or (folder / "run.json").exists():
        return False  # of a rehearsal, which may have batches and a plan in it
    named = folder.suffix == RUN_SUFFIX and (folder / PLAN).exists()
    return named or RunFolder(folder).audit.exists() or (folder / BATCHES).is_dir()


def read_run(folder: Path) -> RunRead:
    """Read everything in the folder of a run."""
    run, found = RunFolder(folder), RunRead(folder)
    try:
        found.plan = read_plan(run.plan)
    except UsageError as why:
        found.missing.append(_short(str(why), folder))
    _read_audit(run.audit, found)
    planned = [] if found.plan is None else [batch.name for batch in found.plan.plan.batches]
    named = [str(line["batch"]) for line in found.lines if line.get("event") == "begin" and line.get("batch")]
    there = _folders(folder / BATCHES)
    for name in dict.fromkeys([*planned, *named, *there]):
        lines = _since_begun([line for line in found.lines if line.get("batch") == name])
        batch = _batch(name, run.batch(name), folder)
        batch.lines = lines
        if not batch.begun and any(line.get("event") == "begin" for line in lines):
            batch.missing.append(f"{BATCHES}/{name}: is not there, and the audit log names the batch's begin")
        found.batches.append(batch)
    for name in _folders(folder / "earlier"):
        batch = _batch(name.rpartition("-")[0] or name, folder / "earlier" / name, folder)
        batch.attempt = f"earlier/{name}"
        found.earlier.append(batch)
    _give_earlier_lines(found)
    return found


def _batch(name: str, home: Path, root: Path) -> BatchFolder:
    batch = BatchFolder(name, begun=home.is_dir())
    if not batch.begun:
        return batch
    try:
        batch.config = ConductorConfig.load(home / CONFIG)
    except UsageError as why:
        batch.missing.append(_short(str(why), root))
        return batch
    if not (home / JOURNAL).exists():
        return batch  # if its conductor began is known from the audit log alone
    try:
        batch.entries = inspect(home / JOURNAL, batch.config.steps, batch.config.groups)
    except UsageError as why:
        batch.missing.append(_short(str(why), root))
    result = home / "verify" / "result.json"
    if result.exists():
        try:
            batch.verification = Verification.model_validate_json(_bytes(result))
        except (OSError, ValueError) as why:
            batch.missing.append(f"{result.relative_to(root)}: cannot be read: {_reason(why)}")
    for file in sorted((home / FOLDER).glob("*.json")):
        try:
            batch.snapshots.append(Snapshot.model_validate_json(_bytes(file)))
        except (OSError, ValueError) as why:
            batch.missing.append(f"{file.relative_to(root)}: cannot be read: {_reason(why)}")
    return batch


def _read_audit(file: Path, found: RunRead) -> None:
    try:
        text = _bytes(file).decode("utf-8", errors="replace")
    except FileNotFoundError:
        found.missing.append(f"{file.name}: is not there: who did what, and what was read back, is not known")
        return
    except OSError as why:
        found.missing.append(f"{file.name}: cannot be read: {why.strerror}")
        return
    for row in text.splitlines():
        try:
            line = json.loads(row)
        except (ValueError, RecursionError):
            line = None
        if isinstance(line, dict) and all(isinstance(line.get(key), str) for key in ("at", "event", "plan")):
            found.lines.append(line)
        else:
            found.torn += bool(row.strip())


def _bytes(file: Path) -> bytes:
    """Return a file's content. Raises OSError, also for a pipe, which would be waited for forever."""
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "is not a file")
    return file.read_bytes()


def _since_begun(lines: list[Line]) -> list[Line]:
    """Return the lines of the last attempt: those since the batch was set aside last."""
    again = [number for number, line in enumerate(lines) if line.get("event") == "again"]
    return lines[again[-1] :] if again else lines


def _give_earlier_lines(found: RunRead) -> None:
    """Give each earlier attempt the lines before it was set aside."""
    for batch in found.earlier:
        mine = [line for line in found.lines if line.get("batch") == batch.name]
        ends = [number for number, line in enumerate(mine) if line.get("event") == "again"]
        own = [at for at in ends if Path(str(mine[at].get("earlier"))).name == Path(str(batch.attempt)).name]
        if own:
            begins = [at for at in ends if at < own[0]]
            batch.lines = mine[begins[-1] if begins else 0 : own[0]]


def _folders(place: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in place.iterdir() if entry.is_dir())
    except OSError:
        return []


def _short(text: str, root: Path) -> str:
    """Return a message without the run folder's own path."""
    return text.replace(f"{root.absolute()}/", "").replace(f"{root}/", "")


def _reason(why: Exception) -> str:
    if isinstance(why, ValidationError):
        return first_words(why, "file")
    return str(why.strerror if isinstance(why, OSError) else " ".join(str(why).split()))
