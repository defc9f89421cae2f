"""`python -m cutover_shim app.py …`: run an application on the shim without a change to it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from cutover_shim.adoption import install

USAGE = "usage: python -m cutover_shim (FILE | -m MODULE) [ARGUMENT…]"


def main() -> None:
    """Install the shim, then run the file or module as if Python had been given it."""
    import confluent_kafka.admin  # noqa: F401, PLC0415 - so that it is replaced too, whenever the application imports it

    arguments = sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help"} or (arguments[0] == "-m" and len(arguments) == 1):
        sys.stdout.write(USAGE + "\n")
        raise SystemExit(0 if arguments[:1] in (["-h"], ["--help"]) else 2)
    install()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path[0] = str(Path.cwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    if not Path(arguments[0]).exists():
        sys.stderr.write(f"cutover_shim: {arguments[0]}: no such file; {USAGE}\n")
        raise SystemExit(2)
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).resolve().parent)
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
