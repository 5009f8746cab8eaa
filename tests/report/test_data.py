"""The page's data, as data: what is told, what is drawn, and that nothing strange breaks it."""

import json

import numpy as np
import pytest

import gradlab
from gradlab.comparison import Cell, Comparison, Plan
from gradlab.comparison.networks import Network
from gradlab.errors import ArgumentError
from gradlab.options import TrainingOptions
from gradlab.report.data import build
from gradlab.report.pictures import series
from gradlab.report.pictures.picture import Detail
from gradlab.report.wording import STATISTIC_WORDS, plainly
from gradlab.run import LOG_GAINS, Run

RATE = 0.25  # what each made-up layer passes on


def made(
    iterations=30, seeds=3, layers=6, rate=RATE, name="made up", config=None, ends_at=2.2, **changes
):
    """A run whose signal is multiplied by `rate` a layer, all of it by the slope."""
    below = np.arange(layers - 1, -1, -1.0)
    noise = np.exp(0.01 * np.random.default_rng(0).normal(size=(iterations, seeds, layers)))
    delta = rate**below * np.ones((iterations, seeds, 1))
    gains = {name: np.zeros_like(delta) for name in LOG_GAINS}
    gains["log_gain_slope"] = np.full_like(delta, np.log(rate))
    for gain in gains.values():
        gain[:, :, -1] = np.nan
    signals = {
        "delta_norm": delta,
        "grad_norm": delta * noise,
        "weight_norm": np.ones_like(delta),
        **gains,
    }
    signals |= changes
    if "grad_norm" not in changes and "per_example_grad_norm" in changes:
        signals["grad_norm"] = changes[
            "per_example_grad_norm"
        ]  # a batch's gradient is no larger than its examples'
    steps = {"loss": np.linspace(2.3, ends_at, iterations)[:, None] * np.ones(seeds)}
    return Run.from_arrays(
        signals, steps=steps, name=name, config={"baseline_loss": 2.3, **(config or {})}
    )


def vanished(iterations=30, **options):
    """A run that does not learn, and whose gradient is next to nothing in every layer."""
    small = 1e-9 * np.ones((iterations, 3, 6))
    return made(iterations=iterations, ends_at=2.3, per_example_grad_norm=small, **options)


def only(run):
    return build(run)["cells"][0]


def test_data_are_plain_json():
    data = build(made())
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_the_profile_holds_the_measured_medians_of_every_layer():
    figure = only(made())["figures"]["profile"]
    measured = next(trace for trace in figure["data"] if trace["name"] == "iteration 0")
    assert measured["x"] == [1, 2, 3, 4, 5, 6]
    assert measured["y"] == pytest.approx([RATE**k for k in (5, 4, 3, 2, 1, 0)], rel=1e-3)


def test_the_prediction_is_scaled_to_the_measured_last_layer():
    config = {
        "sizes": [8, 8, 8, 8, 8, 8, 3],
        "activation": "sigmoid",
        "init": "glorot_normal",
        "gain": 1.0,
        "input_rms": 1.0,
    }
    run = made(config=config)
    figure = only(run)["figures"]["profile"]
    predicted = next(trace for trace in figure["data"] if trace["name"] == "predicted")
    expected = np.exp(
        gradlab.theory.predict(config["sizes"], "sigmoid", "glorot_normal").log_delta_ratio
    )
    assert predicted["y"] == pytest.approx(expected * run["delta_norm"][0, 0, -1], rel=1e-3)


def test_a_run_of_an_unknown_activation_has_no_prediction():
    config = {"sizes": [8] * 7, "activation": "mine", "init": "glorot_normal", "input_rms": 1.0}
    assert series.prediction(made(config=config)) is None
    assert series.prediction(made()) is None


def test_the_chain_is_this_runs_product():
    chain = only(made())["chains"]["start"]
    assert [step["into"] for step in chain["head"]] == [f"layer {k}" for k in (5, 4, 3, 2, 1)]
    assert {step["factor"] for step in chain["head"]} == {"0.25"}
    assert (chain["from"], chain["to"], chain["total"]) == ("layer 6", "layer 1", "0.00098")
    assert chain["left_out"]["count"] == 0


