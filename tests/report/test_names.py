"""Layers that have names of their own, and numbers that no axis of the built-in engine shows."""

import numpy as np
import pytest

import gradlab
from gradlab.report.pictures import series
from gradlab.report.pictures.axes import elided, log_axis
from gradlab.report.pictures.heatmap import collect, draw
from gradlab.run import LOG_GAINS, Run
from tests.report.test_data import made, only

NAMES = [f"transformer.h.{k // 2}.{'mlp.c_fc' if k % 2 else 'attn.c_attn'}" for k in range(6)]


def called(names=NAMES, **options):
    """A run whose layers have names of their own."""
    run = made(layers=len(names), **options)
    layers = [{"name": name, "kind": "Linear"} for name in names]
    signals = {name: run[name] for name in run.columns}
    recorded = {name: run.recorded(name) for name in run.columns}
    return Run.from_arrays(
        signals, steps={"loss": run.step("loss")}, layers=layers, recorded=recorded, name=run.name
    )


def test_layers_are_called_by_their_names_where_they_have_any():
    run = called()
    profile = gradlab.figures.gradient_profile(run)
    measured = next(trace for trace in profile.data if trace.name == "iteration 0")
    assert measured.text[3] == "transformer.h.1.mlp.c_fc"
    assert "%{text}: %{y" in measured.hovertemplate
    assert profile.layout.xaxis.ticktext[0] == "…h.0.attn.c_attn"
    squares = gradlab.figures.heatmap(run).data[0]
    assert {row[0] for row in squares.text} == set(NAMES)
    steps = [trace for trace in gradlab.figures.factors(run).data if trace.xaxis == "x2"]
    # The way back begins below the last layer.
    assert steps[0].text[0] == "transformer.h.2.attn.c_attn"
    assert {trace.textposition for trace in steps} == {"none"}
    assert only(run)["layers"] == NAMES
    assert only(made())["layers"] == []  # "hidden3" says no more than its number
    assert "text" not in gradlab.figures.gradient_profile(made()).data[2].to_plotly_json()


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("conv1", "conv1"),
        ("a.name.of.18.chars", "a.name.of.18.chars"),
        ("transformer.h.12.attn.c_attn", "…h.12.attn.c_attn"),
        ("transformer.h.9.ln_2", "…h.9.ln_2"),
        ("averylongnamewithoutanydots", "…amewithoutanydots"),
    ],
)
def test_long_names_keep_their_end(name, short):
    assert elided(name) == short
    assert len(short) <= 18


def test_names_at_an_axis_are_text():
    run = called(["<b>bold</b>", "b", "c"])
    assert (
        gradlab.figures.gradient_profile(run).layout.xaxis.ticktext[0] == "&lt;b&gt;bold&lt;/b&gt;"
    )


def test_a_step_through_blocks_alone_is_a_factor_too():
    """Of a framework's net some steps have the four terms, some one of blocks, some all five."""
    shape = (4, 1, 4)
    log = {name: np.full(shape, np.nan) for name in (*LOG_GAINS, "log_gain_block")}
    for gain in LOG_GAINS:
        log[gain][:, :, 1:3] = np.log(0.5) / 4
    log["log_gain_block"][:, :, 0], log["log_gain_block"][:, :, 2] = np.log(3), np.log(8)
    recorded = {name: np.isfinite(value) for name, value in log.items()}
    delta = np.array([3 * 0.5 * 4.0, 0.5 * 4, 4.0, 1.0]) * np.ones(shape)
    run = Run.from_arrays({"delta_norm": delta, **log}, recorded=recorded)
    found = series.factors(run, 0)
    assert found is not None
    assert np.exp(found.total) == pytest.approx([4, 0.5, 3])
    assert np.exp(found.total.sum()) == pytest.approx(delta[0, 0, 0] / delta[0, 0, -1])
    # Now a step is not known at all, so there is no product.
    recorded["log_gain_block"][:, :, 0] = False
    assert (
        series.factors(Run.from_arrays({"delta_norm": delta, **log}, recorded=recorded), 0) is None
    )


def marks_of(run, said):
    figure = draw(collect(run, "delta_norm", 20, said))
    return [trace["name"] for trace in figure["data"] if "first" in trace["name"]]


def test_the_first_broken_layer_of_a_signal_is_the_one_that_it_reached_first():
    shape = (30, 1, 6)
    delta, forward = np.ones(shape), np.ones(shape)
    delta[9:, :, :4] = forward[9:, :, 1:] = np.nan
    run = made(seeds=1, delta_norm=delta, activation_rms=forward)
    assert series.first_broken(run, "delta_norm") == (9, 0, 4)  # it travels back
    assert series.first_broken(run, "activation_rms") == (9, 0, 2)
    marks = marks_of(run, (9, 2))
    assert marks == [
        "the first: iteration 9, layer 2"
    ]  # where the verdict says, if it is broken there too
    marks = marks_of(run, (9, 6))
    assert marks == ["the first of this statistic: iteration 9, layer 4"]


@pytest.mark.parametrize("low", [1.0, 0.3, 0.02, 1e-5])
@pytest.mark.parametrize("spread", [1.0, 1.3, 3.0, 8.0, 50.0, 1e6])
def test_a_logarithmic_axis_has_two_ticks_or_more(low, spread):
    axis = log_axis("it", [np.array([low, low * spread])])
    start, end = axis["range"]
    ticks = (
        np.log10(axis["tickvals"])
        if "tickvals" in axis
        else np.arange(np.ceil(start), end, axis["dtick"])
    )
    assert 2 <= sum((ticks >= start) & (ticks <= end)) <= 8
