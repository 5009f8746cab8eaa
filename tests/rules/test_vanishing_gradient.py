"""GL101 vanishing-gradient. Elasticity e = p ||W|| / loss.

||W|| = 8 and loss = 1 below, so p = e / 8.
"""

import numpy as np
import pytest

import gradlab
from gradlab.run import Run
from tests.rules.runs import actions, fires, found, make_run, severity

FLAT = {"loss": 1.0}
LEARNED, NOT_LEARNED = {"baseline_loss": 10.0}, {"baseline_loss": 1.0}


def with_elasticity(value, **details):
    p = np.ones((60, 2, 4))
    p[:, :, 0] = value / 8
    return make_run(60, steps=FLAT, per_example_grad_norm=p, **details)


def hit_in(replicates, **details):
    """A run of four seeds, some of which have a first layer without a gradient."""
    p = np.ones((60, 4, 4))
    p[:, :replicates, 0] = 1e-5
    return make_run(60, 4, steps=FLAT, per_example_grad_norm=p, **details)


@pytest.mark.parametrize(
    ("elasticity", "expected"),
    [
        (0.0, "error"), (0.0099, "error"), (0.01, "warning"), (0.0101, "warning"),
        (0.099, "warning"), (0.1, ""), (0.101, ""), (3.4, ""),
    ],
)  # fmt: skip
def test_the_limits_of_the_elasticity(elasticity, expected):
    assert severity(with_elasticity(elasticity, config=LEARNED), "GL101") == expected


def test_the_finding_names_the_layer_and_its_elasticity():
    finding = found(with_elasticity(0.05, config=LEARNED), "GL101")
    assert finding.layers == (1,)
    assert finding.value == pytest.approx(0.05)
    assert finding.limit == 0.1


def test_a_warned_layer_is_an_error_where_nothing_is_learned():
    assert severity(with_elasticity(0.05, config=NOT_LEARNED), "GL101") == "error"


def test_the_learning_rate_does_not_matter():
    assert not fires(with_elasticity(3.4, update_ratio=1e-12, update_norm=1e-12), "GL101")


def test_a_converged_run_is_no_vanished_one():
    """Loss and gradients fall together to 1e-8: e stays put."""
    loss = np.geomspace(2.3, 1e-8, 200)[:, None]
    p = np.broadcast_to(loss[:, :, None] * 0.5, (200, 2, 4))
    assert not fires(make_run(200, steps={"loss": loss}, per_example_grad_norm=p), "GL101")


def test_a_loss_of_exactly_0_has_nothing_left_to_vanish():
    assert not fires(make_run(steps={"loss": 0.0}, per_example_grad_norm=0.0), "GL101")


def test_one_bad_batch_decides_nothing():
    p = np.ones((60, 2, 4))
    p[30] = 0
    assert not fires(make_run(60, steps=FLAT, per_example_grad_norm=p), "GL101")


def test_layers_are_those_hit_in_most_hit_replicates():
    p = np.ones((60, 4, 4))
    p[:, :3, 0] = 1e-5
    p[:, 0, 1] = 1e-5  # layer 2 in one replicate of three
    finding = found(make_run(60, 4, steps=FLAT, per_example_grad_norm=p), "GL101")
    assert finding.layers == (1,)
    assert finding.replicates == {"hit": 3, "total": 4, "which": [0, 1, 2]}


@pytest.mark.parametrize(("hit", "expected"), [(1, "warning"), (2, "error"), (3, "error")])
def test_half_of_the_replicates_make_an_error(hit, expected):
    assert severity(hit_in(hit, config=LEARNED), "GL101") == expected


def test_the_cause_sums_the_terms_to_the_measured_ratio():
    slopes = {"log_gain_weight": 0.05, "log_gain_slope": -1.45}
    factor = np.exp(0.05 - 1.45)
    delta = np.broadcast_to([factor**3, factor**2, factor, 1.0], (60, 2, 4))
    run = with_elasticity(1e-4, delta_norm=delta, activation="sigmoid", **slopes)
    finding = found(run, "GL101")
    total = sum(finding.cause["log_gain"].values())
    assert finding.cause["dominant"] == "slope"
    assert total == pytest.approx(np.log(delta[0, 0, 0] / delta[0, 0, 3]))
    assert finding.remedies[0].action == "use activation"
    assert finding.remedies[0].parameters["activation"] == "relu"


def test_small_weights_ask_for_another_initialization():
    finding = found(with_elasticity(1e-4, log_gain_weight=-1.5, log_gain_slope=-0.1), "GL101")
    assert finding.cause["dominant"] == "weight"
    assert actions(finding)[0] == "initialize"
    assert finding.remedies[0].evidence == finding.cause["sentence"]


def test_a_signal_of_exactly_0_is_first_searched_for_where_it_is_cut_off():
    assert actions(found(with_elasticity(0.0), "GL101"))[0] == "find what cuts off"


@pytest.mark.parametrize("iterations", [1, 7, 50, 51])
def test_a_short_run_is_judged_by_what_it_has(iterations):
    p = np.full((iterations, 2, 4), 1e-6)
    assert severity(make_run(iterations, steps=FLAT, per_example_grad_norm=p), "GL101") == "error"


def test_only_the_finite_prefix_counts():
    p = np.ones((60, 2, 4))
    p[10:] = np.nan
    counts = np.zeros((60, 2, 4))
    counts[10:] = 1
    run = make_run(60, steps=FLAT, per_example_grad_norm=p, nonfinite_count=counts)
    assert not fires(run, "GL101")


def plateau(elasticity, after, share):
    """A run that stands on a plateau of that elasticity for 100 iterations and leaves it."""
    p = np.full((200, 2, 4), 1.0)
    p[:100, :, 0], p[100:, :, 0] = elasticity / 8, after / 8
    baseline = {"baseline_loss": 1 / share}
    return make_run(200, steps=FLAT, per_example_grad_norm=p, config=baseline)


@pytest.mark.parametrize(
    ("elasticity", "after", "share", "expected"),
    [
        (0.0101, 0.101, 0.9, ""),  # out of it, and it learns
        (0.0099, 0.101, 0.9, "error"),  # it had vanished altogether
        (0.0101, 0.099, 0.9, "warning"),  # still in it
        (0.0101, 0.101, 0.96, "error"),  # nothing is learned
    ],
)
def test_a_plateau_that_was_left_behind_is_no_warning(elasticity, after, share, expected):
    assert severity(plateau(elasticity, after, share), "GL101") == expected


def test_a_plateau_is_named_from_its_first_iteration():
    assert found(plateau(0.0099, 0.101, 0.9), "GL101").iterations[0] == 0


def test_a_record_that_does_not_say_how_wide_its_layers_are_is_judged_all_the_same():
    shape = (60, 1, 3)
    signals = {"per_example_grad_norm": np.full(shape, 1e-9), "weight_norm": np.ones(shape)}
    run = Run.from_arrays(signals, steps={"loss": np.full((60, 1), 2.3)})
    assert run.layers["fan_out"].isna().all()
    assert "GL101" in [finding.rule for finding in gradlab.diagnose(run).findings]
