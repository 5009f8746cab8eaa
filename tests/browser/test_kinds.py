"""A reader's walk through pages of other kinds than the other tests open.

Each takes about seven seconds of processor time, so some are left out: the picture of a page on
exploding or healthy nets is one that other tests open. `python -m benchmarks.pages` walks through
all of them, in every width and theme.
"""

import pytest

import gradlab
from benchmarks._ten_pages import PAGES
from tests.browser.walk import first_screen, walk

READY = "html[data-ready]"
KINDS = [("output", 380), ("table", 1280), ("two", 380), ("nan", 380), ("dead", 1280)]


@pytest.mark.parametrize(("kind", "width"), KINDS)
def test_a_page_says_what_to_do_and_can_be_walked_through(open_page, tmp_path, kind, width):
    pytest.importorskip("torch")
    with gradlab.live.quiet():
        path = PAGES[kind](tmp_path)
    page = open_page(path, width=width, height=800)
    page.wait_for_selector(READY, state="attached", timeout=60_000)
    assert first_screen(page) == []
    assert walk(page) == []
