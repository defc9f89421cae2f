"""Which run conducts a cutover file that lies outside of the run's folder.

A run whose cutover file is in its own folder is complete: a copy of the folder acts on its own file. One that is
elsewhere is watched by real clients, and a copy of the folder would act on it as well. So a record beside the file
names the folder of the run that conducts each route.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover_harness.errors import UsageError


@dataclass(frozen=True)
class Owner:
    """A run as the record names it. `begun_ns`, the time of the journal's first entry, is the same in a copy."""

    folder: str
    host: str
    begun_ns: int


def this_run(folder: Path, begun_ns: int) -> Owner:
    """Return the run in `folder` on this machine."""
    return Owner(str(folder.resolve()), socket.gethostname(), begun_ns)


def refuse_other(cutover_file: Path, route: str, mine: Owner, ended: Callable[[Path], bool]) -> None:
    """Raise UsageError if the record names another run that is still there; changes nothing.

    A run that was moved is not there any more. `ended`: whether the run in a folder has come to its end.
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
        record.write_text(json.dumps({name: vars(owner) for name, owner in owners.items()}, indent=1), encoding="utf-8")
    except OSError as why:
        raise UsageError(f"{record}: cannot be written: {why.strerror}") from None


def record_of(cutover_file: Path) -> Path:
    """Return the file of the record."""
    return cutover_file.with_name(f".{cutover_file.name}.runs")


def _read(record: Path) -> dict[str, Owner]:
    try:
        found: dict[str, dict[str, Any]] = json.loads(record.read_text(encoding="utf-8"))
        return {route: Owner(str(o["folder"]), str(o["host"]), int(o["begun_ns"])) for route, o in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(f"{record}: cannot be read: delete it if no other run conducts the cutover file") from None
