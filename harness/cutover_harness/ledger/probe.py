"""Read Parquet files of other tools in a separate process first, as a damaged one may crash it.

Arrow aborts the process, instead of raising an error, where certain bytes of a file are damaged. Files that were sealed
here have a checksum; damage of others shows only when they are read.

    python -m cutover_harness.ledger.probe FILE...
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cutover_harness.ledger.errors import LedgerError
from cutover_harness.ledger.sealed import ParquetRows

_AT_ONCE = 200


def require_readable(paths: Sequence[Path]) -> None:
    """Raise LedgerError if one of the files is damaged such that it crashes its reader."""
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        status, read = _run(some)
        if status != 0:
            how = f"signal {-status}" if status < 0 else f"exit code {status}"
            raise LedgerError(
                f"{some[min(read, len(some) - 1)]}: damaged: a process that reads it ends with {how}; copy it again"
            )


def _run(paths: Sequence[Path]) -> tuple[int, int]:
    """Return how the reading process ended (as `waitstatus_to_exitcode`), and how many files it had read by then."""
    reader, writer = os.pipe()
    try:
        child = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", __name__, *map(str, paths)],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, writer, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_CLOSE, reader),
                (os.POSIX_SPAWN_CLOSE, writer),
            ],
        )
    finally:
        os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        read = len(pipe.read())  # one byte per file
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), read


def _main(paths: Sequence[str]) -> None:
    for path in paths:
        try:
            for _ in ParquetRows(Path(path)).parts():
                pass
        except LedgerError:
            pass  # the next reader of the file reports it
        os.write(1, b".")


if __name__ == "__main__":
    _main(sys.argv[1:])
