import numpy as np
import pytest

import gradlab
from gradlab.run import Run
from tests.rules.runs import make_run, only

# Elasticity e = p ||W|| / loss; ||W|| = 8 and loss = 1 below, so p = e / 8.
FLAT = {"loss": 1.0}


def with_elasticity(value, layer=0, **details):
    p = np.ones((60, 2, 4))
    p[:, :, layer] = value / 8
    return make_run(60, steps=details.pop("steps", FLAT), per_example_grad_norm=p, **details)


@pytest.mark.parametrize(
    ("elasticity", "severity"),
    [(0.0099, "error"), (0.0101, "warning"), (0.099, "warning"), (0.101, None), (3.4, None)],
)
def test_limits_on_either_side(elasticity, severity):
    finding = only(with_elasticity(elasticity, config={"baseline_loss": 10.0}), "GL101")
    assert (finding and finding.severity) == severity
    if finding:
        assert finding.layers == (1,)
        assert finding.value == pytest.approx(elasticity)


def test_a_warned_layer_is_an_error_where_nothing_is_learned():
    finding = only(with_elasticity(0.05, config={"baseline_loss": 1.0}), "GL101")
    assert finding.severity == "error"


def test_the_learning_rate_does_not_matter():
    tiny = only(with_elasticity(3.4, update_ratio=1e-12, update_norm=1e-12), "GL101")
    assert tiny is None


def test_a_converged_run_is_no_vanished_one():
    """Loss and gradients fall together to 1e-8: e stays put."""
    loss = np.geomspace(2.3, 1e-8, 200)[:, None]
    p = np.broadcast_to(loss[:, :, None] * 0.5, (200, 2, 4))
    assert only(make_run(200, steps={"loss": loss}, per_example_grad_norm=p), "GL101") is None


def test_a_loss_of_exactly_0_has_nothing_left_to_vanish():
    assert only(make_run(steps={"loss": 0.0}, per_example_grad_norm=0.0), "GL101") is None


def test_a_gradient_of_exactly_0_has_vanished():
    finding = only(with_elasticity(0.0), "GL101")
    assert finding.severity == "error"
    assert finding.value == 0


def test_one_bad_batch_decides_nothing():
    p = np.ones((60, 2, 4))
    p[30] = 0
    assert only(make_run(60, steps=FLAT, per_example_grad_norm=p), "GL101") is None


def test_layers_are_those_hit_in_most_hit_replicates():
    p = np.ones((60, 4, 4))
    p[:, :3, 0] = 1e-5
    p[:, 0, 1] = 1e-5  # layer 2 in one replicate of three
    finding = only(make_run(60, 4, steps=FLAT, per_example_grad_norm=p), "GL101")
    assert finding.layers == (1,)
    assert finding.replicates == {"hit": 3, "total": 4, "which": [0, 1, 2]}
    assert finding.severity == "error"


@pytest.mark.parametrize(("hit", "severity"), [(1, "warning"), (2, "error")])
def test_half_of_the_replicates_make_an_error(hit, severity):
    p = np.ones((60, 4, 4))
    p[:, :hit, 0] = 1e-5
    run = make_run(60, 4, steps=FLAT, per_example_grad_norm=p, config={"baseline_loss": 10.0})
    assert only(run, "GL101").severity == severity


def test_the_cause_sums_the_terms_to_the_measured_ratio():
    slopes = {"log_gain_weight": 0.05, "log_gain_slope": -1.45}
    factor = np.exp(0.05 - 1.45)
    delta = np.broadcast_to([factor**3, factor**2, factor, 1.0], (60, 2, 4))
    finding = only(with_elasticity(1e-4, delta_norm=delta, activation="sigmoid", **slopes), "GL101")
    assert finding.cause["dominant"] == "slope"
    assert sum(finding.cause["log_gain"].values()) == pytest.approx(np.log(delta[0, 0, 0] / delta[0, 0, 3]))
    assert "never above 0.25" in finding.cause["sentence"]
    assert "relu" in finding.remedies[0]


def test_remedies_follow_the_cause():
    shrunk = {"log_gain_weight": -1.5, "log_gain_slope": -0.1}
    finding = only(with_elasticity(1e-4, **shrunk), "GL101")
    assert finding.cause["dominant"] == "weight"
    assert "initialize" in finding.remedies[0]


@pytest.mark.parametrize("iterations", [1, 7, 50, 51])
def test_a_short_run_is_judged_by_what_it_has(iterations):
    p = np.full((iterations, 2, 4), 1e-6)
    assert only(make_run(iterations, steps=FLAT, per_example_grad_norm=p), "GL101").severity == "error"


def test_only_the_finite_prefix_counts():
    p = np.ones((60, 2, 4))
    p[10:] = np.nan
    counts = np.zeros((60, 2, 4))
    counts[10:] = 1
    run = make_run(60, steps=FLAT, per_example_grad_norm=p, nonfinite_count=counts)
    assert only(run, "GL101") is None


@pytest.mark.parametrize(
    ("elasticity", "after", "share", "severity"),
    [
        (0.0101, 0.101, 0.9, None),  # out of it, and it learns
        (0.0099, 0.101, 0.9, "error"),  # it had vanished altogether
        (0.0101, 0.099, 0.9, "warning"),  # still in it
        (0.0101, 0.101, 0.96, "error"),  # nothing is learned
    ],
)
def test_a_plateau_that_was_left_behind_is_no_warning(elasticity, after, share, severity):
    p = np.full((200, 2, 4), 1.0)
    p[:100, :, 0], p[100:, :, 0] = elasticity / 8, after / 8
    run = make_run(200, steps=FLAT, per_example_grad_norm=p, config={"baseline_loss": 1 / share})
    finding = only(run, "GL101")
    assert (finding and finding.severity) == severity
    if finding:
        assert finding.iterations[0] == 0


def test_a_record_that_does_not_say_how_wide_its_layers_are_is_judged_all_the_same():
    shape = (60, 1, 3)
    signals = {"per_example_grad_norm": np.full(shape, 1e-9), "weight_norm": np.ones(shape)}
    run = Run.from_arrays(signals, steps={"loss": np.full((60, 1), 2.3)})
    assert run.layers["fan_out"].isna().all()
    assert "GL101" in [finding.rule for finding in gradlab.diagnose(run).findings]
