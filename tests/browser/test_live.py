"""The live report in a real browser: news come by themselves, the reader's place stays."""

import pytest
from playwright.sync_api import expect

import gradlab
from gradlab.live.follower import Follower
from gradlab.live.server import LiveServer
from tests.browser.axe import serious_violations
from tests.browser.chromium import new_context
from tests.live.growing import Growing
from tests.rules.runs import make_run

DRAWN = 60_000  # milliseconds


@pytest.fixture
def live(browser, tmp_path):
    """Serve a run that grows; yield it, its server, and a function that opens the page.

    The server looks when it is told to: how many reports it makes must not hang on the clock.
    """
    growing = Growing(tmp_path / "night").grow(41)
    server = LiveServer(Follower(growing.recorder.folder), interval=3600)
    server.start()
    contexts, requests, errors = [], [], []

    def open_live(width=1280, theme="light"):
        context = new_context(browser, theme=theme, width=width, height=900, offline=False)
        contexts.append(context)
        context.on("request", lambda request: requests.append(request.url))
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.on("console", lambda told: errors.append(told.text) if told.type == "error" else 0)
        page = context.new_page()
        page.goto(server.address)
        page.wait_for_selector("html[data-report='1']", timeout=DRAWN)
        return page

    yield growing, server, open_live
    for context in contexts:
        context.close()
    server.close()
    assert errors == []
    assert [url for url in requests if not url.startswith((server.address, "blob:", "data:"))] == []


def test_the_page_follows_the_run_to_its_end_and_the_readers_place_stays(live):
    growing, server, open_live = live
    page = open_live()
    expect(page.locator("#state")).to_have_text("recording")
    expect(page.locator("#findings")).to_contain_text("vanishing-gradient (GL101, error)")
    before = page.frames[1]
    assert "The gradient vanishes" in before.inner_text("h1")
    before.select_option("#layer", "3")
    before.click("#theme")
    before.locator("summary", has_text="Rule GL101").click()
    before.evaluate("scrollTo(0, 400)")
    growing.grow(60).end()
    server.look()
    expect(page.locator("#state")).to_have_text("complete", timeout=DRAWN)
    expect(page.locator("#numbers")).to_contain_text("101")
    page.wait_for_selector("html[data-report='2']", timeout=DRAWN)
    assert page.title() == "101 · night · gradlab live"
    assert page.locator("iframe").count() == 1
    after = page.frames[1]
    assert "101 iterations" in after.inner_text("#card")
    assert after.input_value("#layer") == "3"
    assert after.get_attribute("html", "data-theme") == "dark"
    assert after.locator("details.rule").first.get_attribute("open") is not None
    assert after.evaluate("scrollY") == 400


def test_a_report_that_is_held_still_is_not_replaced(live):
    growing, server, open_live = live
    page = open_live(380, "dark")
    assert serious_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    page.click("#hold")
    assert page.get_attribute("#hold", "aria-pressed") == "true"
    growing.grow(60).end()
    server.look()
    expect(page.locator("#state")).to_have_text("complete", timeout=DRAWN)
    assert page.get_attribute("html", "data-report") == "1"
    page.click("#hold")
    page.wait_for_selector("html[data-report='2']", timeout=DRAWN)
    server.close()
    expect(page.locator("#state")).to_contain_text("the view was ended", timeout=DRAWN)


def test_a_page_of_two_runs_says_where_they_part(open_page, tmp_path):
    a, b = make_run(name="before"), make_run(name="after", delta_norm=1.5)
    difference = gradlab.diff(a, b)
    path = gradlab.write_report([a, b], tmp_path / "two.html", difference=difference)
    page = open_page(path)
    page.wait_for_selector("html[data-ready]", state="attached", timeout=DRAWN)
    section = page.locator("section.parted")
    expect(section).to_contain_text("The records part at iteration 0")
    expect(section.locator("table").first).to_contain_text("gradient signal")
    assert serious_violations(page) == []
