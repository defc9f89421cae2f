"""Handing text to the process that takes this one's place, and to its children, without a file that others could find.

It is in an open file that has no name any more. What stands in the environment is the number of its descriptor.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_input

_PREFIX = "fd:"
_BLOCK = 1 << 20


def hand_over(content: bytes) -> str:
    """Return a reference to `content` for `take` in a process that this one starts or becomes; raises UsageError."""
    try:
        descriptor, name = tempfile.mkstemp(prefix="kafka-cutover-load-")  # 0600, a name that nobody can guess
        Path(name).unlink()
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
    except OSError as why:
        raise UsageError(f"load: {tempfile.gettempdir()} cannot be written ({why.strerror})") from why
    os.set_inheritable(descriptor, True)
    return f"{_PREFIX}{descriptor}"


def is_handed_over(reference: str) -> bool:
    """Return whether `hand_over` returned it; otherwise it is the name of a file."""
    return reference.startswith(_PREFIX) and reference.removeprefix(_PREFIX).isdecimal()


def take(reference: str, what: str) -> bytes:
    """Return what `reference` stands for, which may also be the name of a file; raises UsageError naming `what`."""
    if not is_handed_over(reference):
        return read_input(Path(reference), what)
    number = reference.removeprefix(_PREFIX)
    content = b""
    try:
        # By position: processes that were forked share the descriptor's own.
        while block := os.pread(int(number), _BLOCK, len(content)):
            content += block
    except OSError as why:
        raise UsageError(f"{what} {reference}: cannot be read: {why.strerror}") from None
    return content
