"""Processes that never outlive the tool: JVMs of a testbed and the applications of a rehearsal.

Each child leads its own session (Ctrl-C in the terminal reaches only the tool, which then stops the children in order)
and is known by process id and start time. `cutover_harness.reaper` ends the children of a tool that died: a child
starts only after it is on the reaper's list, so it is never left behind.
"""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from cutover_harness import reaper
from cutover_harness.privacy import UMASK

# The child, which already has its final process id, waits here until it is on the reaper's list. If the tool dies
# first, the read fails and the child ends without having started the program.
_GATE = 'IFS= read -r _ || exit 125; exec "$@" </dev/null'


def is_program(name: str, folder: Path, environment: Mapping[str, str]) -> bool:
    """Return whether a program can be started in a folder by this name."""
    return shutil.which(folder / name if "/" in name else name, path=environment.get("PATH")) is not None


def gated(args: Sequence[str]) -> list[str]:
    """Return what starts a program once a line comes on its standard input, which is empty for the program itself."""
    return ["/bin/sh", "-c", _GATE, "sh", *args]


OWNER = "KAFKA_CUTOVER_OWNER"
"""Environment variable of every child: its tool, as PID:STARTED. `doctor` finds children whose tool is gone by it."""

_lock = threading.RLock()
_live: dict[int, "Process"] = {}
_reaper: "subprocess.Popen[bytes] | None" = None


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
        """The exit code, minus the signal's number if a signal ended it, None while it runs."""
        with _lock:
            code = self._popen.poll()
            if code is not None and _live.pop(self.pid, None) is not None:
                _report(f"- {self.pid}")
            return code

    @property
    def running(self) -> bool:
        """Whether it has not ended; a frozen process counts as running."""
        return self.returncode is None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Raises TimeoutError after `timeout` seconds."""
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
        """Ask it to end, kill it after `grace` seconds, and return the exit code."""
        self.terminate()
        with contextlib.suppress(TimeoutError):
            return self.wait(grace)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL the child and what it started in its process group, and reap it."""
        self._signal(signal.SIGKILL)
        return self.wait()

    def freeze(self) -> None:
        """Stop it with SIGSTOP, its connections open, and return when it is stopped."""
        self._signal(signal.SIGSTOP)
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            while self.running and process.status() != psutil.STATUS_STOPPED:
                time.sleep(0.001)

    def stopped(self) -> bool:
        """Return whether it is stopped or has ended."""
        if not self.running:
            return True
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        return True

    def thaw(self) -> None:
        """Resume it with SIGCONT after `freeze`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        # It is not reaped while the lock is held, so the id cannot belong to another process.
        with _lock:
            if self.running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, number)


def spawn(
    args: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdout: Path
) -> Process:
    """Start a child whose standard output and error are appended to the file `stdout`.

    `env` is the whole environment, None the tool's own. Standard input is empty. A missing program gives exit code 126
    or 127, with the reason in the file.
    """
    stdout.parent.mkdir(parents=True, exist_ok=True)
    me = psutil.Process()
    with stdout.open("ab") as log:
        popen = subprocess.Popen(
            gated(args),
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
        _report(f"+ {process.pid} {process.started}")
    assert popen.stdin is not None  # noqa: S101 - asked for above
    with contextlib.suppress(BrokenPipeError), popen.stdin as gate:
        gate.write(b"\n")
    return process


@contextlib.contextmanager
def ended_with_tool(pid: int) -> Iterator[None]:
    """Have the reaper end a process and its process group if the tool dies before the context ends.

    The process leads a session of its own, and has nothing of `OWNER` in its environment: what it starts in other
    sessions stays.
    """
    with contextlib.suppress(psutil.NoSuchProcess), _lock:
        _report(f"+ {pid} {psutil.Process(pid).create_time()}")
    try:
        yield
    finally:
        with _lock:
            _report(f"- {pid}")


def started() -> list[Process]:
    """Return the children that run, oldest first."""
    with _lock:
        return list(_live.values())


def stop_all(processes: Iterable[Process] | None = None, grace: float = 3.0) -> None:
    """Stop these children in parallel, with None all that are left; `grace` as in `Process.stop`."""
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
    """Return the last lines of a log, an empty string if it does not exist."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 400 * lines))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _report(line: str) -> None:
    """Write a line to the reaper; start a reaper if there is none or somebody ended it."""
    global _reaper  # noqa: PLW0603 - one reaper for each tool process, whatever imports this
    for _ in range(2):
        if _reaper is None:
            _reaper = subprocess.Popen(
                [sys.executable, "-P", str(Path(reaper.__file__))],
                bufsize=0,
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            line = "\n".join([*(f"+ {p.pid} {p.started}" for p in _live.values()), line])
        assert _reaper.stdin is not None  # noqa: S101 - asked for above
        try:
            _reaper.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            _reaper.wait()
            _reaper = None
        else:
            return


def _release() -> None:
    """Stop the children that are left, then end the reaper: the tool exits."""
    stop_all()
    if _reaper is not None and _reaper.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            _reaper.stdin.close()
        _reaper.wait()


def _forget_in_fork() -> None:
    """Disown the children in a fork of the tool, and close the reaper's pipe, whose end means that the tool is gone."""
    global _reaper, _lock  # noqa: PLW0603 - the parent's lock may have been held at the fork
    _lock = threading.RLock()
    _live.clear()
    if _reaper is not None and _reaper.stdin is not None:
        _reaper.stdin.close()
    _reaper = None


atexit.register(_release)
os.register_at_fork(after_in_child=_forget_in_fork)
