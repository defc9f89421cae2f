"""Report an unexpected error on the command line."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Mapping

from cutover_harness import exit_codes
from cutover_harness.errors import refusal
from cutover_harness.masking import masked, printable

DEBUG = "KAFKA_CUTOVER_DEBUG"
"""Exit code for a defect of the tool (EX_SOFTWARE); 1 means that records were lost or reordered."""


def last_resort(error: Exception, env: Mapping[str, str] | None = None) -> int:
    """Print one line about `error` and return the exit code; with KAFKA_CUTOVER_DEBUG set, first its traceback."""
    if (os.environ if env is None else env).get(DEBUG):
        traceback.print_exception(error)
    why = refusal(error)
    if why is not None:
        print(f"kafka-cutover: {printable(why)}", file=sys.stderr)
        return exit_codes.REFUSED
    text = printable(masked(" ".join(str(error).split())))[:200]
    kept = _keep(error)
    print(f"kafka-cutover: unexpected {type(error).__name__}: {text}; {kept}", file=sys.stderr)
    return exit_codes.DEFECT


def _keep(error: Exception) -> str:
    """Write the traceback to a new file and return a message that names it."""
    try:
        handle, name = tempfile.mkstemp(prefix="kafka-cutover-", suffix=".traceback.txt")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return f"set {DEBUG}=1 to see the traceback"
    return f"the traceback is in {name}: please report it"
