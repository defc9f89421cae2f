"""The folder of a testbed's Connect workers for secrets, so that Connect's REST interface shows references alone."""

from __future__ import annotations

import shutil
from pathlib import Path

from cutover_harness.mirror.secret_files import provider_properties, usable

_NAME = "connect-secrets"


def folder_of(workdir: Path) -> Path | None:
    """Return the folder below a testbed's folder; None if references cannot contain its path."""
    folder = workdir / _NAME
    return folder if usable(folder) else None


def create(folder: Path | None) -> None:
    """Create the folder, for this user alone (0700)."""
    if folder is not None:
        folder.mkdir(mode=0o700, exist_ok=True)


def worker_properties(folder: Path | None) -> dict[str, str]:
    """Return the properties of a worker that reads secrets from the folder, which exists when the worker starts."""
    return {} if folder is None else provider_properties(folder)


def remove(folder: Path | None) -> None:
    """Remove the folder with the secrets of connectors that were never deleted."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
