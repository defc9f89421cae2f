"""What a reader does with the report: look, filter, zoom, follow links, print, listen to it."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait
from selenium_axe_python.axe import Axe

from tests.browser.conftest import PATIENCE_S, Open
from tests.unit.reports.run_folders import SHAPES
from tests.unit.reports.test_hostile import HOSTILE

pytestmark = pytest.mark.browser

SCENARIO = "#s1-stop-first-connect-killed"


def log(driver: webdriver.Chrome) -> list[Any]:
    return list(driver.get_log("browser"))  # type: ignore[no-untyped-call]


def plot_of(driver: webdriver.Chrome, anchor: str = SCENARIO) -> WebElement:
    """Scroll to a scenario's time line, wait until it is drawn, and return it."""
    driver.execute_script("document.querySelector(arguments[0]).scrollIntoView()", f"{anchor} .plot")
    WebDriverWait(driver, PATIENCE_S).until(lambda d: d.find_elements(By.CSS_SELECTOR, f"{anchor} .plot svg"))
    return driver.find_element(By.CSS_SELECTOR, f"{anchor} .plot")


def open_all(driver: webdriver.Chrome) -> None:
    """Open every scenario and scroll to each, as a reader would: all time lines are drawn then."""
    driver.execute_async_script(
        """
        const done = arguments[0];
        const frame = () => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
        (async () => {
          for (const one of document.querySelectorAll("details")) one.open = true;
          for (const one of document.querySelectorAll("figure.timeline")) { one.scrollIntoView(); await frame(); }
          done();
        })();
        """
    )
    figures = len(driver.find_elements(By.CSS_SELECTOR, "figure.timeline"))
    WebDriverWait(driver, PATIENCE_S).until(lambda d: len(d.find_elements(By.CSS_SELECTOR, ".plot svg")) == figures)


def readout(driver: webdriver.Chrome) -> str:
    return driver.find_element(By.CSS_SELECTOR, f"{SCENARIO} .readout").text


def violations(driver: webdriver.Chrome) -> list[Any]:
    """Return what axe-core finds in the page as it stands."""
    axe = Axe(driver)
    axe.inject()  # type: ignore[no-untyped-call]
    return list(axe.run()["violations"])


def texts(plot: WebElement) -> list[str]:
    """Return what is written in a time line."""
    found = plot.parent.execute_script(
        "return [...arguments[0].querySelectorAll('text')].map(one => one.textContent)", plot
    )
    return list(found)


def ticks(plot: WebElement) -> list[str]:
    """Return the labels of the time axis."""
    return sorted(text for text in texts(plot) if re.fullmatch(r"\d+:[\d.]+", text))


@pytest.mark.parametrize("name", ["whole", "half", "hostile", "cutover"])
def test_the_page_opens_from_disk_without_a_word_in_the_console(open_page: Open, name: str) -> None:
    driver = open_page(name)
    open_all(driver)
    assert log(driver) == []
    assert driver.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)") == []


def test_a_word_in_the_console_would_be_seen(open_page: Open) -> None:
    driver = open_page("half")
    driver.execute_script("console.error('noticed')")
    assert "noticed" in str(log(driver))


def test_every_time_line_is_drawn_with_its_marks(open_page: Open) -> None:
    driver = open_page("whole")
    open_all(driver)
    assert len(driver.find_elements(By.CSS_SELECTOR, ".plot svg")) == len(SHAPES)
    plot = plot_of(driver)
    written = texts(plot)
    assert any("4 consumers on" in text for text in written), "cut to the room that it has, which depends on the font"
    assert "kill connect" in written
    for series in (
        "mirror lag, records",
        "acknowledgements per second, all producers",
        "deliveries per second, by group",
    ):
        assert series in written
    lines = plot.find_elements(By.CSS_SELECTOR, ".mark-line path")
    assert len([line for line in lines if len(line.get_attribute("d") or "") > 100]) == 4


