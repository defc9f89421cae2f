"""The documentation on a wide and a narrow screen, for readers with a keyboard or a screen reader."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.conftest import PATIENCE_S
from tests.browser.test_report_page import violations
from tests.unit.docs.test_site import ROOT, build

pytestmark = pytest.mark.browser

SCRIPT = Path("javascripts/scrollable.js")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = build(ROOT / "docs", folder)
    assert done.returncode == 0, done.stderr
    return folder


def opened(browser: webdriver.Chrome, page: Path, *, width: int, scheme: str = "light") -> webdriver.Chrome:
    """Open a page at a width and wait until the theme has built the frames of its code and tables."""
    size: dict[str, Any] = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(page.as_uri())
    plain = "article table:not([class]), article pre > code"
    built = ".md-typeset__table > table, article pre > .md-code__nav"
    count = len(browser.find_elements(By.CSS_SELECTOR, plain))
    WebDriverWait(browser, PATIENCE_S).until(lambda b: len(b.find_elements(By.CSS_SELECTOR, built)) >= count)
    return browser


def serious(driver: webdriver.Chrome) -> list[tuple[str, str]]:
    return [
        (violation["id"], node["html"][:120])
        for violation in violations(driver)
        if violation["impact"] in ("serious", "critical", "moderate")
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("name", ["index", "tutorial", "run"])
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_axe_finds_nothing_serious(browser: webdriver.Chrome, site: Path, name: str, width: int, scheme: str) -> None:
    driver = opened(browser, site / f"{name}.html", width=width, scheme=scheme)
    assert serious(driver) == []
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_axe_finds_what_the_theme_alone_leaves(browser: webdriver.Chrome, site: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(site, tmp_path / "site"))
    (bare / SCRIPT).write_text("", encoding="utf-8")
    found = {rule for rule, _ in serious(opened(browser, bare / "run.html", width=390))}
    assert found == {"scrollable-region-focusable", "landmark-unique"}
