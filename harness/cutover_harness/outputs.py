"""Check that files which a user names can be written, before the work of which they are the result begins."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cutover_harness.errors import UsageError


def check_file(path: Path, option: str) -> None:
    """Raise UsageError if the file `path` cannot be created or replaced. Its folder has to exist."""
    try:
        if path.is_dir():
            raise UsageError(f"{option} {path}: is a folder: give a file")
        if path.is_symlink():
            raise UsageError(f"{option} {path}: is a symbolic link, which would be replaced: give the file itself")
        if path.exists() and not path.is_file():
            raise UsageError(f"{option} {path}: is no regular file: give a file")
        if path.parent.exists() and not path.parent.is_dir():
            raise UsageError(f"{option} {path}: {path.parent} is a file: give a file in a folder")
        if not path.absolute().parent.is_dir():
            raise UsageError(f"{option} {path}: its folder does not exist: create it, or give another file")
        # A file with the longest name that is used on the way. Root passes every check of permissions, also in /proc.
        _try(path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp"))
    except OSError as why:
        raise UsageError(f"{option} {path}: cannot be written: {why.strerror or why}: give another file") from None


def check_folder(path: Path, option: str) -> None:
    """Raise UsageError if files cannot be created in the folder `path`, which is not created here."""
    try:
        if path.exists() and not path.is_dir():
            raise UsageError(f"{option} {path}: is a file: give a folder")
        if path.is_symlink() and not path.exists():
            raise UsageError(f"{option} {path}: is a symbolic link to a folder that does not exist: create it")
        there = path.absolute()
        while not there.exists() and there != there.parent:
            there = there.parent
        if not there.is_dir():
            raise UsageError(f"{option} {path}: cannot be created: {there} is a file: give another folder")
        _try(there / f".kafka-cutover.{secrets.token_hex(6)}.tmp")
    except OSError as why:
        raise UsageError(f"{option} {path}: cannot be written: {why.strerror or why}: give another folder") from None


def _try(file: Path) -> None:
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    file.unlink()
