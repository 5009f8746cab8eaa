"""What the pictures show, as data: each one's info against hand-made runs."""

import numpy as np
import pytest

import gradlab
from gradlab.report.one_run import draw_pictures
from gradlab.report.pictures import (
    block_grid,
    block_roles,
    dead_units,
    factors,
    gradient_histogram,
    loss,
    norm_and_rate,
    output_stage,
    pictures,
    roles,
    scales,
    stream,
)
from gradlab.report.pictures.axes import factor_axis
from gradlab.report.pictures.draw import end_labels
from gradlab.report.pictures.picture import Detail
from gradlab.run import Run
from tests.report.test_data import made, only
from tests.report.test_first_screen import found, summary_of

ROLES = ("attn.qkv", "attn.proj", "mlp.up")
BLOCKS = 4


def of_blocks(iterations=3, blocks=BLOCKS, **changes):
    """A net of 4 blocks of three layers, between an embedding and a head: 14 layers."""
    layers = [{"name": "tok", "path": "tok", "block": "", "role": "tok"}]
    for block in range(blocks):
        for role in ROLES:
            path = f"blocks.{block}.{role}"
            layers.append({"name": path, "path": path, "block": f"blocks.{block}", "role": role})
    layers.append({"name": "head", "path": "head", "block": "", "role": "head"})
    shape = (iterations, 1, len(layers))
    delta = np.arange(1.0, len(layers) + 1) * np.ones(shape)
    signals = {"delta_norm": delta, "grad_norm": 2 * delta, "weight_norm": np.ones(shape)}
    steps = {"loss": np.ones((iterations, 1))}
    described = [{"block": f"blocks.{k}", "path": f"blocks.{k}"} for k in range(blocks)]
    return Run.from_arrays(
        signals, steps=steps, layers=layers, blocks=described, name="gpt", **changes
    )


def test_every_picture_is_found_once_and_says_how_to_read_it():
    found_ones = pictures()
    assert {"profile", "heatmap", "loss", "weights", "roles", "stream"} <= set(found_ones)
    orders = [picture.order for picture in found_ones.values()]
    assert orders == sorted(orders)
    silent = [
        key for key, each in found_ones.items() if each.panel and not (each.hint and each.reading)
    ]
    assert silent == []


def test_layers_are_arranged_by_role_and_block():
    grid = block_grid.collect(of_blocks())
    assert grid.blocks == ["blocks.0", "blocks.1", "blocks.2", "blocks.3"]
    assert grid.roles == list(ROLES)
    assert grid.of(np.arange(14.0)).tolist() == [[1, 4, 7, 10], [2, 5, 8, 11], [3, 6, 9, 12]]


def test_a_block_without_a_role_has_a_gap_there():
    layers = [
        {"name": name, "path": name, "block": block, "role": role}
        for name, block, role in (("a", "b.0", "x"), ("b", "b.0", "y"), ("c", "b.1", "x"))
    ]
    run = Run.from_arrays({"delta_norm": np.ones((1, 1, 3))}, layers=layers)
    grid = block_grid.collect(run)
    assert np.isnan(grid.of(np.ones(3))).tolist() == [[False, False], [False, True]]


@pytest.mark.parametrize("run", [made(), of_blocks(blocks=1)], ids=["plain", "one block"])
def test_a_net_without_repeated_blocks_has_no_grid(run):
    assert block_grid.collect(run) is None
    known = draw_pictures(run, summary_of(found()).diagnosis, Detail.of([run]))["known"]
    assert not {"roles", "block_roles", "stream"} & set(known)


def test_one_line_a_role_goes_from_block_to_block():
    run = of_blocks()
    info = roles.collect(run, block_grid.collect(run), [0, 2])
    assert info.roles == list(ROLES)
    assert info.moments[2].tolist() == [[2, 5, 8, 11], [3, 6, 9, 12], [4, 7, 10, 13]]
    figure = roles.draw(info)
    assert [trace["name"] for trace in figure["data"][:3]] == list(ROLES)
    assert [frame["name"] for frame in figure["frames"]] == ["0", "2"]


