"""The controls of the course: what the page computes is what theory predicts."""

import math

import pytest

from gradlab import theory
from gradlab.report.article import Article, Section, write_article
from gradlab.report.explorable import INITS, USUAL, Explorable
from tests.browser.axe import serious_violations

NETS = [
    ("relu", 20, 2.0),
    ("sigmoid", 20, 1.0),
    ("tanh", 60, 4.0),
    ("gelu", 40, 0.5),
    ("relu", 60, 16.0),
    ("selu", 1, 1.0),
]


@pytest.fixture
def page(open_page, tmp_path):
    section = Section("Try it", "Move.", explore=Explorable("sigmoid", 20, 1.0))
    article = Article("it", "It", "Why?", "Because 42.", [section])
    opened = open_page(write_article(article, tmp_path / "it.html"), width=380)
    opened.wait_for_selector("html[data-ready]", state="attached", timeout=60_000)
    return opened


def curve(page):
    """Return log10 of the drawn curve."""
    return [
        math.log10(value)
        for value in page.evaluate("document.querySelector('.explore .figure').data[0].y")
    ]


def predicted(activation, depth, gain):
    init = INITS.get(activation, USUAL)
    ratio = theory.predict([64] * (depth + 2), activation, init, gain).log_delta_ratio
    return [value / math.log(10) for value in ratio]


def test_the_page_computes_what_theory_predicts(page):
    for activation, depth, gain in NETS:
        page.select_option("[name=activation]", activation)
        page.fill("[name=depth]", str(depth))
        page.fill("[name=gain]", str(math.log2(gain)))
        assert curve(page) == pytest.approx(predicted(activation, depth, gain), abs=0.02), (
            activation
        )


def test_words_and_curve_follow_the_controls(page):
    before = page.inner_text("[data-said=answer]")
    assert before == Explorable("sigmoid", 20, 1.0).answer
    page.select_option("[name=activation]", "relu")
    assert page.inner_text("[data-said=answer]").startswith("The gradient arrives")
    page.fill("[name=gain]", "1")
    assert page.inner_text("[data-said=answer]") == Explorable("relu", 20, 2.0).answer
    assert page.inner_text("[data-said=gain]") == "2"
    page.focus("[name=depth]")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("[data-said=depth]") == "21"
    assert len(curve(page)) == 22
    assert page.evaluate("document.documentElement.scrollWidth") == 380
    assert serious_violations(page) == []
