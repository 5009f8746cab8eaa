"""An article and the gallery as a person sees them."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from gradlab.report.article import Article, Section, write_article
from gradlab.report.render import render_gallery, write_page
from gradlab.report.thumbnail import of_figures
from tests.browser import axe


@pytest.fixture
def path(tmp_path):
    x = np.linspace(0, 6, 50)
    moving = go.Figure(
        go.Scatter(x=x, y=np.sin(x), name="sin"),
        frames=[go.Frame(name=f"moment {k}", data=[go.Scatter(y=np.sin(x + k))]) for k in range(3)],
        layout={"xaxis_title": "x", "yaxis_title": "y"},
    )
    sections = [
        Section(
            "Still",
            "Text.",
            figure=go.Figure(go.Heatmap(z=np.eye(3))),
            alt="three squares",
            formula="a = b",
        ),
        Section(
            "Moving", figure=moving, alt="a wave", table=pd.DataFrame({"n": [1.5]}), code="print(1)"
        ),
    ]
    links = [("The course", "index.html"), ("next →", "next.html")]
    return write_article(
        Article("wave", "A wave", "Why?", "Because 42.", sections), tmp_path / "wave.html", links
    )


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 380)])
def test_reads_well_in_both_themes_and_on_a_phone(open_page, path, theme, width):
    page = open_page(path, theme=theme, width=width)
    assert page.locator("h1").inner_text() == "Why?"
    assert page.locator(".figure .main-svg").count() >= 2
    assert page.locator('[data-figure="2"]').get_attribute("aria-label") == "a wave"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert axe.serious_violations(page) == []


def test_frames_play_and_numbers_download(open_page, path):
    page = open_page(path)
    curve = page.locator('[data-figure="2"] .js-line')
    before = curve.get_attribute("d")
    slider = page.locator('[data-replay="2"] input')
    assert not page.locator('[data-replay="1"]').is_visible()
    slider.fill("2")
    assert page.locator('[data-replay="2"] output').inner_text() == "moment 2"
    assert curve.get_attribute("d") != before
    page.locator("#theme").click()
    assert page.locator('[data-replay="2"] output').inner_text() == "moment 2"
    with page.expect_download() as waiting:
        page.locator('[data-csv="2"]').click()
    assert waiting.value.suggested_filename == "wave-2.csv"
    lines = waiting.value.path().read_text().splitlines()
    assert len(lines) == 51
    assert float(lines[1].split(",")[2].strip('"')) == pytest.approx(np.sin(2), abs=1e-3)


def test_the_gallery_leads_to_its_pages(open_page, path):
    entries = [
        {
            "step": "1",
            "title": "A wave",
            "question": "Why?",
            "address": path.name,
            "answer": "42.",
            "error": "",
            "still": of_figures([go.Figure(go.Scatter(x=[0, 1], y=[0, 1]))]),
        },
        {
            "step": "2",
            "title": "None",
            "question": "How?",
            "address": "",
            "answer": "",
            "error": "ValueError: x",
            "still": "",
        },
    ]
    page = open_page(
        write_page(render_gallery(entries, "The course"), path.parent / "index.html"), width=380
    )
    assert axe.serious_violations(page) == []
    assert page.locator(".thumbnail path").bounding_box()["width"] > 60
    assert "Not built: ValueError: x" in page.locator(".failed").inner_text()
    assert [link.get_attribute("href") for link in page.locator("h2 a").all()] == ["wave.html"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