def test_more_than_eight_roles_are_left_out_by_how_few_blocks_have_them():
    layers = [
        {"name": f"{block}.{role}", "path": f"{block}.{role}", "block": block, "role": role}
        for block in ("b.0", "b.1")
        for role in ["only0", *"abcdefgh"]
        if (block, role) != ("b.1", "only0")
    ]
    run = Run.from_arrays({"delta_norm": np.ones((1, 1, len(layers)))}, layers=layers)
    info = roles.collect(run, block_grid.collect(run), [0])
    assert info.roles == list("abcdefgh")
    assert info.left_out == 1


def test_a_square_by_block_and_role_is_zero_broken_or_a_number():
    run = of_blocks()
    values = np.array(run["delta_norm"])
    values[:, :, 1], values[:, :, 2] = 0.0, np.nan
    signals = {"delta_norm": values}
    layers = run.layers.to_dict("records")
    layers = [{key: row[key] for key in ("name", "path", "block", "role")} for row in layers]
    broken = Run.from_arrays(signals, layers=layers)
    grid = block_grid.collect(broken)
    info = block_roles.collect(broken, grid, "delta_norm", [1])
    assert np.argwhere(info.zero(1)).tolist() == [[0, 0]]
    assert np.argwhere(info.broken[1]).tolist() == [[1, 0]]
    assert info.drawn(1)[2].tolist() == pytest.approx(np.log10([4, 7, 10, 13]))


def test_the_residual_stream_is_shown_where_there_is_one():
    shape = (3, 1, BLOCKS)
    signals = {
        "stream_rms": np.arange(1.0, 5) * np.ones(shape),
        "stream_grad_norm": np.array([8.0, 4, 2, 1]) * np.ones(shape),
        "branch_share": 0.25 * np.ones(shape),
    }
    run = of_blocks(block_signals=signals)
    info = stream.collect(run, [0, 2])
    assert list(info.moments) == [0, 2]
    assert info.rows == ["stream_grad_norm", "stream_rms", "branch_share"]
    assert info.moments[2]["stream_rms"].median.tolist() == [1, 2, 3, 4]
    assert info.kept(0) == pytest.approx(np.log10(8))
    assert {name: share.tolist() for name, share in info.branches[0].items()} == {
        "branches": [0.25] * 4
    }
    assert stream.collect(of_blocks(), [0]) is None


def test_each_branch_of_a_block_has_a_line_of_its_own():
    """Rows of kind "addition" are branches: they are no blocks of the stream."""
    layers = [{"name": f"b.{k}.x", "block": f"b.{k}", "role": "x"} for k in range(2)]
    rows = [("b.0", "Block"), ("b.1", "Block"), ("b.0.attn", "addition"), ("b.1.mlp", "addition")]
    gradient = np.ma.masked_all((1, 1, 4))
    gradient[..., :2] = 1.0
    run = Run.from_arrays(
        {"delta_norm": np.ones((1, 1, 2))},
        layers=layers,
        blocks=[{"block": block, "kind": kind} for block, kind in rows],
        block_signals={
            "stream_grad_norm": gradient,
            "branch_share": np.array([[[0.5, 0.6, 0.1, 0.2]]]),
        },
    )
    info = stream.collect(run, [0])
    assert info.blocks == ["b.0", "b.1"]
    shares = {name: np.nan_to_num(share).tolist() for name, share in info.branches[0].items()}
    assert shares == {"attn": [0.1, 0.0], "mlp": [0.0, 0.2]}


def pre_norm_run(norm="before", activation="relu", blocks=6):
    """Blocks of one feed-forward branch, maps of 4 to 8 and 8 to 4 units, s = 1 each."""
    layers, described, additions = [], [], []
    for k in range(blocks):
        place = {"block": f"b.{k}", "fan_in": 4, "fan_out": 8, "activation": activation}
        layers.append(place | {"name": f"b.{k}.up", "role": "up"})
        place |= {"fan_in": 8, "fan_out": 4, "activation": "identity"}
        layers.append(place | {"name": f"b.{k}.down", "role": "down"})
        described.append({"block": f"b.{k}", "path": f"b.{k}", "norm": norm})
        inside = {"path": f"b.{k}", "kind": "addition", "layers": [2 * k + 1, 2 * k + 2]}
        additions.append({"block": f"b.{k}.mlp", **inside})
    lengths = np.sqrt(np.tile([8.0, 4.0], blocks)) * np.ones((2, 1, 2 * blocks))
    size = np.ma.masked_all((2, 1, 2 * blocks))
    size[:, :, :blocks] = np.sqrt(1.5)
    gradient = np.ma.masked_all((2, 1, 2 * blocks))
    gradient[:, :, :blocks] = 3.0
    return Run.from_arrays(
        {"weight_norm": lengths}, layers=layers, blocks=described + additions,
        block_signals={"stream_rms": size, "stream_grad_norm": gradient},
    )  # fmt: skip


