"""Hooks of MkDocs: the pages of the reference, and those of the repository's root.

MkDocs loads this file by its path, so that everything else is in modules that are imported as usual.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs_site.reference import PAGES

ROOT = Path(__file__).resolve().parents[1]
ROOT_PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "SECURITY.md": "security.md"}
WORKER = "assets/javascripts/iframe-worker.js"
_FOREIGN_WORKER = re.compile(r"https://unpkg\.com/iframe-worker/shim")
_CODE = re.compile(r"(<pre>(?:<span></span>)?)<code>")
_LINK = re.compile(r"\]\((?:docs/)?([^)#:]+)(#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for name, page in PAGES.items():
        files.append(File.generated(config, f"reference/{name}.md", content=page()))
    for name, uri in ROOT_PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, uri, content=relative_to_docs(text)))
    text = (ROOT / "docs_site/iframe-worker.js").read_text(encoding="utf-8")
    files.append(File.generated(config, WORKER, content=text))
    return files


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001 - MkDocs passes them by name
    """Repair what the theme lacks."""
    return repaired(output, "../" * page.url.count("/"))


def on_post_template(output: str, template_name: str, config: MkDocsConfig) -> str:  # noqa: ARG001
    """Do the same for the page of addresses that do not exist."""
    return repaired(output, "")


def repaired(html: str, root: str) -> str:
    """Return a page that loads the script of the offline search from the site, whose root is given, not from a host.

    The keyboard can scroll its code, and a screen reader names its search.
    """
    html = _FOREIGN_WORKER.sub(root + WORKER, html)
    html = html.replace('role="dialog"', 'role="dialog" aria-label="Search"')
    return _CODE.sub(r'\1<code tabindex="0">', html)


def relative_to_docs(text: str) -> str:
    """Return a page of the root with the links that it has as a page of the site."""
    return _LINK.sub(lambda link: f"]({ROOT_PAGES.get(link[1], link[1])}{link[2] or ''})", text)
