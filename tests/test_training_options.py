"""Training with optimizers, schedules, clipping and blocks: what is recorded is what happened."""

import numpy as np
import pytest

import gradlab
from gradlab.errors import ArgumentError
from gradlab.nn.mlp import MLP
from gradlab.report.data import build
from gradlab.run import LOG_GAINS
from gradlab.training import train
from tests.helpers import make_data

BLOCKS = [
    {},
    {"norm": "batch"},
    {"norm": "layer"},
    {"residual": 0.5},
    {"dropout": 0.3},
    {"norm": "layer", "residual": 0.5, "dropout": 0.3},
]


def trained(options=None, *, replicates=None, iterations=12, activation="tanh", **more):
    model = MLP(
        [3, 4, 4, 4, 3],
        activation,
        seed=2,
        dtype="float64",
        replicates=replicates,
        **(options or {}),
    )
    return train(
        model, make_data(), batch_size=5, iterations=iterations, learning_rate=0.1, every=1, **more
    )


@pytest.mark.parametrize("options", BLOCKS, ids=str)
@pytest.mark.parametrize("replicates", [None, 2])
def test_the_terms_add_up_to_the_measured_ratio_whatever_stands_between(options, replicates):
    run = trained(options, replicates=replicates)
    assert ("log_gain_block" in run) == bool(options)
    total = sum(run[name] for name in (*LOG_GAINS, "log_gain_block") if name in run)
    measured = np.log(run["delta_norm"][:, :, :-1] / run["delta_norm"][:, :, 1:])
    np.testing.assert_allclose(total[:, :, :-1], measured, atol=1e-10)
    assert np.isnan(total[:, :, -1]).all()


@pytest.mark.parametrize("options", BLOCKS, ids=str)
@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_every_composition_is_recorded_diagnosed_and_shown(options, optimizer, tmp_path):
    run = trained(
        options, optimizer=optimizer, replicates=2, schedule="cosine:warmup=3", clip="norm:most=0.5"
    )
    assert run.config["optimizer"] == optimizer
    assert {name: run.config.get(name) for name in options} == options
    assert ("second_moment_rms" in run) == (optimizer == "adam")
    diagnosis = gradlab.diagnose(run)
    assert "crashed" not in diagnosis.statuses.values()
    page = gradlab.write_report(run, tmp_path / "report.html")
    assert page.stat().st_size > 1e5
    np.testing.assert_array_equal(
        gradlab.load(run.save(tmp_path / "run") or tmp_path / "run")["delta_norm"],
        run["delta_norm"],
    )


def test_an_adam_step_is_what_the_update_columns_hold():
    run = trained(optimizer="adam", iterations=1)
    # the first step of Adam is eta g / (|g| + eps'), so every weight with a gradient moves by 0.1
    size = run.layers["fan_in"] * run.layers["fan_out"]
    np.testing.assert_allclose(run["update_norm"][0, 0], 0.1 * np.sqrt(size), rtol=1e-4)
    scale = run["grad_norm"][0, 0] / np.sqrt(
        size
    )  # v_hat = g^2 after one step: its root mean square is that of g
    np.testing.assert_allclose(run["second_moment_rms"][0, 0], scale, rtol=1e-12)


def test_clipping_is_recorded_before_and_after():
    free, clipped = trained(iterations=1), trained(iterations=1, clip="norm:most=0.01")
    assert "clipped_grad_norm" in clipped.steps
    assert clipped.steps["grad_norm"].item() == free.steps["grad_norm"].item()
    assert clipped.steps["clipped_grad_norm"].item() == pytest.approx(0.01, rel=1e-3)
    assert free.steps["clipped_grad_norm"].isna().all()
    ratio = clipped["update_norm"][0, 0] / free["update_norm"][0, 0]
    np.testing.assert_allclose(ratio, 0.01 / free.steps["grad_norm"].item(), rtol=1e-3)
    loose = trained(iterations=1, clip="norm:most=1e6")
    np.testing.assert_array_equal(loose["update_norm"], free["update_norm"])