def test_theory_of_the_initial_weights_lies_over_the_stream():
    """v = 1/2 a block, as in `tests/test_theory_of_streams.py`; the first block's size is taken."""
    info = stream.collect(pre_norm_run(), [0, 1])
    squares = 1.5 + 0.5 * np.arange(6)
    assert info.expected["stream_rms"].median == pytest.approx(np.sqrt(squares))
    expected = 3.0 * np.sqrt(squares[-1] / squares)
    assert info.expected["stream_grad_norm"].median == pytest.approx(expected)
    figure = stream.draw(info)
    drawn = [trace for trace in figure["data"] if trace["name"] == "predicted"]
    assert [trace["yaxis"] for trace in drawn] == ["y", "y2"]
    assert "Predicted before training: × 1.6" in figure["layout"]["meta"]["alt"]
    assert len(figure["frames"][0]["data"]) == len(figure["data"]) - 6


@pytest.mark.parametrize("changes", [{"norm": ""}, {"activation": "mine"}])
def test_theory_is_silent_of_what_it_does_not_know(changes):
    assert stream.collect(pre_norm_run(**changes), [0]).expected == {}


def test_the_stream_is_shown_at_the_recorded_iterations_nearest_to_the_replay():
    masked = np.ma.masked_all((5, 1, BLOCKS))
    masked[[0, 4]] = 1.0
    run = of_blocks(iterations=5, block_signals={"stream_grad_norm": masked})
    assert list(stream.collect(run, [0, 1, 3, 4]).moments) == [0, 4]


STAGE = [
    (0, 0, 0, "softmax", 0.1),
    (0, 0, 1, "log", 2.0),
    (5, 0, 0, "softmax", 0.001),
    (5, 0, 1, "log", 1.0),
]


def test_the_output_stage_is_of_medians_and_the_loss_itself_is_not_counted():
    rows = [*STAGE, (0, 0, 2, "loss: cross_entropy", 0.1), (5, 0, 2, "loss: cross_entropy", 0.1)]
    run = Run.from_arrays({"delta_norm": np.ones((6, 1, 2))}, output_stage=rows)
    info = output_stage.collect(run)
    assert info.operations == ["softmax", "log", "loss: cross_entropy"]
    assert 10 ** np.array(info.decades) == pytest.approx([0.0505, 1.5, 0.1])
    assert 10**info.total == pytest.approx(0.0505 * 1.5)
    bars = output_stage.draw(info)["data"][0]
    assert bars["y"] == ["loss: cross_entropy", "log", "softmax", "before the loss"]
    assert bars["text"] == ["× 0.1", "× 1.5", "× 0.0505", "× 0.0758"]


def test_the_number_of_the_output_stage_is_that_of_the_finding():
    gains = {"output_gain": np.array([[0.2], [0.002], [0.004]])}
    run = Run.from_arrays({"delta_norm": np.ones((3, 1, 2))}, output_stage=STAGE[:2], steps=gains)
    assert 10 ** output_stage.collect(run).total == pytest.approx(0.004)


def test_an_operation_through_which_nothing_passes_and_namesakes_are_drawn():
    rows = [(0, 0, 0, "clamp", 0.0), (0, 0, 1, "clamp", 1.0)]
    info = output_stage.collect(
        Run.from_arrays({"delta_norm": np.ones((1, 1, 2))}, output_stage=rows)
    )
    bars = output_stage.draw(info)["data"][0]
    assert sorted(bars["y"]) == ["before the loss", "clamp", "clamp (2)"]
    assert "× 0" in bars["text"]
    assert np.isfinite(bars["x"]).all()