def test_pointing_reads_figures_and_dragging_zooms(open_page: Open) -> None:
    driver = open_page("whole", anchor=SCENARIO)
    plot = plot_of(driver)
    whole = ticks(plot)
    ActionChains(driver).move_to_element(plot).perform()
    assert re.search(r"stage \d .*lag .*acks/s .*audit .*billing", readout(driver))
    ActionChains(driver).click_and_hold(plot).move_by_offset(200, 0).release().perform()
    assert ticks(plot) != whole
    ActionChains(driver).double_click(plot).perform()
    assert ticks(plot) == whole


def test_the_keyboard_does_all_that_the_mouse_does(open_page: Open) -> None:
    driver = open_page("whole", anchor=SCENARIO)
    plot = plot_of(driver)
    whole = ticks(plot)
    plot.send_keys(Keys.HOME)
    plot.send_keys(Keys.ARROW_RIGHT)
    first = readout(driver)
    plot.send_keys(Keys.ARROW_RIGHT)
    assert first != readout(driver)
    assert driver.find_element(By.CSS_SELECTOR, f"{SCENARIO} .readout").get_attribute("aria-live") == "polite"
    plot.send_keys("+")
    assert ticks(plot) != whole
    plot.send_keys("0")
    assert ticks(plot) == whole
    driver.find_element(By.CSS_SELECTOR, f"{SCENARIO} [data-zoom=in]").send_keys(Keys.ENTER)
    assert ticks(plot) != whole


def test_filters_narrow_the_list_and_show_the_number(open_page: Open) -> None:
    driver = open_page("whole")

    def shown() -> list[str]:
        return [
            one.get_attribute("id") or ""
            for one in driver.find_elements(By.CSS_SELECTOR, "details")
            if one.is_displayed()
        ]

    assert len(shown()) == len(SHAPES)
    Select(driver.find_element(By.ID, "verdict")).select_by_visible_text("INCONCLUSIVE")
    assert shown() == ["s1-rollback-5"]
    assert driver.find_element(By.ID, "shown").text == f"1 of {len(SHAPES)} scenarios"
    Select(driver.find_element(By.ID, "verdict")).select_by_visible_text("any")
    Select(driver.find_element(By.ID, "kind")).select_by_visible_text("rollback")
    assert len(shown()) == 6
    driver.find_element(By.ID, "find").send_keys("KILL")
    assert shown() == []
    Select(driver.find_element(By.ID, "kind")).select_by_visible_text("any")
    assert shown() == ["s1-stop-first-connect-killed"]


@pytest.mark.parametrize("name", ["whole", "half", "hostile", "cutover"])
def test_every_link_leads_somewhere_in_the_page(open_page: Open, name: str) -> None:
    driver = open_page(name)
    targets = driver.execute_script("return [...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    assert targets
    for target in targets:
        assert target.startswith("#")
        assert driver.execute_script("return document.getElementById(arguments[0]) !== null", target[1:])
    ids = driver.execute_script("return [...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))


def test_a_link_opens_a_scenario_that_a_filter_hides(open_page: Open) -> None:
    driver = open_page("whole")
    driver.find_element(By.ID, "find").send_keys("rollback")
    link = driver.find_element(By.CSS_SELECTOR, f".matrix a[href='{SCENARIO}']")
    driver.execute_script("arguments[0].click()", link)
    assert plot_of(driver).is_displayed()


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        ("whole", 1440, "light"),
        ("whole", 390, "dark"),
        ("half", 1440, "dark"),
        ("cutover", 1440, "light"),
        ("cutover", 390, "dark"),
    ],
)
def test_axe_finds_nothing_serious(open_page: Open, name: str, width: int, scheme: str) -> None:
    driver = open_page(name, width=width, scheme=scheme)
    open_all(driver)
    found = [
        (violation["id"], violation["impact"], violation["nodes"][0]["html"][:200])
        for violation in violations(driver)
        if violation["impact"] in ("serious", "critical", "moderate")
    ]
    assert found == []


