"""What a page shows is the file that is tested: a block behind `<!-- PATH -->` is the content of PATH."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_COPY = re.compile(r"<!-- ([\w./-]+) -->\n\n```\w+\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def copies(text: str) -> list[tuple[str, str]]:
    """Return path and block of each copy on a page."""
    return _COPY.findall(text)


def test_each_copy_is_the_file() -> None:
    found = [(page, path, block) for page in PAGES for path, block in copies(page.read_text(encoding="utf-8"))]
    for page, path, block in found:
        assert block == (ROOT / path).read_text(encoding="utf-8"), f"{page} shows another {path}"
    shown = {path for _, path, _ in found}
    assert shown >= {f"docs/examples/{each.name}" for each in (ROOT / "docs/examples").glob("*.py")}


def test_a_copy_that_differs_would_be_found() -> None:
    assert copies("<!-- docs/examples/x.py -->\n\n```python\na = 1\n```\n") == [("docs/examples/x.py", "a = 1\n")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_marker_is_without_its_block(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"<!-- (?:docs/examples|packaging)/", text)) == len(copies(text))


def test_the_readme_has_the_figures_of_the_page_that_explains_them() -> None:
    measured = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in _rows("docs/automq.md")
    }
    shown = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in _rows("README.md")
    }
    assert len(shown) == 5
    for path, (_for, producers, consumers, re_read) in shown.items():
        assert [producers, consumers, re_read] == [measured[path][n] for n in (0, 1, 3)], path


def _rows(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"(?m)^\| (?:in-process|restart|overlap|rollback-from-\S+) \|.*\|$", text)
