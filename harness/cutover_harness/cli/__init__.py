"""The `kafka-cutover` command: a thin shell that parses, calls one function and prints."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Ctrl-C while it is still loading has nothing to clean up."""
    try:
        from cutover_harness.cli.app import run  # noqa: PLC0415 - the shim alone installs without what this needs
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("cutover_"):
            raise
        print(f"kafka-cutover: needs {missing.name}: pip install 'kafka-cutover[harness]'", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    run()
