"""Processes that never outlive the tool: JVMs of a testbed and the applications of a rehearsal.

Each child leads a session of its own (a Ctrl-C in the terminal reaches the tool alone, which then stops the children
in order) and is remembered by process id and start time. The leash is `cutover_harness.warden`: a child may only begin
once the warden has been told of it, so there is no moment at which the death of the tool leaves it behind.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from cutover_harness import warden
from cutover_harness.privacy import UMASK

# The child waits here, already with its final process id, until the tool has told the warden and says go; where the
# tool dies first the read fails and the child ends before it began.
_GATE = 'IFS= read -r _ || exit 125; exec "$@" </dev/null'

OWNER = "KAFKA_CUTOVER_OWNER"
"""Variable of every child: the tool that started it, as PID:STARTED. So `doctor` finds those whose tool is gone."""

_lock = threading.RLock()
_live: dict[int, "Process"] = {}
_leash: "subprocess.Popen[bytes] | None" = None


class Process:
    """A running child. Methods may be called at any time, from any thread; ending an ended child does nothing."""

    def __init__(self, popen: "subprocess.Popen[bytes]", args: Sequence[str], log: Path, started: float) -> None:
        self._popen = popen
        self.args = list(args)
        self.pid = popen.pid
        self.started = started
        self.log = log

    def __repr__(self) -> str:
        state = "running" if self.returncode is None else f"ended with {self.returncode}"
        return f"<Process {self.pid} {Path(self.args[0]).name}, {state}>"

    @property
    def returncode(self) -> int | None:
        """The exit code, minus the signal's number where a signal ended it, None while it runs."""
        with _lock:
            code = self._popen.poll()
            if code is not None and _live.pop(self.pid, None) is not None:
                _tell(f"- {self.pid}")
            return code

    @property
    def running(self) -> bool:
        """Whether it has not ended; a frozen process counts as running."""
        return self.returncode is None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code; TimeoutError after `timeout` seconds."""
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"process {self.pid} did not end within {timeout} s, see {self.log}") from error
        code = self.returncode
        assert code is not None  # noqa: S101 - waited for above
        return code

    def terminate(self) -> None:
        """Ask it to end (SIGTERM), frozen or not, without waiting."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)

    def stop(self, grace: float = 3.0) -> int:
        """Ask it to end, kill it after `grace` seconds; return the exit code."""
        self.terminate()
        with contextlib.suppress(TimeoutError):
            return self.wait(grace)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL the child and what it started in its process group, and reap it."""
        self._signal(signal.SIGKILL)
        return self.wait()

    def freeze(self) -> None:
        """SIGSTOP: no progress, no answers, while its connections stay open. Returns once it stands still."""
        self._signal(signal.SIGSTOP)
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            while self.running and process.status() != psutil.STATUS_STOPPED:
                time.sleep(0.001)

    def stopped(self) -> bool:
        """Whether it stands still or has ended."""
        if not self.running:
            return True
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        return True

    def thaw(self) -> None:
        """SIGCONT: go on after `freeze`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        # Not reaped while the lock is held, so the id cannot belong to another process.
        with _lock:
            if self.running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, number)


def spawn(
    args: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdout: Path
) -> Process:
    """Start a child whose standard output and error are appended to the file `stdout`.

    `env` is the whole environment, None the tool's own. Standard input is empty. A program that is missing shows as
    exit code 126 or 127, with the reason in the file.
    """
    stdout.parent.mkdir(parents=True, exist_ok=True)
    me = psutil.Process()
    with stdout.open("ab") as log:
        popen = subprocess.Popen(
            ["/bin/sh", "-c", _GATE, "sh", *args],
            cwd=cwd,
            env={**(os.environ if env is None else env), OWNER: f"{me.pid}:{me.create_time()}"},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=UMASK,
        )
    process = Process(popen, args, stdout, psutil.Process(popen.pid).create_time())
    with _lock:
        _live[process.pid] = process
        _tell(f"+ {process.pid} {process.started}")
    assert popen.stdin is not None  # noqa: S101 - asked for above
    with contextlib.suppress(BrokenPipeError), popen.stdin as gate:
        gate.write(b"\n")
    return process


def started() -> list[Process]:
    """Return the children that run, oldest first."""
    with _lock:
        return list(_live.values())


def stop_all(processes: Iterable[Process] | None = None, grace: float = 3.0) -> None:
    """Stop these children at the same time, all that are left where None is given; `grace` as in `Process.stop`."""
    chosen = started() if processes is None else list(processes)
    for process in chosen:
        process.terminate()
    deadline = time.monotonic() + grace
    for process in chosen:
        with contextlib.suppress(TimeoutError):
            process.wait(max(0.0, deadline - time.monotonic()))
    for process in chosen:
        process.kill()


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log, an empty string where there is none."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 400 * lines))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _tell(line: str) -> None:
    """Write to the warden, starting it where there is none or where somebody ended it."""
    global _leash  # noqa: PLW0603 - one warden a tool process, whatever imports this
    for _ in range(2):
        if _leash is None:
            _leash = subprocess.Popen(
                [sys.executable, "-P", str(Path(warden.__file__))],
                bufsize=0,
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            line = "\n".join([*(f"+ {p.pid} {p.started}" for p in _live.values()), line])
        assert _leash.stdin is not None  # noqa: S101 - asked for above
        try:
            _leash.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            _leash.wait()
            _leash = None
        else:
            return


def _release() -> None:
    """At the tool's exit: stop what is left, then let the warden go."""
    stop_all()
    if _leash is not None and _leash.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            _leash.stdin.close()
        _leash.wait()


def _forget_in_fork() -> None:
    """Disown the children in a fork of the tool, and let go of the warden's pipe, whose end means the tool's."""
    global _leash, _lock  # noqa: PLW0603 - the parent's lock may have been held at the fork
    _lock = threading.RLock()
    _live.clear()
    if _leash is not None and _leash.stdin is not None:
        _leash.stdin.close()
    _leash = None


atexit.register(_release)
os.register_at_fork(after_in_child=_forget_in_fork)