@pytest.mark.parametrize(("layers", "shown", "left_out"), [(11, 10, 0), (12, 7, 4), (51, 7, 43)])
def test_a_long_chain_is_abridged(layers, shown, left_out):
    chain = only(made(layers=layers))["chains"]["start"]
    assert len(chain["head"]) + len(chain["tail"]) == shown
    assert chain["left_out"] == {"count": left_out, "typical": "0.25" if left_out else "1"}
    assert chain["tail"] == [] or chain["tail"][-1]["into"] == "layer 1"


def test_the_waterfall_ends_where_the_terms_sum_to():
    bars = only(made())["figures"]["factors_start"]["data"][0]
    assert bars["x"][:4] == pytest.approx([0, 0, 5 * np.log10(RATE), 0], abs=1e-3)
    assert bars["x"][4] == pytest.approx(5 * np.log10(RATE), abs=1e-3)
    assert bars["base"] == pytest.approx([0, 0, 0, 5 * np.log10(RATE), 0], abs=1e-3)


def test_the_product_takes_the_seeds_that_are_finite_all_the_way():
    run = made()
    gain = np.array(run["log_gain_slope"])
    gain[0, 0, 2] = -np.inf
    found = series.factors(made(log_gain_slope=gain), 0)
    assert found is not None
    assert found.total == pytest.approx(np.full(5, np.log(RATE)))


def test_every_recorded_statistic_has_a_heatmap():
    heatmaps = only(made())["figures"]["heatmap"]
    assert set(heatmaps) == {"delta_norm", "grad_norm"} < set(STATISTIC_WORDS)
    assert np.shape(heatmaps["delta_norm"]["data"][0]["z"]) == (6, 30)


def broken_from(iteration, **options):
    run = made(iterations=400, **options)
    delta = np.array(run["delta_norm"])
    delta[iteration:, 1:, 2] = np.nan
    return made(iterations=400, delta_norm=delta, **options)


def test_nan_is_drawn_as_itself_with_a_mark_at_the_first():
    run = broken_from(123)
    figure = gradlab.figures.heatmap(run, columns=20)
    names = [trace.name for trace in figure.data]
    assert names == ["median", "NaN or infinite", "the first: iteration 123, layer 3, seed 1"]
    assert {0, 122, 123, 399} <= set(figure.data[0].x)
    assert len(figure.data[0].x) <= 20
    assert "iteration 123, layer 3" in figure.layout.meta["alt"]


def test_a_zero_is_told_from_a_small_number():
    delta = np.array(made()["delta_norm"])
    delta[:, :, 0] = 0
    run = made(delta_norm=delta)
    assert "exactly 0" in [trace.name for trace in gradlab.figures.heatmap(run).data]
    flags = gradlab.figures.gradient_profile(run).data[3]
    assert (list(flags.x), list(flags.text)) == ([1], ["exactly 0"])


def test_spikes_and_ends_survive_thinning():
    line = np.ones(20_000)
    line[7_777], line[12_000] = 50, np.nan
    chosen = series.thin([line], 200)
    assert {0, 7_777, 11_999, 12_000, 19_999} <= set(chosen)
    assert len(chosen) <= 210


def test_the_replay_starts_at_the_start_and_ends_at_the_last_finite_iteration():
    run = broken_from(123)
    frames = only(run)["figures"]["profile"]["frames"]
    times = [int(frame["name"]) for frame in frames]
    assert (times[0], times[-1]) == (0, 122)
    assert len(series.moments(run, 12)) <= 12  # the page adds where findings begin


def test_many_runs_are_drawn_with_fewer_points():
    fine, coarse = Detail.of([made()]), Detail.of([made(layers=51)] * 40)
    assert (fine.frames, fine.columns, fine.points) == (12, 60, 500)
    assert all(
        getattr(coarse, name) < getattr(fine, name)
        for name in ("frames", "columns", "points", "weights")
    )


