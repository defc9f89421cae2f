"""`python -m benchmarks [NAME…]`: run all benchmarks, or those that are named, each in a process of its own.

A benchmark is a module of this folder with a `main()` that ends with `figures.conclude`. Prints each figure next to the
one that is kept in `results.json`, with machine and versions.

    --save         keep the results: those of benchmarks that were not run stay; also writes docs/benchmarks.md
    --json FILE    write the results of this run

The exit code is 1 if one missed its bar, counted wrong or failed; 2 for a wrong name, a missing
folder, or a damaged results.json.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import FIGURES
from benchmarks.results import PAGE, RESULTS, DamagedError, Result, compared, load, machine, page, save

HERE = Path(__file__).parent


def names() -> list[str]:
    found = []
    for path in sorted(HERE.glob("[!_]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            found.append(path.stem)
    return found


def run(name: str) -> tuple[int, Result | None]:
    """Run one benchmark; return its exit code, and its result unless it failed before the end."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        before = machine()
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        code = subprocess.run(command, cwd=HERE.parent, env={**os.environ, FIGURES: str(file)}, check=False).returncode
        try:
            return code, Result.of(before, json.loads(file.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):  # it ended before it had written its figures, or while it wrote them
            return code or 1, None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names())}")
    parser.add_argument("--save", action="store_true", help="keep the results, and write their page in docs/")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results of this run")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.names) - set(names())):
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(names())}")
    if given.json is not None and (given.json.is_dir() or not given.json.absolute().parent.is_dir()):
        parser.error(f"--json {given.json}: give a file in a folder that exists")  # not after all the measuring
    try:
        earlier = load(RESULTS)
    except DamagedError as why:
        parser.error(str(why))
    found: dict[str, Result] = {}
    failed = []
    for name in given.names or names():
        print(f"== {name}", flush=True)
        code, result = run(name)
        if code:
            failed.append(name)
        if result is None:
            print(f"{name} failed (exit code {code})", flush=True)
            continue
        found[name] = result
        for line in compared(result, earlier.get(name)):
            print(line, flush=True)
    if given.json is not None:
        save(given.json, found)
    if given.save:
        save(RESULTS, {**earlier, **found})
        PAGE.write_text(page(load(RESULTS)), encoding="utf-8")
    print(f"failed: {', '.join(failed)}" if failed else "every bar is held", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
