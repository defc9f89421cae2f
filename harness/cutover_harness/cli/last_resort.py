"""What the command line says of an error that nobody expected."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Mapping

from cutover_harness.errors import refusal
from cutover_harness.masking import masked

DEBUG = "KAFKA_CUTOVER_DEBUG"
EXIT_USAGE = 2
EXIT_DEFECT = 70
"""Of a defect of ours (EX_SOFTWARE): 1 means that records were lost, or out of order."""


def last_resort(error: Exception, env: Mapping[str, str] | None = None) -> int:
    """Print one line about `error` and return the exit code; with KAFKA_CUTOVER_DEBUG set, its traceback before."""
    if (os.environ if env is None else env).get(DEBUG):
        traceback.print_exception(error)
    why = refusal(error)
    if why is not None:
        print(f"kafka-cutover: {why}", file=sys.stderr)
        return EXIT_USAGE
    text = masked(" ".join(str(error).split()))[:200]
    kept = _keep(error)
    print(f"kafka-cutover: unexpected {type(error).__name__}: {text}; {kept}", file=sys.stderr)
    return EXIT_DEFECT


def _keep(error: Exception) -> str:
    """Write the traceback to a file of its own and return what to say of it."""
    try:
        handle, name = tempfile.mkstemp(prefix="kafka-cutover-", suffix=".traceback.txt")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return f"set {DEBUG}=1 to see where"
    return f"the traceback is in {name}: please report it"
