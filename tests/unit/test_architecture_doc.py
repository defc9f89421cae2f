"""docs/architecture.md names only files and modules that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
BASES = (
    ROOT,
    ROOT / "harness/cutover_harness",
    ROOT / "shim/cutover_shim",
    ROOT / "reports",
)
OF_A_RUN = {"apps/", "batches/", "connectors/", "ledger/", "logs/", "mounts/", "status/"}


def named() -> set[str]:
    """Return everything in backquotes that reads like a path of a file or a folder."""
    quoted = re.findall(r"`([^`\n]+)`", DOC.replace("```", ""))
    return {word for word in quoted if re.fullmatch(r"[\w./-]+(\.py|/[\w-]*)", word)} - OF_A_RUN


def missing(paths: set[str]) -> list[str]:
    return sorted(path for path in paths if not any((base / path).exists() for base in BASES))


def test_every_path_exists() -> None:
    assert len(named()) > 30
    assert missing(named()) == []


def test_a_path_that_does_not_exist_is_found() -> None:
    assert missing({"procedure/no_such_module.py"}) == ["procedure/no_such_module.py"]


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ([\w.]+)", DOC))))
def test_every_module_that_prints_something_does(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_every_package_of_the_harness_has_a_line() -> None:
    packages = {path.parent.name for path in (ROOT / "harness/cutover_harness").glob("*/__init__.py")}
    assert packages - {"testing"} - set(re.findall(r"^\| `(\w+)/`", DOC, flags=re.MULTILINE)) == set()


def test_readme_and_contributing_lead_to_it() -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "docs/architecture.md" in text, name
        assert "docs/glossary.md" in text, name
