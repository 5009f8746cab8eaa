"""What a page's controls say before its script runs."""

import re

import pytest

from gradlab.errors import ArgumentError
from gradlab.report.article import Article, Section, render_article
from gradlab.report.explorable import Explorable, payload


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (("relu", 20, 1.0), "The gradient arrives: each layer passes on 1 of it"),
        (("relu", 20, 2.0), "layer 1 gets 1.0·10⁶ times what the last layer gets."),  # 2^20
        (("relu", 20, 0.5), "layer 1 gets 9.5·10⁻⁷ of what the last layer gets."),  # 2^-20
        (("sigmoid", 20, 1.0), "The gradient vanishes: each layer passes on 0.23"),
    ],
)
def test_the_answer_is_theorys(net, said):
    assert said in Explorable(*net).answer


def test_the_answer_stands_in_the_page_without_a_script():
    section = Section("Try", explore=Explorable("relu", 20, 2.0))
    page = render_article(Article("it", "It", "Why?", "Because 42.", [section]))
    head = page[: page.index("<script")]
    assert Explorable("relu", 20, 2.0).answer in head
    assert re.search(r'name="gain" [^>]*value="1.0"', head)
    assert len(page) < 2_100_000


def test_relus_tables_are_half_of_q_and_one_half():
    table = payload(Explorable())["activations"]["relu"]
    middle = len(table["signal"]) // 2  # q = 1
    assert 10 ** table["signal"][middle] == pytest.approx(0.5, rel=1e-4)
    assert {round(10**each, 4) for each in table["slope"]} == {0.5}


def test_an_unknown_activation_is_refused():
    with pytest.raises(ArgumentError, match="sigmoyd"):
        Explorable("sigmoyd")