def test_loss_scale_and_clipping_stand_below_the_loss_where_they_change():
    column = np.ones((4, 1))
    steps = {
        "loss": column,
        "learning_rate": column,
        "loss_scale": np.array([[8.0], [8.0], [4.0], [4.0]]),
        "grad_norm": np.array([[1.0], [4.0], [2.0], [0.5]]),
        "clipped_grad_norm": np.array([[1.0], [1.0], [1.0], [0.5]]),
    }
    info = loss.collect(Run.from_arrays({"delta_norm": np.ones((4, 1, 2))}, steps=steps), 500)
    assert list(info.below) == ["loss scale", "left by clipping"]
    assert info.below["loss scale"].over.median.tolist() == [8, 8, 4, 4]
    assert info.below["left by clipping"].over.median.tolist() == [1, 0.25, 0.5, 1]
    layout = loss.draw(info)["layout"]
    names = [label["text"] for label in layout["annotations"]]
    assert names == ["left by clipping", "loss scale", "training"]


def test_a_run_without_an_output_stage_has_no_such_picture():
    assert output_stage.collect(made()) is None


def test_norm_and_rate_end_at_the_first_nan():
    steps = {
        "loss": np.ones((100, 1)),
        "grad_norm": np.exp(np.arange(100.0))[:, None] / np.exp(50),
        "learning_rate": np.linspace(0, 1, 100)[:, None],
    }
    steps["loss"][60:] = np.nan
    run = Run.from_arrays({"weight_norm": np.ones((100, 1, 2))}, steps=steps)
    info = norm_and_rate.collect(run)
    assert (info.broken, info.times[-1], info.last) == (60, 60, 64)
    assert info.rate[-1] == pytest.approx(60 / 99)
    assert info.norm.median[info.times == 50].tolist() == [1.0]
    whole = Run.from_arrays(
        {"weight_norm": np.ones((100, 1, 2))}, steps=steps | {"loss": np.ones((100, 1))}
    )
    assert (norm_and_rate.collect(whole).broken, norm_and_rate.collect(whole).last) == (None, 99)


def test_the_layers_with_most_dead_units_are_followed():
    share = np.zeros((4, 1, 6))
    share[:, 0, [0, 2, 3, 5]] = np.array([0.1, 0.9, 0.2, 0.3])
    share[-1, 0, 2] = 1.0
    run = Run.from_arrays({"dead_fraction": share})
    info = dead_units.collect(run, "dead_fraction")
    assert list(info.shares) == ["layer 1", "layer 3", "layer 4", "layer 6"]
    assert info.shares["layer 3"].tolist() == [0.9, 0.9, 0.9, 1.0]
    assert info.mean[0] == pytest.approx(1.5 / 6)


def test_sizes_of_inputs_and_targets_are_those_of_the_first_iteration_that_knows_them():
    steps = {
        "loss": np.ones((3, 1)),
        "input_rms": np.array([[1.0], [5.0], [5.0]]),
        "target_rms": np.ma.masked_array([[0.0], [4e4], [9.0]], mask=[[1], [0], [0]]),
    }
    run = Run.from_arrays({"weight_norm": np.ones((3, 1, 2))}, steps=steps)
    info = scales.collect(run)
    assert info.sizes == {"inputs (rms)": 1.0, "targets (rms)": 4e4}
    assert scales.draw(info)["data"][0]["text"] == ["1", "40,000"]
    assert scales.collect(made()) is None


def test_a_constant_learning_rate_needs_no_curve_and_a_schedule_has_one():
    for rate, drawn in (
        (np.full((30, 3), 0.1), False),
        (np.linspace(0, 1, 30)[:, None] * np.ones(3), True),
    ):
        steps = {"loss": np.ones((30, 3)), "learning_rate": rate}
        run = Run.from_arrays({"weight_norm": np.ones((30, 3, 2))}, steps=steps)
        assert ("learning rate" in loss.collect(run, 100).below) is drawn


