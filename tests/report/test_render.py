"""The page as a file: escaped, small, and asking for nothing."""

import base64
import json
import re
import zlib

import numpy as np
import pytest

import gradlab
from gradlab.errors import ArgumentError, GradlabError
from gradlab.report import BUDGET, pack
from gradlab.report.data import build
from gradlab.report.render import render, sparkline
from tests.report.test_data import cells_of, made

HOSTILE = "</script><script>alert('it ran')</script><img src=x onerror=alert(1)>"


def payload(page):
    packed = re.search(r'id="payload">([^<]*)</script>', page)[1]
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def test_the_payload_is_the_data_again():
    data = build(made())
    unpacked = payload(render(data))
    figure = unpacked["cells"][0]["figures"]["heatmap"]["delta_norm"]["data"][0]
    original = data["cells"][0]["figures"]["heatmap"]["delta_norm"]["data"][0]
    assert np.allclose(pack.ungrid(figure["z"]), original["z"], atol=0.01)
    assert unpacked["cells"][0]["findings"] == data["cells"][0]["findings"]
    assert unpacked["headline"] == data["headline"]


def test_a_grid_keeps_gaps_and_a_thousandth_of_its_range():
    table = [[0.0, None, -30.0, 1.5], [None, None, None, None]]
    again = pack.ungrid(pack.grid(table))
    assert again[1] == table[1]
    assert again[0][1] is None
    assert again[0][0::2] == pytest.approx(table[0][0::2], abs=0.04)


@pytest.mark.parametrize("z", [5, {"a": 1}, [["a", 1]], [[1, 2], [3, 4]], [], "text", [[]]])
def test_an_option_of_the_training_called_z_is_no_picture(z):
    data = build(made(config={"z": z, "inside": [{"z": z}]}))
    unpacked = payload(render(data))
    assert unpacked["cells"][0]["diagnosis"]["config"]["z"] == z
    assert unpacked["cells"][0]["config"] == data["cells"][0]["config"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_travels_as_null(value):
    assert pack.plain({"y": np.array([1.23456, value])}) == {"y": [1.235, None]}


def test_names_enter_the_page_escaped():
    page = render(build([made(name=HOSTILE), made(name="b")]))
    assert HOSTILE not in page
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;/script&gt;" in page
    assert payload(page)["cells"][0]["name"] == HOSTILE


def test_the_page_asks_for_nothing():
    page = render(build(made()))
    written = re.sub(r"<script[^>]*>[^<]*</script>", "", page)
    assert "http" not in written.replace("http-equiv", "")
    assert "default-src 'none'" in page
    assert "src=" not in written.replace("default-src=", "")
    script = re.search(r"<script>\n(.*?)</script>", page, re.DOTALL)
    assert "fetch(" not in page
    assert "innerHTML" not in page
    assert "showSendToCloud: false" in page
    assert script is None or "http" not in script[1]


def test_the_first_picture_needs_no_script(tmp_path):
    page = render(build(cells_of(tmp_path)))
    head = page[: page.index("<script")]
    assert head.count('class="curve" d="M') == 4
    assert head.count('<span class="outcome">not learned</span>') == 4


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ([], ""),
        ([0.0], "M50.0 20.0"),
        ([0.0, 0.0], "M0.0 20.0L100.0 20.0"),
        ([-2.5, None, 0.0], "M0.0 29.4M100.0 20.0"),
    ],
)
def test_sparklines(values, path):
    assert sparkline(values) == path


def test_sparklines_stay_inside():
    numbers = [float(number) for number in re.findall(r"[\d.]+", sparkline([600.0, -600.0, 3.0]))]
    assert all(0 <= number <= 100 for number in numbers[0::2])
    assert all(0 <= number <= 40 for number in numbers[1::2])


def test_a_large_comparison_stays_within_the_budget(tmp_path):
    rng = np.random.default_rng(0)
    runs = [
        made(
            iterations=200,
            layers=101,
            name=f"run {k}",
            delta_norm=np.exp(rng.normal(size=(200, 3, 101))),
        )
        for k in range(12)
    ]
    path = gradlab.write_report(runs, tmp_path / "page.html")
    assert path.stat().st_size <= BUDGET


def test_a_report_is_written_whole_or_not_at_all(tmp_path):
    path = gradlab.write_report(made(), tmp_path / "new" / "page.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]
    with pytest.raises(ArgumentError):
        gradlab.write_report(None, path)
    assert path.read_text(encoding="utf-8").endswith("</html>")


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "page.html"):
        with pytest.raises(GradlabError, match=re.escape(str(path))):
            gradlab.write_report(made(), path)


def test_a_page_of_several_leads_back_and_on_and_one_alone_nowhere(tmp_path):
    links = [("The <course>", "index.html"), ("next →", "next.html")]
    page = gradlab.write_report(made(), tmp_path / "page.html", links=links).read_text(
        encoding="utf-8"
    )
    assert re.findall(r'<a href="([^"]*)">([^<]*)</a>', page) == [
        ("index.html", "The &lt;course&gt;"),
        ("next.html", "next →"),
    ]
    alone = gradlab.write_report(made(), tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<a href=" not in alone
