"""The report as a reader sees it: picks, keys, themes, widths, and no request."""

import re

import pytest

import gradlab
from tests.browser.axe import serious_violations
from tests.report.test_data import made

HOSTILE = "</script><script>document.title = 'it ran'</script><b>bold</b>"
READY = "html[data-ready]"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """A small grid, trained here: sigmoid and relu at two depths."""
    return gradlab.compare(
        ["sigmoid", "relu"], [2, 8], width=12, seeds=2, iterations=40, jobs=1, runs=tmp_path_factory.mktemp("runs")
    )


@pytest.fixture(scope="module")
def report(comparison, tmp_path_factory):
    return gradlab.write_report(comparison, tmp_path_factory.mktemp("report") / "page.html")


@pytest.fixture
def read(open_page):
    """Open a report and wait for its figures."""

    def open_report(path, **options):
        page = open_page(path, **options)
        page.wait_for_selector(READY, state="attached", timeout=20_000)
        return page

    return open_report


def figures(page):
    """The keys of the figures that are on the page and hold something drawn."""
    return page.evaluate(
        """[...document.querySelectorAll('[data-figure]')]
        .filter(place => place.offsetParent && place.querySelector('svg.main-svg .plot path, svg.main-svg .plot image'))
        .map(place => place.dataset.figure)"""
    )


def test_a_cell_shows_its_figures(read, report):
    page = read(report)
    assert figures(page) == ["overview", "factors", "profile", "heatmap", "loss", "weights"]
    page.click('.cell[data-id="relu-depth-8"]')
    assert page.inner_text("#cell-title") == "relu depth 8"
    assert page.get_attribute('.cell[data-id="relu-depth-8"]', "aria-pressed") == "true"
    assert "layer 1" in page.get_attribute('[data-figure="profile"]', "aria-label")
    assert page.locator("#product .factor").count() == 8
    assert "predicted" in page.inner_text('[data-figure="profile"]')


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


def test_an_unknown_address_opens_the_default(read, report, open_page):
    page = read(report)
    page.evaluate("location.hash = 'cell=%3Cnone'")
    assert page.inner_text("#cell-title")
    assert page.locator('.cell[aria-pressed="true"]').count() == 1


def test_every_word_of_the_matrix_is_there_before_the_figures(open_page, report):
    page = open_page(report)
    assert page.locator(".cell .outcome").count() == 4
    assert page.locator(".cell .curve").first.get_attribute("d").startswith("M")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_follows_the_system_and_can_be_switched(read, report, theme):
    page = read(report, theme=theme)
    ink = "getComputedStyle(document.querySelector('[data-figure=loss] .xtick text')).fill"
    background = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(f"[{ink}, {background}]")
    page.click("#theme")
    after = page.evaluate(f"[{ink}, {background}]")
    assert before[0] != after[0]
    assert (before[1], after[1])[theme == "dark"] == "rgb(255, 255, 255)"
    assert page.inner_text("#theme") == theme.capitalize()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1280])
def test_nothing_is_serious_for_accessibility_and_nothing_overflows(read, report, theme, width):
    page = read(report, theme=theme, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert serious_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_there_is_nothing_to_upload_and_nothing_is_asked_for(read, report, open_page):
    page = read(report)
    words = page.evaluate("document.body.innerText + [...document.querySelectorAll('a,[data-title]')].map(e => e.outerHTML)")
    assert not re.search(r"share|cloud|upload|edit chart", words, re.IGNORECASE)
    assert page.locator(".modebar-btn").count() == 0
    assert open_page.requests == [report.as_uri()]


def test_the_replay_moves_the_profile(read, report):
    page = read(report)
    curve = "document.querySelectorAll('[data-figure=profile] .scatterlayer .js-line')"
    shape = f"[...{curve}].map(line => line.getAttribute('d')).join()"
    before = page.evaluate(shape)
    page.focus("#time")
    page.keyboard.press("End")
    assert page.inner_text("#time-word") == "iteration 39"
    assert page.evaluate(shape) != before
    page.click("#play")
    page.wait_for_function("document.querySelector('#time').value === '1'")
    page.click("#play")
    assert page.inner_text("#play") == "Play"


def test_panels_switch_column_layer_and_moment(read, report):
    page = read(report)
    page.select_option("#column", "slope_rms")
    assert "slope" in page.get_attribute('[data-figure="heatmap"]', "aria-label")
    page.click('.cell[data-id="relu-depth-2"]')
    assert page.input_value("#column") == "slope_rms"
    lines = page.locator('[data-figure="weights"] .scatterlayer .trace').count()
    page.select_option("#layer", "1")
    assert 0 < page.locator('[data-figure="weights"] .scatterlayer .trace').count() < lines
    page.click('[data-when="end"]')
    assert "iteration 39" in page.inner_text("#product")


def test_the_numbers_of_a_panel_can_be_taken_away(read, report):
    page = read(report)
    with page.expect_download() as download:
        page.click('[data-csv="profile"]')
    text = download.value.path().read_text(encoding="utf-8")
    assert text.splitlines()[0] == '"series","x","y","value"'
    assert '"iteration 0","1",' in text


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
    assert page.inner_text("h1").startswith("sigmoid depth 8")
    assert figures(page) == ["factors", "profile", "heatmap", "loss", "weights"]
    assert page.evaluate("document.documentElement.scrollWidth") == 380


@pytest.mark.parametrize("strange", ["no iteration", "one layer", "all NaN", "300 layers", "1e-300 and 1e300"])
def test_strange_runs_open(read, tmp_path, strange):
    from tests.report.test_data import STRANGE

    page = read(gradlab.write_report(STRANGE[strange](), tmp_path / "page.html"))
    assert page.inner_text("#card")
