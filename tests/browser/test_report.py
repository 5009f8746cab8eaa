"""The report as a reader sees it: picks, keys, themes, widths, and no request."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

import gradlab
from gradlab.run import Run
from tests.browser.axe import serious_violations
from tests.report.test_data import STRANGE, made
from tests.report.test_names import called

HOSTILE = "</script><script>document.title = 'it ran'</script><b>bold</b>"
READY = "html[data-ready]"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """A small grid, trained here: sigmoid and relu at two depths."""
    return gradlab.compare(
        ["sigmoid", "relu"],
        [2, 8],
        width=12,
        seeds=2,
        iterations=40,
        jobs=1,
        runs=tmp_path_factory.mktemp("runs"),
    )


@pytest.fixture(scope="module")
def report(comparison, tmp_path_factory):
    return gradlab.write_report(comparison, tmp_path_factory.mktemp("report") / "page.html")


@pytest.fixture
def read(open_page):
    """Open a report and wait for its figures."""

    def open_report(path, **options):
        page = open_page(path, **options)
        page.wait_for_selector(READY, state="attached", timeout=60_000)
        return page

    return open_report


def figures(page):
    """The keys of the figures that are on the page and hold something drawn."""
    return page.evaluate(
        """[...document.querySelectorAll('[data-figure]')]
        .filter(place => place.offsetParent)
        .filter(place => place.querySelector('.cartesianlayer path, .cartesianlayer image'))
        .map(place => place.dataset.figure)"""
    )


def test_a_cell_shows_its_figures_and_nothing_is_asked_for(read, report, open_page):
    page = read(report)
    assert figures(page) == [
        "factors",
        "profile",
        "heatmap",
        "loss",
        "norm_and_rate",
        "layers",
        "weights",
        "overview",
    ]
    page.click('.cell[data-id="relu-depth-8"]')
    assert page.inner_text("#cell-title") == "relu depth 8"
    assert page.get_attribute('.cell[data-id="relu-depth-8"]', "aria-pressed") == "true"
    assert "layer 1" in page.get_attribute('[data-figure="profile"]', "aria-label")
    assert page.locator("#product .factor").count() == 8
    assert "predicted" in page.inner_text('[data-figure="profile"]')
    words = page.evaluate(
        "document.body.innerText + [...document.querySelectorAll('a')].map(link => link.outerHTML)"
    )
    assert not re.search(r"share|cloud|upload|edit chart", words, re.IGNORECASE)
    assert page.locator(".modebar-btn").count() == 0
    assert open_page.requests == [report.as_uri()]


def test_arrow_keys_walk_the_matrix_and_the_address_remembers(read, report):
    page = read(report)
    page.click('.cell[data-id="sigmoid-depth-2"]')
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#cell-title") == "relu depth 8"
    assert page.evaluate("document.activeElement.dataset.id") == "relu-depth-8"
    page.keyboard.press("ArrowDown")  # the edge of the matrix holds
    assert page.url.endswith("#cell=relu-depth-8")
    page.reload()
    page.wait_for_selector(READY, state="attached")
    assert page.inner_text("#cell-title") == "relu depth 8"
    assert page.locator('.cell[tabindex="0"]').count() == 1
    page.evaluate("location.hash = 'cell=%3Cnone'")  # an address that names no cell changes nothing
    assert page.inner_text("#cell-title") == "relu depth 8"


def test_every_word_of_the_matrix_is_there_before_the_figures(open_page, report):
    page = open_page(report)
    assert page.locator(".cell .outcome").count() == 4
    assert page.locator(".cell .curve").first.get_attribute("d").startswith("M")


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 380)])
def test_themes_and_widths_are_accessible_and_overflow_nowhere(read, report, theme, width):
    page = read(report, theme=theme, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    ink = "getComputedStyle(document.querySelector('[data-figure=loss] .xtick text')).fill"
    background = "getComputedStyle(document.body).backgroundColor"
    seen = {}
    other = "dark" if theme == "light" else "light"
    for shown in (theme, other):  # the system's first, then the other by the button
        seen[shown] = page.evaluate(f"[{ink}, {background}]")
        assert serious_violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.click("#theme")
    assert seen["light"][1] == "rgb(255, 255, 255)"
    assert seen["light"][0] != seen["dark"][0]


def test_the_replay_moves_the_profile(read, report):
    page = read(report)
    curve = "document.querySelectorAll('[data-figure=profile] .scatterlayer .js-line')"
    shape = f"[...{curve}].map(line => line.getAttribute('d')).join()"
    before = page.evaluate(shape)
    page.focus("#time")
    page.keyboard.press("End")
    assert page.inner_text("#time-word") == "iteration 39"
    assert page.evaluate(shape) != before
    page.click("#play")  # from the start again, to the end
    expect(page.locator("#time-word")).not_to_have_text("iteration 39")
    expect(page.locator("#play")).to_have_text("Play", timeout=30_000)
    assert page.inner_text("#time-word") == "iteration 39"
    paused = page.evaluate(
        "(button => [1, 2].map(() => { button.click(); return button.textContent; }))(window.play)"
    )
    assert paused == ["Pause", "Play"]


def test_panels_switch_column_layer_and_moment_and_give_their_numbers(read, report):
    page = read(report)
    page.select_option("#choose-heatmap", "slope_rms")
    assert "slope" in page.get_attribute('[data-figure="heatmap"]', "aria-label")
    page.click('.cell[data-id="relu-depth-2"]')
    assert page.input_value("#choose-heatmap") == "slope_rms"
    lines = page.locator('[data-figure="weights"] .scatterlayer .trace').count()
    page.select_option("#layer", "1")
    few = page.locator('[data-figure="weights"] .scatterlayer .trace').count()
    assert 0 < few < lines
    page.select_option("#choose-weights", index=1)
    # A line and its arrows.
    assert page.locator('[data-figure="weights"] .scatterlayer .trace').count() == 2
    page.click('[data-when="end"]')
    assert "iteration 39" in page.inner_text("#product")
    with page.expect_download() as download:
        page.click('[data-csv="profile"]')
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0] == '"series","x","y","value"'
    assert any(line.startswith('"iteration 0","1",') for line in lines)


def marks(page, key):
    """What the accent-coloured shapes of a figure point at."""
    return page.evaluate(f"document.querySelector('[data-figure={key}]').marks")


def test_a_finding_leads_the_pictures_to_its_place_and_the_address_keeps_it(read, report):
    page = read(report)
    page.click('.cell[data-id="sigmoid-depth-8"]')
    found = page.evaluate(
        "gradlabCommon && JSON.parse(JSON.stringify(document.querySelector('#card').innerText))"
    )
    page.click("#card .go")
    place = page.inner_text("#card .go")
    layer, iteration = re.search(r"layer (\d+), iteration (\d+)", place).groups()
    assert f"iterations {iteration} to" in found
    assert page.input_value("#layer") == layer
    assert marks(page, "profile")[0]["x0"] == int(layer)
    assert page.inner_text("#time-word") == f"iteration {iteration}"
    page.focus("#time")
    page.keyboard.press("End")
    assert marks(page, "loss")[0]["x0"] == 39
    assert page.url.endswith(f"#cell=sigmoid-depth-8&iteration=39&layer={layer}&column=delta_norm")
    page.reload()
    page.wait_for_selector(READY, state="attached")
    assert page.inner_text("#cell-title") == "sigmoid depth 8"
    assert (page.input_value("#layer"), page.inner_text("#time-word")) == (layer, "iteration 39")
    assert marks(page, "profile")[0]["x0"] == int(layer)


def test_a_finding_at_a_nan_is_marked_where_it_is(read, tmp_path):
    delta, loss = np.ones((400, 2, 6)), np.linspace(2.3, 1.0, 400)[:, None] * np.ones(2)
    delta[123:, :, 2] = loss[123:] = np.nan
    config = {"baseline_loss": 2.3}
    run = Run.from_arrays({"delta_norm": delta}, steps={"loss": loss}, config=config, name="breaks")
    page = read(gradlab.write_report(run, tmp_path / "page.html"))
    page.click("#card .go")
    assert marks(page, "loss")[0]["x0"] == marks(page, "heatmap")[0]["x0"] == 123
    assert (
        page.inner_text("#time-word") == "iteration 123 (by layer: 122)"
    )  # the last one with a gradient to draw
    assert "iteration=123" in page.url
    page.reload()
    page.wait_for_selector(READY, state="attached")
    assert marks(page, "loss")[0]["x0"] == 123


def test_a_square_of_the_heatmap_is_a_place_too(read, report):
    page = read(report)
    page.locator('[data-figure="heatmap"]').scroll_into_view_if_needed()
    box = page.locator('[data-figure="heatmap"] .heatmaplayer image').first.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 5)
    assert page.input_value("#layer") == "1"
    assert "iteration 0" not in page.inner_text("#time-word")


def test_two_nets_side_by_side_share_scales_and_the_pointer(read, report):
    page = read(report)
    page.click('.cell[data-id="sigmoid-depth-8"]')
    page.select_option("#other", "relu-depth-2")
    ranges = page.evaluate(
        """['[data-figure=profile]', '[data-against=profile]']
        .map(place => document.querySelector(place)._fullLayout.yaxis.range)
        .map(range => range.map(end => end.toFixed(6)).join())"""
    )
    assert ranges[0] == ranges[1]
    told = page.inner_text("#differences")
    assert all(word in told for word in ("activation", "sigmoid", "relu", "depth"))
    assert "seed" not in told
    page.locator('[data-figure="profile"]').scroll_into_view_if_needed()
    point = page.locator('[data-figure="profile"] .scatterlayer .points path').nth(1).bounding_box()
    page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    expect(page.locator('[data-against="profile"] .hovertext').first).to_be_visible()
    assert "layer 2" in page.text_content("[data-against=profile] .hoverlayer")
    assert page.url.endswith("with=relu-depth-2")
    with page.expect_download() as download:
        page.click('[data-csv="loss"]')
    assert '"relu depth 2: training"' in download.value.path().read_text(encoding="utf-8")
    assert serious_violations(page) == []
    page.select_option("#other", "")
    assert page.locator("[data-against]:visible").count() == 0


def test_a_run_that_ended_at_once_is_no_hairline_beside_a_long_one(read, tmp_path):
    runs = [made(iterations=3, name="short"), made(iterations=200, name="long")]
    page = read(gradlab.write_report(runs, tmp_path / "page.html"))
    ranges = page.evaluate(
        """['[data-figure=heatmap]', '[data-against=heatmap]']
        .map(place => document.querySelector(place)._fullLayout.xaxis.range[1])"""
    )
    assert sorted(ranges) == [2.5, pytest.approx(200, abs=2)]


def test_two_runs_open_side_by_side_and_findings_are_given_as_json(read, comparison, tmp_path):
    page = read(
        gradlab.write_report([cell.run for cell in comparison.cells[:2]], tmp_path / "page.html"),
        width=380,
    )
    assert page.locator("[data-against]:visible").count() == 7
    assert page.evaluate("document.documentElement.scrollWidth") == 380
    with page.expect_download() as download:
        page.click(".json")
    shown = page.get_attribute('.cell[aria-pressed="true"]', "data-id")
    cell = next(cell for cell in comparison.cells if shown == cell.name.replace(" ", "-"))
    told = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert told["findings"] == json.loads(
        json.dumps(gradlab.diagnose(cell.run).to_dict()["findings"])
    )


def test_paper_is_light_whatever_the_screen_is(read, report):
    page = read(report, theme="dark")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.is_visible("#where")
    widths = page.evaluate(
        "[...document.querySelectorAll('.figure .main-svg')].map(svg => svg.clientWidth)"
    )
    assert 500 < min(filter(None, widths)) <= max(widths) <= 720  # what fits on a sheet
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator('[data-figure="factors"] .main-svg').first).to_have_js_property(
        "clientWidth", 1184
    )
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"


def test_hostile_names_are_text(read, tmp_path):
    runs = [made(name=HOSTILE), made(name=f"{HOSTILE} again", layers=1)]
    page = read(gradlab.write_report(runs, tmp_path / "page.html"))
    assert page.inner_text("#cell-title") == HOSTILE
    assert page.title() != "it ran"
    assert page.locator("main b").count() == 0
    assert HOSTILE in page.inner_text('[data-figure="overview"]').replace("\n", "")


def test_a_single_run_has_no_matrix(read, comparison, tmp_path):
    page = read(gradlab.write_report(comparison.cells[1].run, tmp_path / "page.html"), width=380)
    assert page.locator("#matrix").count() == 0
    assert 1 <= len(page.inner_text("h1").split()) <= 12
    assert figures(page) == [
        "factors",
        "profile",
        "heatmap",
        "loss",
        "norm_and_rate",
        "layers",
        "weights",
    ]
    assert page.evaluate("document.documentElement.scrollWidth") == 380


def test_strange_runs_open(read, tmp_path):
    page = read(gradlab.write_report([make() for make in STRANGE.values()], tmp_path / "page.html"))
    for cell in page.locator(".cell").all():
        cell.click()
        assert page.locator("#card p").count() > 0


def test_letters_grow_with_the_screen_and_rows_are_filled(read, report):
    page = read(report, width=3840, height=2160)
    size = (
        "parseFloat(getComputedStyle(document.querySelector('[data-figure=loss] .xtick "
        "text')).fontSize)"
    )
    assert page.evaluate(size) > 20
    assert page.evaluate("document.documentElement.scrollWidth") == 3840
    boxes = [panel.bounding_box() for panel in page.locator(".panels > .panel:visible").all()]
    rows = {
        round(box["y"]): [each for each in boxes if round(each["y"]) == round(box["y"])]
        for box in boxes
    }
    assert [len(row) for row in rows.values()] == [3, 3]
    ends = {round(max(box["x"] + box["width"] for box in row)) for row in rows.values()}
    assert len(ends) == 1


def test_layers_with_names_are_chosen_by_them(read, tmp_path):
    path = gradlab.write_report(called(), tmp_path / "page.html")
    page = read(path)
    assert page.locator("#layer option").all_inner_texts()[4] == "4 · transformer.h.1.mlp.c_fc"
    axis = (
        "[...document.querySelectorAll('[data-figure=heatmap] .ytick text')].map(text => "
        "text.textContent)"
    )
    assert "…h.1.mlp.c_fc" in page.evaluate(axis)
    page.locator('[data-figure="heatmap"]').scroll_into_view_if_needed()
    box = page.locator('[data-figure="heatmap"] .heatmaplayer image').first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 5)
    expect(page.locator('[data-figure="heatmap"] .hovertext').first).to_contain_text(
        ", transformer.h.0.attn.c_attn: "
    )
    assert serious_violations(page) == []
    assert "1" in read(path, width=380).evaluate(axis)  # a phone has no room for them


def test_words_that_are_not_true_of_a_run_are_hidden(read, tmp_path):
    run = made(seeds=1, config={"baseline_loss": None})
    page = read(gradlab.write_report(run, tmp_path / "page.html"))
    told = page.inner_text("main")
    assert "over seeds" not in told
    assert "theory predicts" not in told
    assert "dashed line" not in told
