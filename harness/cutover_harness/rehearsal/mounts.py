"""Copies of the cutover file, one for each instance, that change late, as the kubelet refreshes mounted ConfigMaps.

A mount is laid out as by the kubelet: `cutover.toml` is a link to `..data/cutover.toml`, and `..data` is a link to the
folder of the present version, which is replaced by renaming another link over it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cutover_harness.channels.document import generation_in
from cutover_harness.errors import in_one_line
from cutover_harness.files import PRIVATE
from cutover_harness.periodic import Periodic
from cutover_harness.plan.fleet import FileDelay

log = logging.getLogger(__name__)
POLL_S = 0.01
_DATA = "..data"


def drawn_s(delay: FileDelay, seed: int, instance: str, generation: int | None) -> float:
    """Return how much later the copy of `instance` has this generation; the same for the same seed."""
    chance = random.Random(f"{seed}/{instance}/{generation}")  # noqa: S311 - keeps no secret
    return chance.uniform(delay.least_s, delay.most_s)


@dataclass(frozen=True)
class _Version:
    """One content of the cutover file; `number` counts the versions."""

    number: int
    content: bytes

    @property
    def folder(self) -> str:
        return f"..version_{self.number}"


@dataclass
class _Mount:
    """The copy of one instance: what it has, and the versions that reach it later, by the moment."""

    folder: Path
    name: str
    has: _Version
    due: dict[_Version, float] = field(default_factory=dict)
    pinned: bool = False

    def fill(self) -> None:
        """Write the whole mount, for an instance that starts."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._write(self.has)
        (self.folder / _DATA).symlink_to(self.has.folder)
        (self.folder / self.name).symlink_to(Path(_DATA, self.name))

    def refresh(self, now: float) -> None:
        """Swap to the latest version that is due; if that fails, the copy stays as it is until the next one."""
        due = [version for version, moment in self.due.items() if moment <= now]
        if not due or self.pinned:
            return
        latest = max(due, key=lambda version: version.number)
        self.due = {version: moment for version, moment in self.due.items() if version.number > latest.number}
        try:
            self._swap(latest)
        except OSError as why:
            log.warning("%s: the copy of the cutover file stays as it is: %s", self.folder, in_one_line(why))

    def _swap(self, version: _Version) -> None:
        self._write(version)
        link = self.folder / "..data_tmp"
        link.unlink(missing_ok=True)
        link.symlink_to(version.folder)
        link.replace(self.folder / _DATA)
        shutil.rmtree(self.folder / self.has.folder)
        self.has = version

    def _write(self, version: _Version) -> None:
        (self.folder / version.folder).mkdir()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(self.folder / version.folder / self.name, flags, PRIVATE), "wb") as file:  # noqa: PTH123
            file.write(version.content)


class Mounts(Periodic):
    """The copies of the cutover file `file` below `folder`; a thread changes them while the context is entered.

    A new mount has the content that the file has at that moment. Each later content reaches it with a delay, drawn from
    `seed` for the instance and the generation; of two contents the later one stays, whatever was drawn for them. If the
    file is deleted, the copies stay as they are.
    """

    def __init__(self, file: Path, folder: Path, delay: FileDelay, seed: int) -> None:
        super().__init__(self._refresh, POLL_S, "mounts")
        self._file = file
        self._folder = folder
        self._delay = delay
        self._seed = seed
        self._mounts: dict[str, _Mount] = {}
        self._newest = _Version(0, b"")
        self._lock = threading.Lock()

    def mount(self, instance: str) -> Path:
        """Mount the present file for an instance that starts, and return the path of its copy. Raises OSError."""
        with self._lock:
            self._look(self._file.read_bytes())
            mount = _Mount(self._folder / instance, self._file.name, self._newest)
            mount.fill()
            self._mounts[instance] = mount
            return mount.folder / mount.name

    def pin(self, instance: str) -> None:
        """Never change the copy of `instance` again, until it is mounted afresh."""
        with self._lock:
            self._mounts[instance].pinned = True

    def generations(self) -> Mapping[str, int | None]:
        """Return the generation that the copy of each instance has."""
        with self._lock:
            return {instance: generation_in(mount.has.content) for instance, mount in self._mounts.items()}

    def _refresh(self) -> None:
        with self._lock:
            # A file that is deleted, or is being replaced by an editor, is copied when it is there again.
            with contextlib.suppress(OSError):
                self._look(self._file.read_bytes())
            for mount in self._mounts.values():
                mount.refresh(time.monotonic())

    def _look(self, content: bytes) -> None:
        """Note a new content, and when each instance gets it."""
        if content == self._newest.content:
            return
        self._newest = version = _Version(self._newest.number + 1, content)
        generation, now = generation_in(content), time.monotonic()
        for instance, mount in self._mounts.items():
            mount.due[version] = now + drawn_s(self._delay, self._seed, instance, generation)
