"""A client's status: what the conductor's barrier counts. One JSON file per client, replaced atomically."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cutover_shim import native

log = logging.getLogger("cutover_shim")

FORMAT = 1


class StatusFile:
    """Writes `<directory>/<instance>.json`. Failing to is logged once and never reaches the application."""

    def __init__(self, directory: str, instance: str) -> None:
        self.path = Path(directory) / f"{quote(instance, safe=' @+=,')}.json"
        self._lock = native.RLock()
        self._complained = False
        self._finished = False

    def write(self, document: dict[str, Any]) -> None:
        """Replace the file by this document."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        with self._lock:
            if self._finished:
                return
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
                temporary.replace(self.path)
                self._complained = False
            except OSError as error:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                if not self._complained:
                    self._complained = True
                    log.warning("cutover status %s cannot be written: %s", self.path, error.strerror or error)

    def finish(self, document: dict[str, Any]) -> None:
        """Write the last document of a client that is closed: none that was begun before may follow it."""
        with self._lock:
            self.write(document)
            self._finished = True


def document(
    *,
    instance: str,
    role: str,
    group: str | None,
    seen_generation: int,
    rejected: str | None,
    routes: dict[str, Any],
    unrouted: int,
    closed: bool,
) -> dict[str, Any]:
    """Build a status document, format 1."""
    return {
        "format": FORMAT,
        "instance": instance,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "role": role,
        "group": group,
        "updated": time.time(),
        "seen_generation": seen_generation,
        "rejected": rejected,
        "routes": routes,
        "unrouted": unrouted,
        "closed": closed,
    }


def nested(flat: dict[tuple[str, int], int]) -> dict[str, dict[str, int]]:
    """Turn {(topic, partition): offset} into the document's {topic: {"partition": offset}}."""
    out: dict[str, dict[str, int]] = {}
    for (topic, partition), offset in list(flat.items()):
        out.setdefault(topic, {})[str(partition)] = offset
    return out
