"""Colours that can be told apart and read: contrasts as WCAG 2.1 defines them."""

import re

import pytest

from gradlab.report.pictures import draw
from gradlab.report.render import FOLDER

STYLE = (FOLDER / "page.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    for block in re.findall(r"--ink[^}]*", STYLE)[:2]
)


def luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_words_have_the_contrast_that_AA_asks_for(theme):
    pairs = [
        ("ink", "page"),
        ("soft", "page"),
        ("soft", "raised"),
        ("ink", "raised"),
        ("accent", "page"),
    ]
    pairs += [(f"{kind}-ink", kind) for kind in ("good", "slow", "bad")]
    assert {
        pair: contrast(theme[pair[0]], theme[pair[1]])
        for pair in pairs
        if contrast(*map(theme.get, pair)) < 4.5
    } == {}


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_lines_and_bars_stand_out_from_the_page(theme):
    colours = {*draw.LINES, *draw.TERM_COLOURS.values(), draw.BROKEN, draw.LATER}
    assert {colour for colour in colours if contrast(colour, theme["page"]) < 3} == set()


def test_what_is_written_on_a_bar_is_read():
    assert {
        c for c in (*draw.TERM_COLOURS.values(), draw.NEUTRAL) if contrast(draw.ON_BAR, c) < 4.5
    } == set()


def test_lines_differ_in_dashes_too():
    assert len(set(draw.DASHES)) == len(draw.DASHES) >= 4  # a comparison's four networks
