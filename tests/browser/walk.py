"""A walk through a report: all that a reader may press, unfold and choose, and what is wrong."""

import re

from playwright.sync_api import Page

from tests.browser.axe import serious_violations

MOST_WORDS = 12
UNFOLD = "document.querySelectorAll('details').forEach(each => { each.open = true; })"
PROSE = """[...document.querySelectorAll('p, li, td, dd, figcaption, .figure, text')]
    .filter(each => !each.closest('#provenance') && !each.querySelector('p, li'))
    .map(each => {
        const copy = each.cloneNode(true);
        copy.querySelectorAll('code').forEach(code => code.remove());
        return each.getAttribute('aria-label') || copy.textContent;
    })"""
COMPUTERS = re.compile(
    r"(?<![\w.])\d+(?:\.\d+)?e[-+]?\d+(?!\w)|(?<![\d.,])\d{4,}[\s ]?%|\bnan\b|undefined|\bNone\b"
)
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FIRST = ".headline:visible, h1:visible"
TO_DO = ".try:visible, .lede:visible, #sheet:visible"


def first_screen(page: Page) -> list[str]:
    """Return what the first screen lacks: a short headline, and what to do, without scrolling."""
    height = page.viewport_size["height"]
    headline = page.locator(FIRST).first
    words = headline.inner_text().split()
    wrong = [f"{len(words)} words in the headline"] if len(words) > MOST_WORDS else []
    places = [each.bounding_box() for each in page.locator(TO_DO).all()]
    if not any(place and place["y"] + place["height"] <= height for place in places):
        wrong.append("what to do is not in the first screen")
    if page.evaluate(WIDER) > 0:
        wrong.append("the page is wider than the screen")
    return wrong


def walk(page: Page) -> list[str]:
    """Press, choose and unfold everything; return what axe finds serious, and what is too wide."""
    for cell in page.locator(".cell:visible").all()[:3]:
        cell.click()
    for select in page.query_selector_all("select"):  # each itself: a choice may hide another
        if select.is_visible():
            select.select_option(select.evaluate("each => each.options[each.length - 1].value"))
    for when in page.locator("[data-when]:visible:enabled").all():
        when.click()
    if page.locator("#play").is_visible():
        page.click("[data-speed]")
        page.click("#play")
        page.click("#play")
    for name in ("[data-copy]:visible", ".go:visible"):
        if page.locator(name).count():
            page.locator(name).first.click()
    page.evaluate(UNFOLD)
    wrong = serious_violations(page) + unwritten(page)
    page.click("#theme")
    wrong += serious_violations(page)
    if page.evaluate(WIDER) > 0:
        wrong.append("unfolded, the page is wider than the screen")
    return wrong


def unwritten(page: Page) -> list[str]:
    """Return the sentences and labels that hold a number as a computer writes it: 3.3e-13."""
    told = dict.fromkeys(" ".join(text.split()) for text in page.evaluate(PROSE))
    return [f"a computer's number in {text!r}" for text in told if COMPUTERS.search(text)]
