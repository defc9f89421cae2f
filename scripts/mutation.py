"""Mutation tests of the judge and of the procedure: the share of small defects that their unit tests notice.

    python scripts/mutation.py [--tests FOLDER ...] [PATTERN ...]

PATTERN selects mutants by module and function, such as 'cutover_harness.procedure.settling*' (default: all, which takes
hours). FOLDER restricts the tests. mutmut expects packages below `src`, so it works on a copy, which keeps its results:
a second call runs only what has changed. It prints the mutants that no test noticed, and the score of all that were
run, also by earlier calls.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import tomli_w

ROOT = Path(__file__).parents[1]
COPY = ROOT / ".cache" / "mutation"
TESTS = ("tests/unit/judge", "tests/unit/procedure", "tests/unit/conductor")


def config(tests: list[str]) -> str:
    """Return the pyproject.toml of the copy."""
    package = "src/cutover_harness"
    return tomli_w.dumps(
        {
            "tool": {
                "mutmut": {
                    "source_paths": ["src/"],
                    "only_mutate": [f"{package}/judge/*", f"{package}/procedure/*"],
                    "do_not_mutate": ["*/table.py"],  # prints a table of the docs
                    "also_copy": ["tests", "docs", "pyproject.toml"],
                    "pytest_add_cli_args_test_selection": tests,
                },
                "pytest": {"ini_options": {"addopts": "-p no:ddtrace -p no:cacheprovider", "pythonpath": ["."]}},
            }
        }
    )


def copy(tests: list[str]) -> None:
    """Copy the harness, its tests and the docs to where mutmut expects them; earlier results stay."""
    COPY.mkdir(parents=True, exist_ok=True)
    for source, name in (("harness/cutover_harness", "src/cutover_harness"), ("tests", "tests"), ("docs", "docs")):
        shutil.rmtree(COPY / name, ignore_errors=True)
        shutil.copytree(ROOT / source, COPY / name, ignore=shutil.ignore_patterns("__pycache__"))
    (COPY / "pyproject.toml").write_text(config(tests), encoding="utf-8")


def mutmut(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run mutmut on the copy; what it prints is shown unless it lists results."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, cwd=COPY, check=False, text=True, capture_output=arguments[0] != "run")


def main() -> int:
    """Run mutmut, and print survivors and score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    parser.add_argument("--tests", nargs="+", metavar="FOLDER", default=list(TESTS))
    options = parser.parse_args()
    copy(options.tests)
    if code := mutmut("run", *options.patterns).returncode:
        return code
    print(*(line for line in mutmut("results").stdout.splitlines() if not line.endswith(": not checked")), sep="\n")
    mutmut("export-cicd-stats")
    found = json.loads((COPY / "mutants" / "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    noticed = (
        found["killed"] + found["timeout"] + found["segfault"]
    )  # a defect that hangs or crashes is noticed as well
    tried = noticed + found["survived"] + found["no_tests"] + found["suspicious"]
    print(f"{noticed} of {tried} mutants were noticed" + (f": {noticed / tried:.0%}" if tried else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
