"""The pages in Debian's Chromium, headless, without a network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cutover_reports import write_report
from cutover_reports.performed.write import write_cutover
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.unit.conductor.world import World
from tests.unit.reports.cutover_folder import Run
from tests.unit.reports.run_folders import half_written, write_run
from tests.unit.reports.test_cutover import rehearsal
from tests.unit.reports.test_hostile import hostile_run

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever the page asked of a network would fail, and be in its log. The page of a run is served by the test.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

#: A bound for a machine that does much else besides; nothing here takes seconds by itself.
PATIENCE_S = 180

Open = Callable[..., webdriver.Chrome]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    if not CHROMIUM or not CHROMEDRIVER:
        pytest.skip("chromium and chromedriver are not installed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(CHROMEDRIVER))
    driver.set_script_timeout(PATIENCE_S)
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the reports that the tests open, by name."""
    root = tmp_path_factory.mktemp("reports")
    folders = {
        "whole": write_run(root / "whole"),
        "half": half_written(root / "half"),
        "hostile": hostile_run(root / "hostile"),
    }
    for folder in folders.values():
        write_report(folder)
    folders["cutover"] = root / "cutover"
    write_cutover(cutover_run(root / "shop"), folders["cutover"])
    return {name: folder / "report.html" for name, folder in folders.items()}


def cutover_run(home: Path) -> Path:
    """Write a run that stopped at a gate, was resumed and came to its end, with its rehearsal; return its folder."""
    run = Run(home, world=(world := World(is_drained=False)))
    assert run.move() == "stopped"
    world.is_drained = True
    assert run.move() == "completed"
    rehearsal(home / "rehearsal", run.plan.digest)
    return run.path


@pytest.fixture
def open_page(browser: webdriver.Chrome, pages: dict[str, Path]) -> Open:
    """Return a function that opens a report at a width, light or dark, and waits until its script has run."""

    def open_it(name: str, *, width: int = 1440, scheme: str = "light", anchor: str = "") -> webdriver.Chrome:
        size: dict[str, Any] = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get("about:blank")
        browser.get_log("browser")  # type: ignore[no-untyped-call]
        browser.get(pages[name].as_uri() + anchor)
        WebDriverWait(browser, PATIENCE_S).until(lambda b: b.find_elements(By.CSS_SELECTOR, "body[data-ready]"))
        return browser

    return open_it
