"""The reaper: a process that outlives the tool just long enough to end everything that the tool started.

`cutover_harness.processes` runs it as a script, one for each tool process. Its standard input is a pipe whose only
writer is the tool, so the end of input means that the tool is gone, SIGKILL included. Lines are `+ PID STARTED` and
`- PID`. At the end of input every process that is still listed gets SIGTERM together with its process group (and
SIGCONT, as it may be frozen), then SIGKILL. The reaper has its own session and ignores the terminal's signals, so it
ends last.
"""

import contextlib
import os
import signal
import sys
import time

import psutil

GRACE_S = 3.0
# The clock behind start times may be adjusted in between; no process id is reused within this time.
START_TOLERANCE_S = 2.0


def identify(pid: int, started: float) -> psutil.Process | None:
    """Return the process that has this id and start time (seconds since the epoch), or None if it is gone."""
    try:
        process = psutil.Process(pid)
        return process if abs(process.create_time() - started) < START_TOLERANCE_S else None
    except psutil.Error:
        return None


def alive(process: psutil.Process) -> bool:
    """Return whether the process runs; a zombie, which only waits for its parent, does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _signal(process: psutil.Process, *signals: signal.Signals) -> None:
    for number in signals:
        if process.is_running():
            with contextlib.suppress(OSError):
                os.killpg(process.pid, number)  # every child was started as the leader of its own session


def main() -> None:
    """Keep the list until the input ends, then end the listed processes."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    children: dict[int, psutil.Process] = {}
    for line in sys.stdin:
        verb, pid, *rest = line.split()
        if verb == "+":
            process = identify(int(pid), float(rest[0]))
            if process is not None:
                children[int(pid)] = process
        else:
            children.pop(int(pid), None)

    for process in children.values():
        _signal(process, signal.SIGTERM, signal.SIGCONT)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and any(map(alive, children.values())):
        time.sleep(0.02)
    for process in children.values():
        _signal(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