def test_loss_in_evaluation_mode_and_a_score_are_drawn_where_they_are_logged():
    now_and_then = np.ma.masked_all((30, 1))
    now_and_then[::10] = 0.5
    steps = {"loss": np.ones((30, 1)), "evaluation_loss": now_and_then, "score": now_and_then}
    info = loss.collect(Run.from_arrays({"weight_norm": np.ones((30, 1, 2))}, steps=steps), 100)
    assert info.others["evaluation mode"].times.tolist() == [0, 10, 20]
    assert info.below["score"].over.median.tolist() == [0.5] * 3


def test_factors_are_written_as_factors():
    info = factors.collect(made(), 0)
    assert info.total == pytest.approx(5 * np.log10(0.25))
    figure = factors.draw(info)
    assert all(text.startswith("× ") for text in figure["layout"]["xaxis"]["ticktext"])
    low, high = figure["layout"]["yaxis2"]["range"]
    assert low < np.log10(0.25) < 0 < high


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (-3.2, 0.4, ["× 0.001", "× 0.01", "× 0.1", "× 1"]),
        (-0.1, 0.35, ["× 1", "× 1.5", "× 2"]),
        (-5.5, 0.4, ["× 0.0001", "× 0.01", "× 1"]),
        (-15.5, 0.4, ["× 10⁻¹⁵", "× 10⁻¹⁰", "× 10⁻⁵", "× 1"]),
    ],
)
def test_an_axis_of_factors_has_ticks_that_say_so(low, high, texts):
    assert factor_axis("it", low, high, ticks=5)["ticktext"] == texts


def test_labels_at_the_ends_of_lines_do_not_lie_on_each_other():
    axis = {"range": [0.0, 1.0]}
    ends = [
        (0.50, "a", "#000000"),
        (0.51, "b", "#000000"),
        (0.9, "c", "#000000"),
        (np.nan, "d", "#000000"),
    ]
    labels = end_labels(ends, axis)
    assert [label["text"] for label in labels] == ["a", "b", "c"]
    places = np.array([label["y"] for label in labels])
    assert np.diff(places).min() >= 0.08
    assert places[:2].mean() == pytest.approx(0.505)


def test_labels_stay_in_the_picture():
    ends = [(value, str(value), "#000000") for value in (0.0, 0.01, 0.99, 1.0)]
    places = [label["y"] for label in end_labels(ends, {"range": [0.0, 1.0]}, apart=0.2)]
    assert places == pytest.approx([0.0, 0.2, 0.8, 1.0])


def test_a_label_on_a_logarithmic_axis_stands_at_the_logarithm():
    (label,) = end_labels([(100.0, "a", "#000000")], {"range": [0.0, 4.0], "type": "log"})
    assert label["y"] == pytest.approx(2)


def test_gradients_by_powers_of_two_are_shares_of_a_layers_entries():
    with gradlab.Recorder([{"fan_in": 2, "fan_out": 2}] * 2, histograms=True) as recorder:
        gradients = [np.array([[1.0, 1.5], [0.25, 0.0]]), np.array([[4.0, 4.0], [4.0, 4.0]])]
        weights = [np.ones((2, 2))] * 2
        recorder.record(
            weights=weights, gradients=gradients, weights_after=weights, loss=1.0, learning_rate=0.1
        )
    info = gradient_histogram.collect(recorder.run, [0])
    assert info.exponents.tolist() == [-2, -1, 0, 1, 2]
    assert info.shares[0].tolist() == [[0.25, 0, 0.5, 0, 0], [0, 0, 0, 0, 1]]
    assert info.zeros[0].tolist() == [0.25, 0]
    assert gradient_histogram.collect(made(), [0]) is None


def test_the_layers_are_listed_by_block():
    table = only(of_blocks())["table"]
    assert [row["block"] for row in table["rows"]][:4] == ["", "blocks.0", "blocks.0", "blocks.0"]
    assert table["rows"][1]["values"][:2] == ["2", "attn.qkv"]
    assert table["rows"][1]["range"] == ", gradients 4 to 8 at iteration 0"
    assert only(made())["table"]["rows"][0]["block"] == ""


@pytest.mark.parametrize(("low", "high"), [(0, 1e308), (-1e308, 1e308), (1e308, 1.1e308)])
def test_an_axis_of_factors_has_few_ticks_however_long_it_is(low, high):
    assert len(factor_axis("it", low, high)["tickvals"]) == 2
