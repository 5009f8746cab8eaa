"""Stills for the index of the course."""

import re

import numpy as np
import plotly.graph_objects as go

from gradlab.comparison import compare
from gradlab.report.thumbnail import of_comparison, of_figures


def paths(figure) -> list[str]:
    return re.findall(r' d="([^"]*)"', of_figures([figure]))


def test_a_line_goes_from_corner_to_corner():
    assert paths(go.Figure(go.Scatter(x=[0, 2], y=[1, 3], mode="lines"))) == ["M5.0 67.0L115.0 5.0"]


def test_a_logarithmic_axis_is_drawn_as_one():
    figure = go.Figure(
        go.Scatter(x=[0, 1, 2], y=[1, 10, 100], mode="lines"), {"yaxis": {"type": "log"}}
    )
    assert paths(figure) == ["M5.0 67.0L60.0 36.0L115.0 5.0"]


def test_what_is_not_finite_is_left_out():
    figure = go.Figure(go.Scatter(x=[0, 1, 2], y=[0, np.nan, 1], mode="lines"))
    assert paths(figure) == ["M5.0 67.0L115.0 5.0"]


def test_bars_stand_on_0():
    figure = go.Figure(go.Bar(x=["a", "b", "c"], y=[1, 2, 4]))
    assert paths(figure) == ["M5.0 51.5V67M60.0 36.0V67M115.0 5.0V67"]


def test_bars_below_0_hang_from_it():
    figure = go.Figure(go.Bar(x=["a", "b"], y=[-1, 1]))
    assert paths(figure) == ["M5.0 67.0V36M115.0 5.0V36"]


def test_a_heatmap_has_a_square_a_value():
    svg = of_figures([go.Figure(go.Heatmap(z=[[0.0, 1.0], [np.nan, 0.5]]))])
    assert re.findall(r'opacity="([\d.]+)"', svg) == ["0.10", "1.00", "0.55"]


def test_two_curves_share_one_scale():
    figure = go.Figure([go.Scatter(y=[0, 4], mode="lines"), go.Scatter(y=[0, 2], mode="lines")])
    assert paths(figure)[1] == "M5.0 67.0L115.0 36.0"


def test_the_first_figure_that_can_be_drawn_is():
    empty, pie = go.Figure(), go.Figure(go.Pie(values=[1]))
    assert of_figures([empty, pie]) == ""
    assert "path" in of_figures([empty, pie, go.Figure(go.Scatter(y=[0, 1]))])


def test_a_colour_cannot_leave_its_attribute():
    trace = {"type": "scatter", "y": [0, 1], "line": {"color": '"><script>'}}
    figure = go.Figure({"data": [trace], "layout": {}}, skip_invalid=True)
    figure.to_plotly_json = lambda: {"data": [trace], "layout": {}}  # past Plotly's own check
    assert "<script" not in of_figures([figure])


def test_a_comparison_is_a_square_for_each_cell(tmp_path):
    grid = compare(
        networks=["tanh", "relu"], depths=[1, 2], seeds=1, iterations=3, runs=tmp_path, jobs=1
    )
    assert of_comparison(grid).count("<rect") == 4
