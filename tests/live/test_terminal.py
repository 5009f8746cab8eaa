"""What the terminal shows of a run: read as text, at several widths."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from gradlab.display import Bar
from gradlab.live.follower import Follower
from gradlab.live.terminal import column_lines, duration, number, picture, plain_line, shown_bars
from tests.live.growing import Growing


def text_of(frame, width=80):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(picture(frame, width))
    return console.export_text()


@pytest.fixture
def frame(tmp_path):
    growing = Growing(tmp_path / "night").grow(41)
    made = Follower(growing.recorder.folder).look()
    return replace(made, seconds=0.0123)


def test_it_shows_state_loss_bars_and_findings(frame):
    text = text_of(frame, 100)
    assert "night  recording" in text
    assert "iteration 40" in text
    assert "12.3 ms a step" in text
    assert "hidden1" in text
    assert "1.0e-10 ▒▒▒" in text
    assert "vanishing-gradient (GL101, error)" in text
    assert "try: use " in text
    assert "judged at iteration 40" in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(frame, width):
    assert max(map(len, text_of(frame, width).splitlines())) <= width


def test_a_bar_is_as_long_as_the_powers_of_ten(frame):
    lines = [line for line in text_of(frame).splitlines() if "▒" in line]
    assert [line.count("▒") for line in lines] == [44, 35, 26, 18, 9]


def test_names_from_a_stranger_are_no_markup(frame):
    text = text_of(replace(frame, name="[red]x[/red]", status="complete"))
    assert "[red]x[/red]" in text


def test_without_a_verdict_it_says_so(frame):
    text = text_of(replace(frame, verdict="", findings=()))
    assert "Nothing was judged yet." in text


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ([0.0, 1.0], [" █", "▁█"]),
        ([3.0, 3.0], ["  ", "▁▁"]),
        ([0.0, 7.0, 15.0], ["  █", "▁██"]),
        ([0.0, 8.0, 15.0], [" ▁█", "▁██"]),
    ],
)
def test_columns_are_drawn_by_eighths(values, lines):
    """The smallest is an eighth high, the largest two lines: 15 eighths lie between them."""
    assert column_lines(values, 2) == lines


@pytest.mark.parametrize(("count", "shown"), [(16, 16), (17, 17), (40, 17)])
def test_many_bars_are_shown_at_both_ends(count, shown):
    bars = [Bar(n, f"layer{n}", -1.0) for n in range(count)]
    chosen = shown_bars(bars)
    assert len(chosen) == shown
    assert chosen[0] == bars[0]
    assert chosen[-1] == bars[-1]
    assert (None in chosen) == (count > 16)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5e-4, "500 µs"), (0.0123, "12.3 ms"), (1.5, "1.5 s"), (99.0, "99 s"), (120.0, "2 min")],
)
def test_a_time_is_written_in_the_unit_that_suits_it(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(2.30258, "2.303"), (1e-12, "1e-12"), (float("nan"), "NaN"), (float("-inf"), "-inf")],
)
def test_a_number_fits_into_its_column(value, words):
    assert number(value) == words


def test_one_line_tells_it_where_there_is_no_terminal(frame):
    line = plain_line(frame)
    assert line.startswith("recording, iteration 40, loss 2.31")
    assert line.endswith("vanishing-gradient (GL101, error)")
