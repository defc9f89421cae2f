"""Secrets of connector configurations, kept in files: Connect's REST interface shows configurations to everyone.

Connect's DirectoryConfigProvider replaces `${NAME:FOLDER:FILE}` when a connector starts, also
in its tasks' configurations; what is stored and shown is the reference.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path

from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.masking import is_secret
from cutover_harness.mirror.errors import MirrorError

PROVIDER = "cutover"
SHOWN = (
    "Connect's REST interface shows the passwords of connector configurations to everyone who reaches it: give "
    "references to a config provider of its workers as sasl.jaas.config and ssl.* of the clusters' properties"
)
# Ends a part of a reference, or an item of the list of folders.
_UNFIT = re.compile(r"[:},]")
_REFERENCE = re.compile(r"\$\{[^}]*:[^}]*\}")
# Options of a login module, in a value that has references.
_OPTION = re.compile(r"""(\w+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;]*)""")


def usable(folder: Path) -> bool:
    """Return whether references can name the folder."""
    return not _UNFIT.search(str(folder))


def provider_properties(folder: Path) -> dict[str, str]:
    """Return the properties of a worker that reads secrets from files in `folder` alone; it has to exist."""
    prefix = f"config.providers.{PROVIDER}"
    return {
        "config.providers": PROVIDER,
        f"{prefix}.class": "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
        f"{prefix}.param.allowed.paths": str(folder),
    }


def in_the_clear(config: Mapping[str, str]) -> bool:
    """Return whether a configuration holds a secret itself, and not a reference to one."""
    return any(is_secret(key) and value and not _refers(value) for key, value in config.items())


def beside_references(config: Mapping[str, str]) -> bool:
    """Return whether a value that has a reference holds a secret as well, which is then not moved to a file."""
    return any(is_secret(key) and _REFERENCE.search(value) and not _refers(value) for key, value in config.items())


def _refers(value: str) -> bool:
    """Return whether the value has references, and no secret next to them."""
    if not _REFERENCE.search(value):
        return False
    given = [its for name, its in _OPTION.findall(value) if is_secret(name)]
    return all(_REFERENCE.search(its) or its.strip('"') in {"", "true", "false"} for its in given)


class SecretFiles:
    """Files in one folder, readable for their owner alone: a secret each."""

    def __init__(self, folder: Path) -> None:
        if not usable(folder):
            raise MirrorError(f"{folder}: a folder of secrets for Connect must not have ':', '}}' or ',' in its path")
        self._folder = folder

    def moved(self, connector: str, config: Mapping[str, str]) -> tuple[dict[str, str], bool]:
        """Write the configuration's secrets to files; return it with references to them, and whether one is new.

        A connector has to be restarted to see a changed secret.
        """
        found, new = dict(config), False
        for key, value in config.items():
            if is_secret(key) and value and not _REFERENCE.search(value):
                name = f"{connector}@{key}"
                new |= self._write(self._folder / name, value)
                found[key] = f"${{{PROVIDER}:{self._folder}:{name}}}"
        return found, new

    def remove(self, connector: str) -> None:
        """Remove the files of a deleted connector."""
        for file in self._folder.glob(f"{connector}@*"):
            with contextlib.suppress(OSError):
                file.unlink()

    def _write(self, file: Path, value: str) -> bool:
        """Return whether the file did not hold the value already."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if file.is_file() and not file.is_symlink() and file.read_text(encoding="utf-8") == value:
                return False
            write_atomic(file, value, mode=PRIVATE)  # a link that is already there is replaced, never followed
        except OSError as why:
            raise MirrorError(f"{self._folder}: secrets for Connect cannot be written ({why.strerror})") from why
        return True
