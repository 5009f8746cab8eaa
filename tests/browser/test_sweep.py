"""The page of a sweep: one matrix, and selectors for the axes that it does not show."""

import pytest

import gradlab
from tests.browser.axe import serious_violations

READY = "html[data-ready]"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    data = gradlab.datasets.blobs(60, classes=3, features=4)
    result = gradlab.compare(
        ["relu", "tanh"],
        [2],
        width=6,
        data=data,
        seeds=1,
        iterations=4,
        batch_size=8,
        jobs=1,
        runs=folder,
        sweep={"learning_rate": [0.01, 0.1], "init": ["he_normal", "orthogonal"]},
        columns="learning_rate",
    )
    return gradlab.write_report(result, folder / "sweep.html")


def shown_rows(page):
    return page.locator("#matrix tbody:not([hidden]) tr .cell").evaluate_all(
        "cells => cells.map(cell => cell.dataset.id)"
    )


def open_axes(page):
    """The axes whose value is chosen by a selector."""
    return page.locator("[data-axis]:visible").evaluate_all("all => all.map(e => e.dataset.axis)")


def headings(page):
    words = page.locator("#matrix thead th, #matrix tbody th").all_inner_texts()
    return [word.strip() for word in words]


def test_any_two_axes_become_rows_and_columns(open_page, sweep):
    page = open_page(sweep)
    page.wait_for_selector(READY, state="attached")
    page.click('.cell[data-id="tanh-depth-2-learning-rate-0.1-init-he-normal"]')
    page.select_option("#rows", "init")
    assert headings(page) == ["init by learning rate", "0.01", "0.1", "he_normal", "orthogonal"]
    assert open_axes(page) == ["network", "depth"]
    assert {identifier[:12] for identifier in shown_rows(page)} == {"tanh-depth-2"}
    page.select_option("#columns", "network")
    assert headings(page) == ["init by network", "relu", "tanh", "he_normal", "orthogonal"]
    assert page.input_value('[data-axis="learning_rate"]') == "0.1"
    page.focus('.cell[tabindex="0"]')
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#cell-title") == "relu depth 2, learning rate 0.1, init he_normal"
    assert page.evaluate("document.activeElement.dataset.id").startswith("relu")
    page.select_option("#columns", "init")  # that of the rows: the two change places
    assert headings(page)[0] == "network by init"
    page.reload()
    page.wait_for_selector(READY, state="attached")
    assert headings(page)[0] == "network by init"
    assert len(shown_rows(page)) == 4
    assert serious_violations(page) == []


def test_a_selector_shows_its_slice_and_keeps_row_and_column(open_page, sweep):
    page = open_page(sweep)
    page.wait_for_selector(READY, state="attached")
    assert open_axes(page) == ["depth", "init"]
    page.select_option('[data-axis="init"]', "he_normal")
    page.click('.cell[data-id="tanh-depth-2-learning-rate-0.1-init-he-normal"]')
    assert len(shown_rows(page)) == 4
    page.select_option('[data-axis="init"]', "orthogonal")
    assert page.inner_text("#cell-title") == "tanh depth 2, learning rate 0.1, init orthogonal"
    assert {identifier.rpartition("init-")[2] for identifier in shown_rows(page)} == {"orthogonal"}
    page.focus('.cell[tabindex="0"]')
    page.keyboard.press("ArrowUp")
    assert page.inner_text("#cell-title") == "relu depth 2, learning rate 0.1, init orthogonal"
    page.reload()
    page.wait_for_selector(READY, state="attached")
    assert page.input_value('[data-axis="init"]') == "orthogonal"
    assert serious_violations(page) == []


def test_paper_holds_every_part_of_a_sweep(open_page, sweep):
    page = open_page(sweep)
    page.wait_for_selector(READY, state="attached")
    assert len(shown_rows(page)) == 4
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert len(set(shown_rows(page))) == 8
    labels = page.locator("#matrix .slice").all_inner_texts()
    assert labels == ["hidden layers 2, init he_normal", "hidden layers 2, init orthogonal"]
    assert page.is_visible("#config")
    assert not page.is_visible(".selectors select")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert len(shown_rows(page)) == 4