def test_the_schedule_is_what_the_learning_rate_column_holds():
    run = trained(schedule="step:every=2:factor=0.5:warmup=2", iterations=6)
    np.testing.assert_allclose(run.steps["learning_rate"], [0.05, 0.1, 0.1, 0.1, 0.05, 0.05])


def test_the_norms_of_the_net_count_scales_and_shifts():
    run = trained({"norm": "layer"}, iterations=1)
    weights = np.sqrt((run["grad_norm"][0, 0] ** 2).sum())
    assert run.steps["grad_norm"].item() > weights
    # plain SGD: <G, -dW> = eta ||G||^2 over everything that is trained
    assert run.steps["expected_decrease"].item() == pytest.approx(
        0.1 * run.steps["grad_norm"].item() ** 2, rel=1e-9
    )


@pytest.mark.parametrize("options", BLOCKS[1:], ids=str)
def test_a_run_that_breaks_shows_its_last_finite_iteration_again_with_the_same_masks(options):
    model = MLP([3, 4, 4, 4, 3], "relu", seed=2, dtype="float32", **options)
    # A norm can bear a rate of 1e12, no float32 one of 1e38.
    run = train(
        model,
        make_data(),
        batch_size=5,
        iterations=60,
        learning_rate=1e38 if model.modifiers.norm else 1e12,
    )
    phases = run.steps["nonfinite_phase"]
    assert not phases.isna().all()
    first = int(np.flatnonzero(~phases.isna())[0])
    if first:
        assert run.recorded("activation_mean")[first - 1].all()


@pytest.mark.parametrize(
    ("model", "options", "sentence"),
    [
        (
            {"norm": "batch"},
            {"batch_size": 1},
            "batch_size=1 leaves BatchNorm nothing to average over",
        ),
        ({}, {"clip": "norm:most=0"}, "most=0 must be a number above 0"),
        ({}, {"schedule": "cosine:length=100"}, "only 12 are left"),
        ({}, {"optimizer": "adam:beta1=1"}, "beta1=1 must be"),
    ],
)
def test_combinations_that_make_no_sense_are_one_sentence(model, options, sentence):
    arguments = {"batch_size": 5, "iterations": 12, **options}
    with pytest.raises(ArgumentError, match=sentence):
        train(MLP([3, 4, 4, 3], **model), make_data(), **arguments)


def test_two_examples_are_enough_for_batch_norm():
    net = MLP([3, 4, 4, 3], norm="batch")
    assert train(net, make_data(), batch_size=2, iterations=1).iterations == 1


def test_the_report_says_how_often_clipping_bites():
    run = trained(clip="norm:most=0.3", iterations=20)
    steps = run.steps
    share = (steps["clipped_grad_norm"] < steps["grad_norm"] * (1 - 1e-5)).mean()
    assert share > 0
    (cell,) = build(run)["cells"]
    assert cell["config"]["clipped"] == f"in {100 * share:.0f} % of the updates"
    assert "clipped" not in build(trained())["cells"][0]["config"]


def powers_of_two(gradients):
    """Count the entries of gradients (S, fan_in, fan_out) of one seed by floor(log2 |g|)."""
    exponents = np.floor(np.log2(np.abs(gradients[gradients != 0]))).astype(int)
    return dict(zip(*np.unique(exponents, return_counts=True), strict=True))


def test_histograms_count_the_gradients_of_each_layer_and_seed():
    seen = []
    run = trained(
        replicates=2,
        iterations=3,
        histograms=True,
        on_step=lambda step: seen.append([g.copy() for g in step.model.weight_gradients]),
    )
    counted = run.histograms.dropna(subset="exponent")
    counted = counted[counted["count"] > 0].set_index(["iteration", "replicate", "layer"])
    for iteration in range(3):
        for seed in range(2):
            for layer in range(1, 5):
                rows = counted.loc[[(iteration, seed, layer)]]
                found = dict(zip(rows["exponent"], rows["count"], strict=True))
                assert found == powers_of_two(seen[iteration][layer - 1][seed])


def test_without_being_asked_for_there_are_no_histograms():
    assert trained(iterations=3).histograms.empty