STRANGE = {
    "no iteration": lambda: made(iterations=0),
    "one iteration": lambda: made(iterations=1),
    "one layer": lambda: made(layers=1),
    "one seed": lambda: made(seeds=1),
    "all NaN": lambda: made(
        **{name: np.full((30, 3, 6), np.nan) for name in ("delta_norm", "grad_norm", *LOG_GAINS)}
    ),
    "all infinite": lambda: made(delta_norm=np.full((30, 3, 6), np.inf)),
    "all zero": lambda: made(delta_norm=np.zeros((30, 3, 6))),
    "300 layers": lambda: made(iterations=3, layers=300),
    "1e-300 and 1e300": lambda: made(
        delta_norm=np.full((30, 3, 6), [1e300, 1e150, 1, 1e-100, 1e-300, 1e-300])
    ),
    "a hostile name": lambda: made(name="</script><script>alert(1)</script>"),
    "nothing but a loss": lambda: Run.from_arrays({"weight_norm": np.ones((5, 2, 3))}),
}


@pytest.mark.parametrize("strange", STRANGE)
def test_strange_runs_are_told(strange):
    run = STRANGE[strange]()
    data = build(run)
    json.dumps(data, allow_nan=False)
    assert 1 <= len(data["headline"].split()) <= 12
    assert data["line"].startswith(run.name)
    assert data["cells"][0]["shape"]["layers"] == run.shape[2]


def test_extreme_values_keep_their_place():
    run = STRANGE["1e-300 and 1e300"]()
    figure = gradlab.figures.gradient_profile(run)
    low, high = figure.layout.yaxis.range
    assert low < -300
    assert high > 300
    assert only(run)["sparkline"][0] == 600


def test_a_run_that_broke_is_never_called_healthy():
    cell = only(STRANGE["all NaN"]())
    assert not cell["ok"]
    assert cell["severity"] == "error"


def cells_of(tmp_path):
    cells = []
    for label, rate in (("sigmoid", 0.2), ("relu", 1.0)):
        for depth in (2, 5):
            network = Network(label, "he_normal" if label == "relu" else "glorot_normal")
            options = TrainingOptions(learning_rate=0.1, batch_size=8, iterations=30)
            plan = Plan(network, depth, 8, 3, options, "none")
            cells.append(
                Cell(
                    plan,
                    made(layers=depth + 1, rate=rate, name=plan.name, ends_at=2.3).save(
                        tmp_path / plan.folder
                    ),
                )
            )
    return Comparison(tuple(cells), details={"data": "made up"})


def test_a_comparison_has_a_row_a_network_and_a_column_a_depth(tmp_path):
    data = build(cells_of(tmp_path))
    assert [row["label"] for row in data["matrix"]["rows"]] == ["sigmoid", "relu"]
    assert [column["label"] for column in data["matrix"]["columns"]] == ["2", "5"]
    assert data["matrix"]["rows"][0]["cells"] == ["sigmoid-depth-2", "sigmoid-depth-5"]
    assert {cell["id"] for cell in data["cells"]} == {
        id for row in data["matrix"]["rows"] for id in row["cells"]
    }
    assert [trace["name"] for trace in data["overview"]["5"]["data"]] == ["sigmoid", "relu"]
    assert data["selected"] in {cell["id"] for cell in data["cells"]}
    assert data["headline"] == "sigmoid does not learn at depth 2: no progress"
    assert data["line"].startswith("sigmoid does not learn at depth 2: no progress.")


def test_a_list_of_runs_has_a_row_each_and_tells_namesakes_apart():
    data = build([made(name="a"), made(name="a"), made(name="b")])
    assert [row["cells"] for row in data["matrix"]["rows"]] == [["a"], ["a-2"], ["b"]]
    assert data["kind"] == "runs"


@pytest.mark.parametrize("subject", [None, [], "run", [1], Comparison(())], ids=repr)
def test_what_is_no_subject_is_refused(subject):
    with pytest.raises(ArgumentError):
        build(subject)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.000857, "0.00086"),
        (0.24, "0.24"),
        (36.6, "37"),
        (1234.5, "1,234"),
        (3.3e-13, "3.3·10⁻¹³"),
        (1.1e9, "1.1·10⁹"),
        (0, "0"),
    ],
)
def test_numbers_in_sentences(value, text):
    assert plainly(value) == text


