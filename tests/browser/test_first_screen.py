"""The first screen, the filter of layers and the pictures of blocks, as a reader sees them."""

import numpy as np
import pytest
from playwright.sync_api import expect

import gradlab
from tests.browser.axe import serious_violations
from tests.browser.test_report import READY
from tests.report.test_data import made, vanished
from tests.report.test_pictures import STAGE, of_blocks


@pytest.fixture
def read(open_page):
    """Open a report and wait for its figures."""

    def open_report(path, **options):
        page = open_page(path, **options)
        page.wait_for_selector(READY, state="attached", timeout=60_000)
        return page

    return open_report


@pytest.fixture
def vanishing(tmp_path):
    run = vanished()
    return gradlab.write_report(run, tmp_path / "page.html")


@pytest.fixture
def blocks(tmp_path):
    shape = (3, 1, 4)
    signals = {"stream_grad_norm": np.ones(shape), "stream_rms": np.ones(shape)}
    run = of_blocks(block_signals=signals, output_stage=STAGE[:2])
    return gradlab.write_report(run, tmp_path / "page.html")


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 380)])
def test_the_first_screen_holds_headline_picture_fix_and_rule(read, vanishing, theme, width):
    page = read(vanishing, theme=theme, width=width, height=900)
    assert page.inner_text("h1") == "The gradient vanishes: 0.00098 of it reaches layer 1"
    for part in ("[data-hero] .main-svg", ".message", ".try", ".sure", ".rule summary"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] + box["height"] <= 900, part
    assert "Rule GL101: vanishing gradient" in page.inner_text(".rule summary")
    page.click(".rule summary")
    assert "delta" in page.inner_text(".rule")
    assert serious_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_before_any_script_a_still_stands_where_the_picture_will_be(vanishing):
    page = vanishing.read_text(encoding="utf-8")
    head = page[: page.index("<script")]
    assert head.count('class="poster"') == 1
    assert 'class="curve" style="stroke: #2b7cd3" d="M' in head


def test_the_still_gives_way_to_the_picture(read, vanishing):
    page = read(vanishing)
    assert page.locator(".poster").count() == 0
    assert page.locator("[data-hero] .scatterlayer .js-line").count() >= 1


def test_a_fix_is_copied(read, tmp_path, open_page):
    page = read(gradlab.write_report(healthy_but(tmp_path), tmp_path / "page.html"))
    code = page.inner_text(".copy code")
    assert code == "learning_rate=0.001"
    page.click("[data-copy]")
    expect(page.locator("[data-copy]")).to_have_text("Copied")
    expect(page.locator("[data-copy]")).to_have_text("Copy")


def healthy_but(tmp_path):
    """A run that ends in NaN after its gradient grew: its remedy holds a learning rate."""
    loss = np.linspace(2.3, 1.0, 60)[:, None]
    loss[40:] = np.nan
    signals = {name: np.ones((60, 1, 3)) for name in ("delta_norm", "grad_norm", "weight_norm")}
    for values in signals.values():
        values[40:] = np.nan
    config = {"learning_rate": 0.01}
    return gradlab.Run.from_arrays(signals, steps={"loss": loss}, config=config, name="nan")


def test_a_net_of_blocks_is_shown_by_block_and_role(read, blocks):
    page = read(blocks)
    for key in ("roles", "block_roles", "stream", "output_stage"):
        assert page.locator(f'[data-figure="{key}"] .main-svg').count() > 0, key
    assert page.locator('[data-figure="block_roles"] .ytick text').all_text_contents() == [
        "attn.qkv", "attn.proj", "mlp.up",
    ]  # fmt: skip
    page.select_option("#choose-heatmap", "grad_norm")
    label = page.get_attribute('[data-figure="block_roles"]', "aria-label")
    assert label.startswith("weight gradient")
    page.click("#layers-listed > summary")
    assert page.locator("#layer-table .fold").count() == 4
    page.click("#layer-table .fold summary >> nth=0")
    assert "attn.qkv" in page.inner_text("#layer-table .fold >> nth=0")
    assert serious_violations(page) == []


