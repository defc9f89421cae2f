"""The direction of dependencies, and what importing the shim costs an application."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "shim/cutover_shim": set(),
    "harness/cutover_harness": {"cutover_shim", "cutover_scenarios"},  # the catalogue is data: where it lies, no more
    "scenarios/cutover_scenarios": set(),
    "reports/cutover_reports": {"cutover_harness", "cutover_shim"},
}
OURS = {"cutover_shim", "cutover_harness", "cutover_scenarios", "cutover_reports"}
KNOW_NOTHING_OF = {
    "harness/cutover_harness/judge": {"confluent_kafka", "subprocess", "psutil", "httpx", "cutover_shim", "pandas"},
    "harness/cutover_harness/ledger": {"confluent_kafka", "subprocess", "psutil", "httpx", "cutover_shim", "pandas"},
    "harness/cutover_harness/procedure": {
        "subprocess",
        "pydantic",
        "httpx",
        "cutover_shim",
        *(f"cutover_harness.{part}" for part in ("admin", "cli", "conductor", "judge", "mirror", "plan", "rehearsal")),
    },
    "harness/cutover_harness/mirror": {
        "cutover_harness.plan",
        "cutover_harness.conductor",
        "cutover_harness.rehearsal",
    },
    "harness/cutover_harness/testbed": {
        "cutover_harness.plan",
        "cutover_harness.conductor",
        "cutover_harness.rehearsal",
    },
}


def imports(folder: Path) -> set[tuple[Path, str]]:
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {(file, alias.name) for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add((file, node.module))
    return found


@pytest.mark.parametrize("root", MAY_IMPORT)
def test_packages_import_only_what_is_below_them(root: str) -> None:
    package = Path(root).name
    for file, module in imports(ROOT / root):
        top = module.split(".")[0]
        if top in OURS and top != package:
            assert top in MAY_IMPORT[root], f"{file} imports {module}"


@pytest.mark.parametrize("root", KNOW_NOTHING_OF)
def test_parts_of_the_harness_stay_ignorant(root: str) -> None:
    for file, module in imports(ROOT / root):
        for forbidden in KNOW_NOTHING_OF[root]:
            assert not f"{module}.".startswith(f"{forbidden}."), f"{file} imports {module}"


def test_the_check_sees_a_forbidden_import(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def f():\n    from cutover_reports import tables\n", encoding="utf-8")
    assert {module for _, module in imports(tmp_path)} == {"cutover_reports"}


def test_importing_the_shim_loads_the_client_and_the_standard_library_only() -> None:
    program = (
        "import sys; import confluent_kafka; import cutover_shim\n"
        "loaded = {n.split('.')[0] for n, m in sys.modules.items() if getattr(m, '__file__', None)}\n"
        # Names that the list of the standard library leaves out, such as its extensions for tests, begin with a line.
        "print(*sorted(n for n in loaded - sys.stdlib_module_names if not n.startswith('_')))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", _paths() + program], capture_output=True, text=True, check=True)
    # What the client itself loads (typing_extensions on older Pythons, say) is the client's business.
    raw = subprocess.run(
        [sys.executable, "-S", "-c", _paths() + program.replace("import cutover_shim", "")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) - set(raw.stdout.split()) == {"cutover_shim"}


def _paths() -> str:
    # Without `site` (-S), so that what an environment's .pth files import is not taken for the shim's doing.
    return f"import sys; sys.path[:] = {sys.path!r}\n"
