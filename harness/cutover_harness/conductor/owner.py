"""Record of the run that conducts each route of a cutover file outside of the run's folder.

A cutover file in the run's folder is copied with the folder. A file elsewhere is watched by real clients, and a copy of
the folder would write it as well. So a record next to the file names the folder of the run that conducts each route.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover_harness.errors import UsageError
from cutover_harness.files import write_atomic


@dataclass(frozen=True)
class Owner:
    """A run in the record. `begun_ns`, the time of the journal's first entry, is the same in a copy."""

    folder: str
    host: str
    begun_ns: int


def this_run(folder: Path, begun_ns: int) -> Owner:
    """Return the run in `folder` on this machine."""
    return Owner(str(folder.resolve()), socket.gethostname(), begun_ns)


def refuse_other(cutover_file: Path, route: str, mine: Owner, ended: Callable[[Path], bool]) -> None:
    """Raise UsageError if the record names another run that is still there; changes nothing.

    A run that was moved is not there any more. `ended`: whether the run in a folder has ended.
    """
    record = record_of(cutover_file)
    found = _read(record).get(route)
    if found is None or found == mine:
        return
    if found.host != mine.host:
        raise UsageError(
            f"cutover file {cutover_file}: route {route} is conducted from {found.folder} on {found.host}: resume it "
            f"there, or delete {record} if that run is here now"
        )
    there = Path(found.folder)
    if found.folder == mine.folder or not there.exists():
        return
    if found.begun_ns == mine.begun_ns:
        raise UsageError(
            f"{mine.folder}: is a copy of {there}, which conducts route {route} of {cutover_file}: use that folder, or "
            f"remove it"
        )
    if not ended(there):
        raise UsageError(
            f"cutover file {cutover_file}: route {route} is conducted by the run in {there}, which has not ended: "
            f"resume or roll back that one"
        )


def claim(cutover_file: Path, route: str, mine: Owner) -> None:
    """Note that this run conducts the route from now on. Raises UsageError if that cannot be written."""
    record = record_of(cutover_file)
    owners = _read(record) | {route: mine}
    try:
        write_atomic(record, json.dumps({name: vars(owner) for name, owner in owners.items()}, indent=1))
    except OSError as why:
        raise UsageError(f"{record}: cannot be written: {why.strerror}") from None


def record_of(cutover_file: Path) -> Path:
    """Return the file of the record."""
    return cutover_file.with_name(f".{cutover_file.name}.runs")


def _read(record: Path) -> dict[str, Owner]:
    unreadable = UsageError(f"{record}: cannot be read: delete it if no other run conducts the cutover file")
    if record.exists() and not record.is_file():  # a pipe would be waited for forever
        raise unreadable
    try:
        found: dict[str, dict[str, Any]] = json.loads(record.read_text(encoding="utf-8"))
        return {route: Owner(str(o["folder"]), str(o["host"]), int(o["begun_ns"])) for route, o in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise unreadable from None


def folders_of(cutover_file: Path) -> list[Path]:
    """Return the folders on this machine of the runs in the record. Raises UsageError if it cannot be read."""
    here = socket.gethostname()
    return [Path(owner.folder) for owner in _read(record_of(cutover_file)).values() if owner.host == here]
