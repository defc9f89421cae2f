"""The layers of docs/architecture.md, and the size of modules."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
HARNESS = ROOT / "harness/cutover_harness"
LAYERS = (
    {"cli", "testing", "load", "watching", "pytest_plugin"},
    {"rehearsal", "cutover"},
    {"conductor", "explore", "inventory", "planning", "preflight", "verify"},
    {"plan"},
    {"faults"},
    {"channels", "mirror", "testbed", "replay", "capture", "judge"},
    {"procedure", "ledger"},
)
"""From top to bottom; what is not named is the ground that everything may import."""
CODE = ("shim", "harness", "scenarios", "reports", "benchmarks")
MOST_LINES, MOST_IMPORTS = 400, 20


def rank(package: str) -> int:
    return next((number for number, layer in enumerate(LAYERS) if package in layer), len(LAYERS))


def upward(harness: Path) -> list[str]:
    """Return the imports that point up, as `file imports module`."""
    found = []
    for file in sorted(harness.rglob("*.py")):
        own = file.relative_to(harness).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cutover_harness."):
                other = str(node.module).split(".")[1]
                if rank(own) > rank(other) and rank(own) < len(LAYERS):
                    found.append(f"{file.relative_to(harness)} imports {node.module}")
    return found


def too_large(folder: Path) -> list[str]:
    """Return the modules with too many lines or imports, with the number."""
    found = []
    for file in sorted(folder.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        imports = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
        count = len([node for node in imports if getattr(node, "module", "") != "__future__"])
        if lines > MOST_LINES:
            found.append(f"{file.relative_to(folder)}: {lines} lines")
        if count > MOST_IMPORTS:
            found.append(f"{file.relative_to(folder)}: {count} imports")
    return found


def test_no_package_of_the_harness_imports_from_a_layer_above() -> None:
    assert upward(HARNESS) == []


def test_an_import_that_points_up_is_found(tmp_path: Path) -> None:
    (tmp_path / "judge").mkdir()
    (tmp_path / "judge" / "bad.py").write_text("from cutover_harness.cli import app\n", encoding="utf-8")
    assert upward(tmp_path) == ["judge/bad.py imports cutover_harness.cli"]


def test_modules_stay_small() -> None:
    assert [text for folder in CODE for text in too_large(ROOT / folder)] == []


def test_a_module_that_is_too_large_is_found(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("x = 1\n" * (MOST_LINES + 1), encoding="utf-8")
    (tmp_path / "wide.py").write_text("import os\n" * (MOST_IMPORTS + 1), encoding="utf-8")
    assert too_large(tmp_path) == [f"long.py: {MOST_LINES + 1} lines", f"wide.py: {MOST_IMPORTS + 1} imports"]


def same_names(tests: Path) -> list[str]:
    """Return the names of test files that pytest cannot collect together: same name, folders without `__init__.py`."""
    names = [file.name for file in tests.rglob("test_*.py") if not (file.parent / "__init__.py").exists()]
    return sorted({name for name in names if names.count(name) > 1})


def test_test_files_can_be_collected_together() -> None:
    assert same_names(ROOT / "tests") == []


def test_test_files_of_the_same_name_are_found(tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test_x.py").touch()
    (tmp_path / "c" / "__init__.py").touch()
    assert same_names(tmp_path) == ["test_x.py"]
    (tmp_path / "b" / "test_x.py").unlink()
    assert same_names(tmp_path) == []
