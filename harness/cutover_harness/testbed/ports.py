"""TCP ports on loopback that stay one testbed's own to its end, across restarts of what listens there."""

import fcntl
import os
import random
import socket
from contextlib import closing
from pathlib import Path
from typing import IO

from cutover_harness.errors import UsageError
from cutover_harness.testbed.jars import cache_folder

# Above the usual services, below the ports that the system gives to outgoing connections (32768 on Linux): one of those
# would otherwise take the port of a broker that is being restarted.
FIRST, LAST = 20_000, 32_767
_TRIES = 500


class Ports:
    """Ports reserved against other testbeds of this user, until `release` or until the process is gone."""

    def __init__(self) -> None:
        self._folder = _folder()
        self._held: dict[int, IO[bytes]] = {}

    def take(self, wanted: int | None = None) -> int:
        """Reserve the wanted port, or any. Raises UsageError if it is in use, or if none is free."""
        if wanted is not None:
            if not self._reserve(wanted):
                raise UsageError(
                    f"port {wanted} on 127.0.0.1 is in use: end what listens there, or choose another port"
                )
            return wanted
        for port in random.sample(range(FIRST, LAST), _TRIES):
            if self._reserve(port):
                return port
        raise UsageError(f"no free port among {_TRIES} tried between {FIRST} and {LAST} on 127.0.0.1")

    def release(self) -> None:
        """Give all of them back."""
        for file in self._held.values():
            file.close()
        self._held.clear()

    def _reserve(self, port: int) -> bool:
        if port in self._held:
            return False
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Not through a link, and nothing is truncated: only the lock counts.
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.fdopen(os.open(self._folder / str(port), flags, 0o600), "rb+")
        except OSError as why:
            raise UsageError(f"{self._folder}: ports cannot be reserved there ({why.strerror}): free it") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with closing(socket.socket()) as probe:
                # As Java does it: what lingers of closed connections is no hindrance.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            file.close()
            return False
        self._held[port] = file
        return True


def _folder() -> Path:
    """Return a folder that no other user can write to: of this log-in session, or in the cache if there is none."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and (place := Path(runtime)).is_dir() and place.stat().st_uid == os.getuid():
        return place / "kafka-cutover" / "ports"
    return cache_folder() / "ports"
