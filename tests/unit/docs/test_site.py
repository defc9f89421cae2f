"""The site is built without a warning; a link or an anchor that leads nowhere ends the build."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cutover_harness.cli.commands import COMMANDS
from cutover_harness.watching.metrics import METRICS, PREFIX

from docs_site.hooks import relative_to_docs

ROOT = Path(__file__).parents[3]


def build(docs: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build a folder of pages as `make docs` builds that of the repository."""
    config = site.with_suffix(".yml")
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    text = text.replace("docs_dir: docs", f"docs_dir: {docs}").replace(
        "docs_site/hooks.py", f"{ROOT}/docs_site/hooks.py"
    )
    config.write_text(text if docs == ROOT / "docs" else _without_nav(text), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", config, "--site-dir", site],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def _without_nav(text: str) -> str:
    return re.sub(r"(?ms)^nav:.*|^hooks:.*?$", "", text)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = build(ROOT / "docs", folder)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class Loaded(HTMLParser):
    """The addresses from which a page loads something when it is viewed."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"script", "img", "iframe", "video", "source"}:
            self.addresses.append(given.get("src") or "")
        if tag == "link" and given.get("rel") not in {"canonical", "next", "prev", "alternate"}:
            self.addresses.append(given.get("href") or "")


def loaded(pages: Iterator[Path]) -> set[str]:
    found = Loaded()
    for page in pages:
        found.feed(page.read_text(encoding="utf-8"))
    return {address for address in found.addresses if re.match(r"(\w+:)?//", address)}


def test_a_page_loads_nothing_from_another_host(site: Path) -> None:
    assert loaded(site.rglob("*.html")) == set()


def test_an_address_of_another_host_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        '<link rel="stylesheet" href="https://fonts.example/x.css"><a href="https://fine.example">', "utf-8"
    )
    assert loaded(iter([page])) == {"https://fonts.example/x.css"}


def test_the_reference_has_every_command_and_every_metric(site: Path) -> None:
    commands = (site / "reference/commands.html").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"<code>kafka-cutover {name}</code>" not in commands] == []
    metrics = (site / "reference/metrics.html").read_text(encoding="utf-8")
    assert [name for name in METRICS if f"<code>{PREFIX}{name}</code>" not in metrics] == []


@pytest.mark.parametrize(
    ("link", "complaint"),
    [("nowhere.md", "link 'nowhere.md', but the target is not found"), ("index.md#nowhere", "no such anchor")],
)
def test_a_broken_link_ends_the_build(tmp_path: Path, link: str, complaint: str) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f"# Home\n\n[there]({link})\n", encoding="utf-8")
    done = build(docs, tmp_path / "site")
    assert done.returncode != 0
    assert complaint in done.stderr


def test_links_of_the_root_s_pages_lead_to_pages_of_the_site() -> None:
    assert relative_to_docs("[a](docs/run.md#x), [b](SECURITY.md), [c](https://x.example/docs/y)") == (
        "[a](run.md#x), [b](security.md), [c](https://x.example/docs/y)"
    )


def test_every_list_and_table_begins_after_a_blank_line() -> None:
    """GitHub shows them anyway; the site would show the text of a list as a paragraph."""
    for page in [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]:
        text = re.sub(r"(?ms)^(```|~~~).*?^\1", "", page.read_text(encoding="utf-8"))
        glued = re.findall(r"(?m)^(?![-*|>#\s]|\d+\. ).+\n(?:- |\d+\. |\|)", text)
        assert [each for each in glued if not each.startswith("<")] == [], page
