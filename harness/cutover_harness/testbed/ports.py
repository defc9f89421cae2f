"""TCP ports on loopback that stay one testbed's own to its end, across restarts of what listens there."""

import fcntl
import os
import random
import socket
import tempfile
from contextlib import closing
from pathlib import Path
from typing import IO

from cutover_harness.errors import UsageError

# Above the usual services, below the ports that the system gives to outgoing connections (32768 on Linux): one of those
# would otherwise take the port of a broker that is being restarted.
FIRST, LAST = 20_000, 32_767
_TRIES = 500


class Ports:
    """Ports reserved against other testbeds of this user, until `release` or until the process is gone."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.gettempdir()) / f"kafka-cutover-ports-{os.getuid()}"
        self._held: dict[int, IO[bytes]] = {}

    def take(self, wanted: int | None = None) -> int:
        """Reserve the wanted port, or any. Raises UsageError where it is in use, or none is free."""
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
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = (self._folder / str(port)).open("wb")
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
