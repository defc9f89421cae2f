"""The page of a run in Chromium: what it shows, that it follows the run, by keyboard, and without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.locks import FileLock
from cutover_harness.watching.address import Address
from cutover_harness.watching.server import Server
from cutover_harness.watching.watcher import Watcher
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.conftest import PATIENCE_S
from tests.browser.test_report_page import log, violations
from tests.unit.watching.recorded import Recorded

pytestmark = pytest.mark.browser


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    found = Recorded(tmp_path).on_hold()
    with FileLock(ConductorConfig.load(found.own / CONFIG).lock):  # as a conductor holds it
        yield found


@pytest.fixture
def page(recorded: Recorded, browser: webdriver.Chrome) -> Iterator[Callable[..., webdriver.Chrome]]:
    """Return a function that opens the page; it reads statuses when it is called, and no cluster."""
    watcher = Watcher(recorded.plan, recorded.run)
    watcher.snapshot()
    watcher.read_statuses()
    with Server(watcher, Address("127.0.0.1", 0)) as server:

        def open_it(scheme: str = "light", width: int = 1200) -> webdriver.Chrome:
            size: dict[str, Any] = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            browser.get("about:blank")
            browser.get_log("browser")  # type: ignore[no-untyped-call]
            browser.get(server.url)
            WebDriverWait(browser, PATIENCE_S).until(lambda b: b.find_elements(By.CSS_SELECTOR, "body[data-ready]"))
            return browser

        yield open_it
        browser.get("about:blank")


def text(driver: webdriver.Chrome, selector: str = "body") -> str:
    return driver.find_element(By.CSS_SELECTOR, selector).text


def until(driver: webdriver.Chrome, words: str, selector: str = "body") -> None:
    WebDriverWait(driver, PATIENCE_S).until(lambda d: words in text(d, selector))


def test_the_page_shows_the_run(page: Callable[..., webdriver.Chrome]) -> None:
    driver = page()
    shown = text(driver)
    for words in (
        "plan shop",
        "running",
        "stage 3, source consumers stopped",
        "stop-consumers: waits for attested consumers on hold: billing-1 is draining",
        "its deadline is 30 s",
        "1 of 1 producers attest source",
        "0 of 1 consumers attest hold",
        "without the shim: legacy",
        "3 records",
        "consumers: ",
        "so far",
        "consumption is paused",
        "approved by ann@host (kafka-cutover advance)",
        "not begun",
    ):
        assert words in shown, words
    spark = driver.find_element(By.CSS_SELECTOR, "svg.spark")
    assert "at most 5,000 records" in str(spark.get_attribute("aria-label"))
    assert log(driver) == []
    names = driver.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert {name.rsplit("/", 1)[1] for name in names} <= {"page.css", "page.js", "events"}


def test_it_follows_the_run_and_keeps_what_the_reader_has_opened(
    page: Callable[..., webdriver.Chrome], recorded: Recorded
) -> None:
    driver = page()
    summary = driver.find_element(By.CSS_SELECTOR, "details.step:nth-of-type(2) > summary")
    driver.execute_script("arguments[0].focus()", summary)
    summary.send_keys(Keys.ENTER)
    until(driver, "lag 3 records, bar 10")
    recorded.write("done", 2, "stop-consumers")
    recorded.write("step", 3, "set-exact-offsets")
    until(driver, "set-exact-offsets is in progress.")
    assert "lag 3 records, bar 10" in text(driver), "what was opened stays open"
    assert driver.execute_script("return document.activeElement === arguments[0]", summary), "focus stays"


def test_a_request_for_approval_names_the_command(page: Callable[..., webdriver.Chrome], recorded: Recorded) -> None:
    driver = page()
    recorded.write("done", 2, "stop-consumers")
    recorded.write("step", 3, "set-exact-offsets")
    recorded.write("ask", 3, "approve set-exact-offsets", act="set-exact-offsets", when="approve")
    until(driver, f"kafka-cutover advance {recorded.plan.path} --batch orders")
    assert "set-exact-offsets waits for approval" in text(driver, ".ask")
    assert "Going back before it:" in text(driver, ".ask")
    WebDriverWait(driver, PATIENCE_S).until(lambda d: "waits for approval" in d.title)


def test_markup_in_the_evidence_is_text(page: Callable[..., webdriver.Chrome], recorded: Recorded) -> None:
    driver = page()
    hostile = "<img src=x onerror=document.title='taken'><script>document.title='taken'</script>"
    recorded.write("missed", -1, "attested consumers on hold", why=hostile)
    until(driver, "<img src=x")
    assert driver.find_elements(By.CSS_SELECTOR, "main img, main script") == []
    assert driver.title != "taken"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 390)])
def test_it_can_be_read_by_everybody(page: Callable[..., webdriver.Chrome], scheme: str, width: int) -> None:
    driver = page(scheme, width)
    driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations(driver)] == []
    assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_a_lost_connection_is_said(recorded: Recorded, browser: webdriver.Chrome) -> None:
    watcher = Watcher(recorded.plan, recorded.run)
    with Server(watcher, Address("127.0.0.1", 0)) as server:
        browser.get(server.url)
        until(browser, "plan shop")
    until(browser, "No connection since")
    browser.get("about:blank")


def test_a_bypass_is_shown_until_it_is_over(recorded: Recorded, page: Callable[..., webdriver.Chrome]) -> None:
    driver = page()
    assert "closes every gate" not in text(driver)
    recorded.bypass()
    WebDriverWait(driver, PATIENCE_S).until(lambda b: "A bypass closes every gate." in text(b))
    assert "straggler producer on the source: topic orders got 3 records" in text(driver)
    recorded.bypass("over")
    WebDriverWait(driver, PATIENCE_S).until(lambda b: "closes every gate" not in text(b))
    assert log(driver) == []
