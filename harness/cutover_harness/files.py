"""Replace a file in one step, so that no reader ever finds half of one."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

PRIVATE = 0o600
"""Mode of a file that only its owner may read and write."""
_ALLOWED_BY_UMASK = 0o666


def write_atomic(
    path: Path,
    text: str,
    *,
    mode: int | None = None,
    owner: tuple[int, int] | None = None,
    durable: bool = False,
    errors: str = "strict",
) -> None:
    """Write `text` as UTF-8 into a temporary file next to `path`, then rename it to `path`.

    The file gets the permission bits `mode`; with None the umask decides, as for any new file. `owner`: user
    and group that it gets as far as this process may give it to them. With `durable` the content is on the disk before
    the file has its name. `errors` handles characters that UTF-8 cannot encode, as in
    `open`. Raises OSError that names `path`, which is then as it was, and no temporary file is left.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    # O_EXCL: neither a file nor a link that is already there is written to.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        handle = os.open(temporary, flags, _ALLOWED_BY_UMASK if mode is None else mode)
        with os.fdopen(handle, "w", encoding="utf-8", errors=errors) as file:
            if owner is not None:
                _give(handle, *owner)
            if mode is not None:
                os.fchmod(handle, mode)
            file.write(text)
            if durable:
                file.flush()
                os.fsync(handle)
        temporary.replace(path)
    except BaseException as why:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(why, OSError) and why.strerror:
            raise OSError(why.errno, why.strerror, str(path)) from why  # the temporary name means nothing to a user
        raise


def _give(handle: int, user: int, group: int) -> None:
    for owner in ((-1, group), (user, -1)):  # one of them may be allowed
        with contextlib.suppress(OSError):
            os.fchown(handle, *owner)