def test_a_pattern_leaves_the_layers_that_it_fits(read, blocks):
    page = read(blocks)
    rows = "document.querySelector('[data-figure=heatmap]').data[0].y.length"
    points = "document.querySelector('[data-figure=profile]').data[2].x"
    assert page.evaluate(rows) == 14
    page.fill("#filter", "blocks.*.attn.qkv")
    assert page.inner_text("#filter-said") == "4 of 14 layers"
    assert page.evaluate(rows) == 4
    assert page.evaluate(points) == [2, 5, 8, 11]
    assert "layers=blocks.*.attn.qkv" in page.url
    page.reload()
    page.wait_for_selector(READY, state="attached")
    assert page.input_value("#filter") == "blocks.*.attn.qkv"
    assert page.evaluate(rows) == 4
    page.locator('[data-figure="heatmap"]').scroll_into_view_if_needed()
    box = page.locator('[data-figure="heatmap"] .heatmaplayer image').first.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 5)  # the last row
    assert page.input_value("#layer") == "11"
    page.fill("#filter", "/mlp|head/")
    assert page.inner_text("#filter-said") == "5 of 14 layers"
    page.fill("#filter", "nothing like it")
    assert page.get_attribute("#filter", "aria-invalid") == "true"


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("blocks.[!0].*", 9), ("/up$/", 4), ("attn", 8), ("blocks.0*", 3), ("/(/", 0)],
)
def test_the_box_reads_patterns_as_python_does(read, blocks, pattern, count):
    page = read(blocks)
    page.fill("#filter", pattern)
    assert page.inner_text("#filter-said") == f"{count} of 14 layers"


def test_a_report_may_open_with_a_pattern(read, tmp_path):
    path = gradlab.write_report(of_blocks(), tmp_path / "page.html", layers="head")
    page = read(path)
    assert page.input_value("#filter") == "head"
    assert page.inner_text("#filter-said") == "1 of 14 layers"


@pytest.fixture
def eight(tmp_path):
    runs = [made(name="run 1"), vanished(name="run 9")]
    runs += [made(name=f"more {k}") for k in range(6)]
    return gradlab.write_report(runs, tmp_path / "page.html")


def test_a_pick_in_the_matrix_is_answered_beside_it(read, eight):
    page = read(eight, height=1100)
    page.click('.cell[data-id="run-1"]')
    page.click('.cell[data-id="run-9"]')
    assert page.locator("[data-answer]:visible").count() == 1
    answer = page.locator("[data-answer]:visible")
    assert answer.locator(".kicker").inner_text() == "run 9"
    assert answer.locator(".headline").inner_text().startswith("The gradient vanishes")
    assert answer.locator("[data-hero] .main-svg").count() > 0
    cell = page.locator('.cell[data-id="run-9"]').bounding_box()
    beside = answer.locator(".headline").bounding_box()
    assert beside["x"] > cell["x"] + cell["width"]
    assert 0 <= beside["y"] <= beside["y"] + beside["height"] <= 1100
    assert not page.locator("#sheet").is_visible()
    assert serious_violations(page) == []


def test_on_a_phone_a_sheet_answers_in_view(read, eight):
    page = read(eight, width=380, height=700)
    page.click('.cell[data-id="run-9"]')
    assert page.inner_text("#sheet-name") == "run 9"
    assert page.inner_text("#sheet-words").startswith("The gradient vanishes")
    box = page.locator("#sheet").bounding_box()
    assert 0 <= box["y"] <= box["y"] + box["height"] <= 700
    page.click("#sheet-go")
    expect(page.locator("[data-answer]:visible .headline")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 380


def test_a_net_of_blocks_shows_its_way_back_by_block(read, blocks):
    page = read(blocks)
    assert page.inner_text("#chain-title") == "The gradient's way back, block by block"
    assert "of blocks.3 arrives at blocks.0" in page.inner_text("#product")
    assert not page.locator('[data-figure="factors"]').is_visible()


def test_the_player_can_be_made_faster(read, vanishing):
    page = read(vanishing)
    page.click("[data-speed]")
    assert page.inner_text("[data-speed]") == "2×"
    assert page.get_attribute("[data-speed]", "aria-label") == "Speed: 2 times"