def test_axe_would_find_something(open_page: Open) -> None:
    driver = open_page("half")
    driver.execute_script(
        "document.body.insertAdjacentHTML('beforeend', "
        '\'<img src="data:,"><p style="color:#ccc;background:#fff">pale</p>\')'
    )
    assert {"image-alt", "color-contrast"} <= {violation["id"] for violation in violations(driver)}


@pytest.mark.parametrize(
    ("name", "width"), [("whole", 390), ("half", 390), ("hostile", 390), ("cutover", 390), ("cutover", 1440)]
)
def test_nothing_is_cut_off(open_page: Open, name: str, width: int) -> None:
    driver = open_page(name, width=width)
    open_all(driver)
    scrolled, shown = driver.execute_script(
        "const root = document.documentElement; return [root.scrollWidth, root.clientWidth]"
    )
    assert (scrolled, shown <= width) == (shown, True)


def test_the_time_line_of_a_cutover_has_its_blackouts(open_page: Open) -> None:
    driver = open_page("cutover")
    plot = plot_of(driver, "#s1")
    assert {"stage", "steps, gates", "producers", "consumers", "mirror lag, records"} <= set(texts(plot))
    assert not {"acknowledgements per second, all producers", "faults"} & set(texts(plot))
    plot.send_keys(Keys.END, Keys.ARROW_LEFT)
    assert "stage 7" in driver.find_element(By.CSS_SELECTOR, "#s1 .readout").text


def test_status_is_a_word_and_a_shape_in_addition_to_its_colour(open_page: Open) -> None:
    driver = open_page("whole")
    for word in driver.find_elements(By.CSS_SELECTOR, ".word"):
        shape = word.find_element(By.CSS_SELECTOR, "use").get_attribute("href")
        assert shape
        assert driver.execute_script("return document.querySelector(arguments[0]) !== null", shape)
        assert driver.execute_script("return arguments[0].textContent.trim()", word)


def test_hostile_names_stay_text(open_page: Open) -> None:
    driver = open_page("hostile")
    open_all(driver)
    shown = driver.execute_script("return document.querySelector('.route h3').textContent")
    assert shown == f"Route {HOSTILE}"
    assert driver.find_elements(By.CSS_SELECTOR, "img") == []
    assert driver.execute_script("return document.scripts.length") == 3
    legend = driver.execute_script("return document.querySelector('.legend').textContent")
    assert HOSTILE in legend


def test_a_half_written_folder_lists_its_missing_files(open_page: Open) -> None:
    driver = open_page("half")
    missing = driver.find_element(By.CSS_SELECTOR, ".gap").text
    assert "rollback-4/verdict.json: torn or not JSON" in missing
    assert "rollback-6 was not rehearsed: the rehearsal ended before it began" in missing


@pytest.mark.parametrize("name", ["whole", "cutover"])
def test_what_one_signs_is_on_the_first_screen(open_page: Open, name: str) -> None:
    driver = open_page(name)
    bottoms = driver.execute_script(
        "return ['h1', '.headline', 'table.measured', '.open-list', '.signing']"
        ".map(one => document.querySelector(one).getBoundingClientRect().bottom)"
    )
    assert all(0 < bottom <= 900 for bottom in bottoms), bottoms


def test_it_prints_on_a_few_pages_of_a4(open_page: Open) -> None:
    driver = open_page("whole", scheme="dark")
    full = driver.find_elements(By.CSS_SELECTOR, "details.scenario[data-paper]")
    assert [one.get_attribute("id") for one in full] == ["s1-stop-first", "s1-rollback-5"], "one, and one that failed"
    printed = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
    pdf = base64.b64decode(printed["data"])
    boxes = set(re.findall(rb"/MediaBox \[0 0 (\d+)[.\d]* (\d+)[.\d]*\]", pdf))
    assert boxes == {(b"594", b"841")}
    assert 4 <= len(re.findall(rb"/Type /Page\b", pdf)) <= 7
    assert len(driver.find_elements(By.CSS_SELECTOR, ".plot svg")) >= len(full), "drawn for the paper"
    assert not driver.find_elements(By.CSS_SELECTOR, "details[open]"), "and closed again"
