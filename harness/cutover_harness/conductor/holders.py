"""The process that holds a lease, and whether a process of this machine is still there."""

from __future__ import annotations

import os
from pathlib import Path

from cutover_harness.channels.leases import Holder

_PROC = Path("/proc")
_ENDED = ("Z", "X")


def this_process(who: str, command: str, batch: str, folder: Path) -> Holder:
    """Return this process as the holder of a lease. who: `user@host`; folder: that of its run."""
    pid = os.getpid()
    return Holder(who, pid, command, batch, str(folder.resolve()), _machine(), _started(pid))


def is_gone(holder: Holder) -> bool:
    """Return whether the holder's process is known to have ended: it was one of this machine, since its last boot."""
    here = _machine()
    if here is None or holder.machine != here or _is_hidden(holder.pid):
        return False
    return _started(holder.pid) != holder.started


def is_same_run(holder: Holder, folder: Path) -> bool:
    """Return whether the holder's run was that in `folder`, which may have been moved here; a copy is another run."""
    there = Path(holder.folder)
    try:
        return there == folder.resolve() or not there.exists()
    except OSError:  # somebody else's, which this user may not look into
        return False


def _is_hidden(pid: int) -> bool:
    """Return whether there is a process that /proc does not show to this user (`hidepid`)."""
    if (_PROC / str(pid)).exists():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _machine() -> str | None:
    """Return what identifies the running machine, and the container; None if this is not Linux."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink(_PROC / 'self/ns/pid')}"  # noqa: PTH115 - the link names no file
    except OSError:
        return None


def _started(pid: int) -> int | None:
    """Return when a process was started, in ticks since boot; None if there is none. Pids are used again."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return None if fields[0] in _ENDED else int(fields[19])
    except (OSError, IndexError, ValueError):
        return None
