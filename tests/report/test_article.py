import base64
import json
import re
import zlib

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from gradlab.errors import ArgumentError, RunError
from gradlab.report.article import Article, Section, render_article, write_article

HOSTILE = "</script><b>&"


def made(*sections: Section, name: str = "one") -> Article:
    return Article(name, f"Title {HOSTILE}", f"Why {HOSTILE}?", "Because 42.", sections)


def figures(page: str) -> dict:
    packed = re.search(r'id="payload">([^<]*)<', page)
    assert packed
    return json.loads(zlib.decompress(base64.b64decode(packed[1])))["figures"]


def test_figures_travel_as_plain_numbers_without_a_template():
    x = np.linspace(0, 1, 5)
    figure = go.Figure(
        [go.Scatter(x=x, y=np.array([1.0, np.nan, np.inf, 1 / 3, 2]))],
        frames=[go.Frame(name="k", data=[go.Scatter(y=x)])],
        layout={"height": 200, "xaxis_title": "x"},
    )
    spec = figures(render_article(made(Section("A"), Section("B", figure=figure, alt="a line"))))[
        "2"
    ]
    assert spec["data"][0]["x"] == [0, 0.25, 0.5, 0.75, 1]
    assert spec["data"][0]["y"] == [1, None, None, 0.3333, 2]
    assert spec["frames"][0]["data"][0]["y"] == [0, 0.25, 0.5, 0.75, 1]
    assert "template" not in spec["layout"]
    assert spec["layout"]["meta"]["alt"] == "a line"


def test_a_heatmap_comes_back_within_a_thousandth_of_its_range():
    from gradlab.report.pack import ungrid

    z = np.array([[0.0, 1.0, 2.5], [-3.0, np.nan, 7.0]])
    spec = figures(
        render_article(made(Section("A", figure=go.Figure(go.Heatmap(z=z)), alt="map")))
    )["1"]
    back = np.array(ungrid(spec["data"][0]["z"]), dtype=float)
    np.testing.assert_allclose(back, z, atol=10 / 1000)


def test_every_text_is_escaped():
    table = pd.DataFrame({HOSTILE: [HOSTILE], "n": [1 / 3]})
    page = render_article(
        made(Section(HOSTILE, HOSTILE, table=table, formula=HOSTILE, code=HOSTILE))
    )
    assert "<b>" not in page.split("<script")[0]
    assert page.count("&lt;/script&gt;&lt;b&gt;&amp;") >= 7
    assert "0.33333" in page


def test_a_figure_needs_words_and_a_name_a_file():
    with pytest.raises(ArgumentError, match="without alt"):
        Section("A", figure=go.Figure())
    with pytest.raises(ArgumentError, match="name='a/b'"):
        made(name="a/b")


def test_write_refuses_a_folder(tmp_path):
    with pytest.raises(RunError, match="is a folder"):
        write_article(made(), tmp_path)
    assert write_article(made(), tmp_path / "new" / "a.html").is_file()


def test_numbers_in_words_are_written_as_on_every_page():
    page = render_article(made(Section("A", "From -3 to 2e-04, or 3e-13: 0.2 x 0.1, 8 % of it.")))
    assert "From −3 to 0.00020, or 3.0·10⁻¹³: 0.2 × 0.1, 8\u00a0% of it." in page
