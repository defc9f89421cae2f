"""Pass bytes to the process that replaces this one, and to its children, without a file that others could find.

They are in an open file without a name. The environment contains the number of its descriptor.
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
    """Return a reference to `content` for `take` in a process that this one starts or becomes. Raises UsageError."""
    try:
        descriptor, name = tempfile.mkstemp(prefix="kafka-cutover-load-")  # 0600, with an unpredictable name
        Path(name).unlink()
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
    except OSError as why:
        raise UsageError(f"load: {tempfile.gettempdir()} cannot be written ({why.strerror})") from why
    os.set_inheritable(descriptor, True)
    return f"{_PREFIX}{descriptor}"


def is_handed_over(reference: str) -> bool:
    """Return whether `reference` is from `hand_over`; otherwise it is the name of a file."""
    return reference.startswith(_PREFIX) and reference.removeprefix(_PREFIX).isdecimal()


def take(reference: str, what: str) -> bytes:
    """Return the content of `reference`, which may also be the name of a file. Raises UsageError naming `what`."""
    if not is_handed_over(reference):
        return read_input(Path(reference), what)
    number = reference.removeprefix(_PREFIX)
    content = b""
    try:
        # By offset: forked processes share the descriptor's position.
        while block := os.pread(int(number), _BLOCK, len(content)):
            content += block
    except OSError as why:
        raise UsageError(f"{what} {reference}: cannot be read: {why.strerror}") from None
    return content