def with_statistics(**changes):
    """A run of 4 layers whose costly statistics are recorded at iterations 0-9 and every 10th."""
    shape = (60, 2, 4)
    costly = np.zeros(shape, bool)
    costly[[*range(10), *range(10, 60, 10)]] = True
    signals = {
        "delta_norm": np.ones(shape),
        "update_ratio": 1e-3 * np.arange(1, 5.0) * np.ones(shape),
        "dead_fraction": 0.25 * np.ones(shape),
        "activation_mean": np.arange(60.0)[:, None, None] * np.ones(shape),
        "activation_std": 2 * np.ones(shape),
    }
    recorded = {name: costly for name in ("dead_fraction", "activation_mean", "activation_std")}
    steps = {"loss": np.linspace(2.3, 0.1, 60)[:, None] * np.ones(2)}
    return Run.from_arrays(signals | changes, steps=steps, recorded=recorded)


def test_steps_and_units_are_drawn_by_layer():
    figure = gradlab.figures.layer_statistics(with_statistics(), 25)
    drawn = {trace.name: trace for trace in figure.data}
    assert list(drawn["update ‖ΔW‖ / ‖W‖"].y) == pytest.approx([1e-3, 2e-3, 3e-3, 4e-3])
    assert list(drawn["dead units"].y) == [0.25] * 4
    assert np.isnan(drawn["saturated units"].y).all()
    # The last one recorded up to iteration 25.
    assert list(drawn["activations: mean ± deviation"].y) == [20.0] * 4
    assert list(drawn["activations: mean ± deviation"].customdata) == [2.0] * 4
    assert "dead units up to 25\u00a0%" in figure.layout.meta["alt"]


def test_what_was_not_recorded_has_no_picture_by_layer():
    with pytest.raises(ArgumentError, match="holds no update ratio"):
        gradlab.figures.layer_statistics(made())
    assert "layers" not in only(made())["figures"]
    only_steps = gradlab.figures.layer_statistics(made(update_ratio=np.full((30, 3, 6), 1e-3)))
    assert len(only_steps.data) == 4


def test_a_replay_stops_at_moments_that_hold_everything():
    run = with_statistics()
    assert set(series.moments(run, 12)) <= {*range(10), *range(10, 60, 10), 59}
    assert 33 in series.moments(run, 12, [33, 70])
    figures = only(run)["figures"]
    assert [frame["name"] for frame in figures["layers"]["frames"]] == [
        str(t) for t in figures["moments"]
    ]
    assert [frame["name"] for frame in figures["profile"]["frames"]] == [
        str(t) for t in figures["moments"]
    ]


def test_findings_are_marked_on_the_axis_of_time():
    run = vanished()
    verdict = gradlab.diagnose(run)
    figure = gradlab.figures.loss(run, diagnosis=verdict)
    rows = [trace for trace in figure.data if trace.yaxis == "y3"]
    assert {row.name for row in rows} == {finding.rule for finding in verdict.every_finding}
    for row in rows:
        finding = next(each for each in verdict.every_finding if each.rule == row.name)
        assert tuple(row.x) == finding.iterations
    assert "GL101 from iteration 0" in figure.layout.meta["alt"]
    assert "yaxis3" not in gradlab.figures.loss(run).to_plotly_json()["layout"]


def test_weights_have_arrows_and_say_which_they_are():
    data = gradlab.datasets.digits(seed=0)
    run = gradlab.train(gradlab.MLP([64, 4, 10], seed=0), data, iterations=20)
    traces = gradlab.figures.weights(run, lines=6).data
    lines, arrows = traces[0::2], traces[1::2]
    for line, heads in zip(lines, arrows, strict=True):
        assert heads.marker.angleref == "previous"
        assert set(heads.x) <= set(line.x)
        assert (heads.x[0], heads.x[-1]) == (line.x[0], line.x[-1])
        assert (
            line.name == f"layer {line.meta['layer']}, w[{line.meta['row']}, {line.meta['column']}]"
        )
