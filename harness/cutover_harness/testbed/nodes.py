"""Brokers and the Connect worker of the process testbed: one JVM each, which start, fail and start again."""

import contextlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cutover_harness.processes import Process, spawn, tail
from cutover_harness.testbed.base import TestbedError
from cutover_harness.testbed.jvm import ClassCache, environment
from cutover_harness.testbed.timing import TIMINGS
from cutover_harness.types import ClusterName

READY_LIMIT_S = 90.0
_STARTS_MOST = 5
_POLL_S = 0.02
STOP_GRACE_S = 3.0  # at the end of a testbed, whose data are not needed any more
_RECORD_GRACE_S = 15.0
_END_S = 3.0  # from the farewell to the end of the process
_CACHE_UNUSABLE = "An error has occurred while processing the AOT cache"
_CAUSE = re.compile(r"ERROR|FATAL|Exception|Caused by|Error:|^Error|Unrecognized")


@dataclass(frozen=True)
class Program:
    """The program of a node, its files and its folder."""

    label: str
    main: str
    properties: Path
    workdir: Path
    log: Path
    # The last line of its log after a graceful shutdown.
    farewell: str
    options: tuple[str, ...] = ()
    # What it finds in its environment beyond what every JVM does; may hold secrets.
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    # How long a graceful shutdown may take when it is restarted, in seconds.
    stop_grace_s: float = TIMINGS["stand-in"].stop_grace_s


class JvmNode:
    """One JVM, always at the same address and on the same data."""

    def __init__(self, program: Program, cache: ClassCache, serves: Callable[[], bool]) -> None:
        self._program = program
        self._cache = cache
        self._serves = serves
        self._process: Process | None = None
        self._record: Path | None = None
        self._log_start = 0

    @property
    def running(self) -> bool:
        """Whether its process exists, frozen or not."""
        return self._process is not None and self._process.running

    def stopped(self) -> bool:
        """Return whether it is frozen or does not run."""
        return self._process is None or self._process.stopped()

    @property
    def pid(self) -> int | None:
        """The process id, None while there is no process."""
        return self._process.pid if self._process is not None and self._process.running else None

    def launch(self) -> None:
        """Start the JVM without waiting until it serves."""
        program = self._program
        self._drop_record()
        self._record = self._cache.new_record()
        self._log_start = program.log.stat().st_size if program.log.exists() else 0
        command = self._cache.command(program.main, [str(program.properties)], program.options, self._record)
        self._process = spawn(command, cwd=program.workdir, env={**environment(), **program.env}, stdout=program.log)

    def await_ready(self, limit: float = READY_LIMIT_S) -> None:
        """Return when it serves.

        Raises TestbedError if it ended, or if its log has not grown for `limit` seconds: on a busy machine a start may
        take minutes. After a few times `limit` it counts as stuck whatever it logs.
        """
        began = grew = time.monotonic()
        size = self._log_start
        used_cache = self._record is None
        while not self._serves():
            if not self.running:
                if used_cache and self._cache.exists:
                    self._cache.discard()  # damaged in a way that the JVM does not notice: start without it
                    used_cache = False
                    self.launch()
                    continue
                code = self._process.returncode if self._process is not None else None
                raise self._failure(f"ended with {code} while it was starting")
            now = time.monotonic()
            if (now_size := self._program.log.stat().st_size) > size:
                size, grew = now_size, now
            if now - grew > limit or now - began > _STARTS_MOST * limit:
                raise self._failure(f"did not answer within {now - began:.0f} s")
            time.sleep(_POLL_S)
        if used_cache and _CACHE_UNUSABLE in self._log_of_this_start():
            self._cache.discard()  # the next run makes a new one

    def kill(self) -> None:
        """End it without warning (SIGKILL)."""
        if self._process is not None:
            self._process.kill()

    def freeze(self) -> None:
        """Freeze it with its connections open (SIGSTOP)."""
        if self._process is not None:
            self._process.freeze()

    def thaw(self) -> None:
        """Resume it after `freeze` (SIGCONT)."""
        if self._process is not None:
            self._process.thaw()

    def stop(self) -> str | None:
        """Shut it down; return a text that it was killed if it did not end by itself, otherwise None."""
        if self._process is None:
            return None
        self._process.terminate()
        begin, said = time.monotonic(), None
        while self._process.running:
            now = time.monotonic()
            # A JVM that records logs its last line seconds before it ends; AutoMQ's may never end.
            if said is None and self._program.farewell in self._log_of_this_start(tail_only=True):
                said = now
            if said is not None and (self._record is not None or now - said > _END_S):
                break
            if now - begin > self._program.stop_grace_s:
                self._process.kill()
                return f"not shut down {now - begin:.0f} s after SIGTERM, so it was killed (SIGKILL)"
            time.sleep(_POLL_S)
        lingered = self._process.running and self._record is None
        self._process.kill()
        return "shut down, but its process stayed and was killed (SIGKILL)" if lingered else None

    def restart(self) -> None:
        """Stop it if it runs, start it again, return when it serves."""
        self.stop()
        self.launch()
        self.await_ready()

    def terminate(self) -> None:
        """Ask it to end, without waiting."""
        if self._process is not None:
            self._process.terminate()

    def finish(self, deadline: float, *, keep_record: bool) -> tuple[ClassCache, Path] | None:
        """After `terminate`: wait for the end until `deadline` (monotonic clock), then force it.

        Returns the class cache to create and its record if this run was the first; that is worth a longer wait.
        """
        if self._process is None:
            return None
        recording = keep_record and self._record is not None
        with contextlib.suppress(TimeoutError):
            patience = _RECORD_GRACE_S if recording else 0
            self._process.wait(max(0.0, deadline + patience - time.monotonic()))
        self._process.kill()
        if recording and self._record is not None and self._record.exists():
            record, self._record = self._record, None
            return self._cache, record
        self._drop_record()
        return None

    def _drop_record(self) -> None:
        if self._record is not None:
            with contextlib.suppress(OSError):
                self._record.unlink(missing_ok=True)
        self._record = None

    def _log_of_this_start(self, *, tail_only: bool = False) -> str:
        with self._program.log.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(self._log_start, size - 65_536 if tail_only else 0))
            return log.read().decode(errors="replace")

    def _failure(self, what: str) -> TestbedError:
        return TestbedError(f"{self._program.label} {what}; {self._program.log} contains:\n{self._explanation()}")

    def _explanation(self, lines: int = 12) -> str:
        causes = [line for line in self._log_of_this_start().splitlines() if _CAUSE.search(line)]
        # Of a cascade of errors the first is the cause.
        return "\n".join(causes[:lines]) or tail(self._program.log, lines) or "(nothing)"


