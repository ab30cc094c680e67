"""HTML reports in a real browser: filters, diffs, the drawing, themes, and that nothing leaves or runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from reconciler.diff.visible import visible
from reconciler.model.characters import is_hidden
from tests.render.browser import Pages, chromium, complaints_of, requests_of
from tests.render.reports import OLD_SQL, drift, drift_html, hostile, hostile_text, huge, plan_html, small

Open = Callable[[str], None]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def pages() -> Iterator[Pages]:
    served = Pages()
    yield served
    served.close()


@pytest.fixture
def show(browser: webdriver.Chrome, pages: Pages) -> Open:
    """Opens a page from a server of its own, so that nothing is remembered from an earlier one."""

    def call(page: str) -> None:
        media(browser, "prefers-color-scheme", "light")
        width(browser, 1280)
        pages.pages["/report.html"] = page
        browser.get("about:blank")
        requests_of(browser), complaints_of(browser)
        browser.get(f"{pages.url}/report.html")

    return call


def media(browser: webdriver.Chrome, name: str, value: str) -> None:
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": name, "value": value}]})


def width(browser: webdriver.Chrome, pixels: int) -> None:
    metrics = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def names(browser: webdriver.Chrome) -> list[str]:
    """The names of the changes that are shown, in one call: the list may be drawn anew meanwhile."""
    script = "return [...document.querySelectorAll('.card .address b')].map((one) => one.textContent)"
    return [str(name) for name in browser.execute_script(script)]


def card(browser: webdriver.Chrome, name: str) -> WebElement:
    for found in browser.find_elements(By.CSS_SELECTOR, ".card"):
        if found.find_element(By.CSS_SELECTOR, ".address b").text == name:
            return found
    raise AssertionError(f"{name} is not shown")


def wait(browser: webdriver.Chrome, condition: Callable[[], object]) -> None:
    WebDriverWait(browser, 5, poll_frequency=0.02).until(lambda _: condition())


def pick(browser: webdriver.Chrome, which: str, value: str) -> None:
    Select(browser.find_element(By.ID, which)).select_by_value(value)


def test_filters(browser: webdriver.Chrome, show: Open) -> None:
    show(plan_html(small()))
    everything = names(browser)
    assert everything[:2] == ["old-report", "archive"]
    assert len(everything) == 9
    pick(browser, "kind", "template")
    assert names(browser) == ["old-report", "top-customers", "invite"]
    pick(browser, "action", "update")
    assert names(browser) == ["top-customers"]
    assert browser.find_element(By.ID, "found").text == "1 of 9"
    assert browser.current_url.endswith("#kind=template&action=update")
    browser.refresh()
    assert names(browser) == ["top-customers"]
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
    assert names(browser) == everything
    pick(browser, "risk", "limit-raised")
    assert names(browser) == ["openai-prod-month"]
    pick(browser, "risk", "")
    pick(browser, "cause", "both")
    assert names(browser) == ["openai-prod", "openai-prod-month"]
    pick(browser, "cause", "")
    browser.find_element(By.ID, "q").send_keys("TOTAL_NET having")
    wait(browser, lambda: names(browser) == ["top-customers"])
    browser.find_element(By.ID, "q").send_keys(" nonsense")
    wait(browser, lambda: not names(browser))
    assert "Nothing matches" in browser.find_element(By.ID, "changes").text
    assert complaints_of(browser) == []


def test_tenants(browser: webdriver.Chrome, show: Open) -> None:
    show(plan_html(huge(30)))
    pick(browser, "tenant", "tenant-004")
    assert names(browser) == ["data-4"]


def test_a_diff_side_by_side(browser: webdriver.Chrome, show: Open) -> None:
    show(plan_html(small()))
    diff = card(browser, "top-customers").find_element(By.CSS_SELECTOR, ".diff.numbered")
    first = diff.find_elements(By.CSS_SELECTOR, ".line")[0]
    went, came = first.find_elements(By.TAG_NAME, "code")
    assert went.text == "SELECT c.name, sum(o.total) AS total"
    assert [mark.text for mark in went.find_elements(By.TAG_NAME, "mark")] == ["total"]
    assert [mark.text for mark in came.find_elements(By.TAG_NAME, "mark")] == ["c.country, ", "total_net"]
    assert went.location["y"] == came.location["y"]
    assert went.location["x"] + went.size["width"] <= came.location["x"]
    before = len(diff.find_elements(By.CSS_SELECTOR, ".line"))
    fold = diff.find_element(By.CSS_SELECTOR, ".fold")
    assert fold.text == "3 unchanged lines"
    fold.click()
    lines = diff.find_elements(By.CSS_SELECTOR, ".line")
    assert len(lines) == before + 3
    left = [line.find_elements(By.TAG_NAME, "code")[0].text for line in lines]
    assert "\n".join(text for text in left if text).split() == OLD_SQL.split()


def test_why_and_whose_doing(browser: webdriver.Chrome, show: Open) -> None:
    show(plan_html(small()))
    told = card(browser, "openai-prod").text
    assert "by alice@meridian.example at 2026-03-14T02:11:09Z" in told
    assert "manifests/systems.yaml:4" in told
    assert "another credential is used" in told
    assert "somebody, outside" in told
    assert "is protected" in browser.find_element(By.CSS_SELECTOR, ".refused").text
    assert "overlays/prod/limits.yaml:5" in card(browser, "openai-prod-month").text
    assert "forces replacement" in card(browser, "archive").text
    assert "2 empty or filled in by defaults" in card(browser, "crm").text


def test_the_drawing_leads_to_the_change(browser: webdriver.Chrome, show: Open) -> None:
    show(plan_html(small()))
    nodes = browser.find_elements(By.CSS_SELECTOR, "svg .node")
    assert len(nodes) == 9
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg .same")) == 1
    place = {node.find_element(By.CSS_SELECTOR, ".name").text: node.location["x"] for node in nodes}
    assert place["warehouse"] < place["sales"] < place["top-customers"]
    browser.find_element(By.CSS_SELECTOR, "svg a .update .name").click()
    wait(browser, lambda: names(browser) != [] and len(names(browser)) < 9)
    assert "q=acme" in browser.current_url


def test_by_keyboard_alone(browser: webdriver.Chrome, show: Open) -> None:
    show(plan_html(small()))
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys("jj")
    focused = browser.switch_to.active_element
    assert "archive" in focused.text
    box = card(browser, "archive")
    assert box.get_attribute("open") is not None
    focused.send_keys(Keys.ENTER)
    assert box.get_attribute("open") is None
    focused.send_keys("k")
    assert "old-report" in browser.switch_to.active_element.text
    browser.switch_to.active_element.send_keys("/")
    assert browser.switch_to.active_element.get_attribute("id") == "q"
    browser.switch_to.active_element.send_keys("j")  # text now, not a command
    wait(browser, lambda: browser.find_element(By.ID, "q").get_attribute("value") == "j")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE, Keys.TAB)
    assert browser.find_element(By.ID, "q").get_attribute("value") == ""


def test_light_dark_and_back(browser: webdriver.Chrome, show: Open) -> None:
    show(plan_html(small()))

    def paper() -> int:
        colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in str(colour).removeprefix("rgb(").removesuffix(")").split(","))

    assert paper() > 600
    media(browser, "prefers-color-scheme", "dark")
    assert paper() < 150
    button = browser.find_element(By.ID, "theme")
    wait(browser, lambda: button.text == "Light")  # told of the change with the next frame
    button.click()
    assert paper() > 600
    browser.refresh()
    assert paper() > 600
    browser.find_element(By.ID, "theme").click()
    assert paper() < 150


@pytest.mark.parametrize("pixels", [390, 1280])
def test_nothing_is_wider_than_the_window(browser: webdriver.Chrome, show: Open, pixels: int) -> None:
    for page in (plan_html(small()), drift_html(drift()), plan_html(hostile())):
        show(page)
        width(browser, pixels)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= pixels


def test_hostile_text_runs_nothing_and_asks_for_nothing(browser: webdriver.Chrome, show: Open, pages: Pages) -> None:
    made = hostile(pages.url)
    for page in (plan_html(made), drift_html({**drift(), "pending": made})):
        pages.asked.clear()
        show(page)
        browser.find_element(By.ID, "q").send_keys("pwned")
        time.sleep(0.2)
        assert browser.find_elements(By.CSS_SELECTOR, ".card .inside")
        assert browser.execute_script("return window.pwned === undefined")
        assert requests_of(browser) == [f"{pages.url}/report.html"]
        assert pages.asked == ["/report.html"]
        assert browser.find_elements(By.TAG_NAME, "img") == []
        assert complaints_of(browser) == []  # nothing was even tried
    shown = browser.execute_script("return document.querySelector('#changes').textContent")
    assert visible(hostile_text(pages.url).split("\x1b")[0]) in shown
    assert not [character for character in shown if is_hidden(character)]
    for mark in ("\\u001b", "\\u0000", "\\u202e", "\\u200b", "\\u2066", "\\ud83d", "\\U000e0041"):
        assert mark in shown


def test_the_policy_holds_if_the_script_were_wrong(browser: webdriver.Chrome, show: Open, pages: Pages) -> None:
    show(plan_html(small()))
    sent = browser.execute_async_script(
        "const done = arguments[0]; fetch('/stolen').then(() => done('sent'), () => done('refused'))"
    )
    assert sent == "refused"
    made = browser.execute_script(
        "try { document.body.innerHTML = '<img src=/stolen>'; return 'made' } catch (error) { return error.name }"
    )
    assert made == "TypeError"
    browser.execute_script("const s = document.createElement('img'); s.src = '/stolen'; document.body.append(s)")
    run = browser.execute_script(
        "try { const s = document.createElement('script'); s.append('window.pwned = 1'); document.body.append(s) }"
        " catch {} return window.pwned"
    )
    assert run is None
    time.sleep(0.2)
    assert pages.asked == ["/report.html"]
    assert len(complaints_of(browser)) >= 3


def test_five_thousand_changes(browser: webdriver.Chrome, show: Open) -> None:
    """Bounds are wide, since other work runs beside tests; measured times are in docs/reports.md."""
    show(plan_html(huge()))
    script = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    # the browser reports a paint after it, which may be after the page was opened
    paint = WebDriverWait(browser, 10).until(lambda driver: driver.execute_script(script))
    assert paint < 3000
    assert browser.find_element(By.ID, "found").text == "5000 in all"
    assert browser.execute_script("return document.querySelectorAll('*').length") < 8000
    script = """
        const q = document.getElementById("q"), done = arguments[1], begin = performance.now();
        q.value = arguments[0];
        document.getElementById("filters").querySelector("#action").dispatchEvent(new Event("change"));
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)));
    """
    assert browser.execute_async_script(script, "report-4998") < 2000
    assert names(browser) == ["report-4998"]
    assert browser.execute_async_script(script, "") < 2000
    shown = len(names(browser))
    browser.execute_script("scrollTo(0, document.body.scrollHeight)")
    wait(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, ".card")) > shown)


def test_printing_shows_every_match(browser: webdriver.Chrome, show: Open) -> None:
    show(plan_html(huge(200)))
    assert len(browser.find_elements(By.CSS_SELECTOR, ".card")) < 200
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".card")) == 200


def test_drift_with_what_is_pending(browser: webdriver.Chrome, show: Open) -> None:
    show(drift_html({**drift(), "pending": small()}))
    groups = [found.text for found in browser.find_elements(By.CSS_SELECTOR, ".group")]
    assert groups[:4] == ["Deleted outside 1", "Changed outside 1", "Created outside 1", "Pending: blocked 1"]
    assert "alice@meridian.example, at 2026-03-14T02:11:09Z" in card(browser, "night").text
