"""`python -m cutover_shim app.py …`: run an unchanged application on the shim."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path

from cutover_shim.adoption import install

USAGE = "usage: python -m cutover_shim (FILE | -m MODULE) [ARGUMENT…]"


def main() -> None:
    """Install the shim, then run the file or module as Python would."""
    import confluent_kafka.admin  # noqa: F401, PLC0415 - before install(), so that it is replaced too

    arguments = sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help"} or (arguments[0] == "-m" and len(arguments) == 1):
        sys.stdout.write(USAGE + "\n")
        raise SystemExit(0 if arguments[:1] in (["-h"], ["--help"]) else 2)
    install()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path[0] = str(Path.cwd())
        if not _exists(arguments[1]):
            sys.stderr.write(f"cutover_shim: -m {arguments[1]}: no such module: {USAGE}\n")
            raise SystemExit(2)
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    if not Path(arguments[0]).exists():
        sys.stderr.write(f"cutover_shim: {arguments[0]}: no such file: {USAGE}\n")
        raise SystemExit(2)
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).resolve().parent)
    runpy.run_path(arguments[0], run_name="__main__")


def _exists(module: str) -> bool:
    if not module or module.startswith("."):
        return False
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            return False
        raise  # its package is there, and fails itself


if __name__ == "__main__":
    main()