class Broker(JvmNode):
    """A cluster of one node, broker and controller in one; or one broker of several."""

    def __init__(
        self,
        name: ClusterName,
        version: str,
        port: int,
        program: Program,
        cache: ClassCache,
        serves: Callable[[], bool],
        node_id: int = 1,
    ) -> None:
        super().__init__(program, cache, serves)
        self.name: ClusterName = name
        self.version = version
        self.bootstrap = self.connect_bootstrap = f"127.0.0.1:{port}"
        self.node_id = node_id

    @property
    def brokers(self) -> Sequence["Broker"]:
        """The brokers of the cluster that it is."""
        return (self,)

    @property
    def keepers(self) -> Sequence[JvmNode]:
        """The processes besides the brokers of the cluster that it is: none."""
        return ()

    def client_config(self) -> dict[str, str]:
        """Return the librdkafka properties that reach it."""
        return {"bootstrap.servers": self.bootstrap}


def launch_all(nodes: Sequence[JvmNode]) -> None:
    """Start them at the same time and return when all serve."""
    for node in nodes:
        node.launch()
    for node in nodes:
        node.await_ready()


def stop_all(nodes: Sequence[JvmNode], *, keep_records: bool) -> list[tuple[ClassCache, Path]]:
    """Stop them at the same time; returns the class caches that can be created now, with their records."""
    for node in nodes:
        node.terminate()
    deadline = time.monotonic() + STOP_GRACE_S
    found = [node.finish(deadline, keep_record=keep_records) for node in nodes]
    return [each for each in found if each is not None]
