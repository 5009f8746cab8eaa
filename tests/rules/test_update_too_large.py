"""GL304 update-too-large. Every layer has ||W|| = 8, which is LeCun's norm too."""

import numpy as np
import pytest

from gradlab.diagnosis import registry
from gradlab.run import Run
from tests.rules.runs import (
    FAILED,
    LEARNED,
    SLOW,
    actions,
    fires,
    found,
    make_run,
    severity,
    stepping,
    wavering,
)


def large_in_layer_2(ratio, steps=SLOW, **details):
    return make_run(steps=steps, update_norm=8 * np.array([0.0, ratio, 0.0, 0.0]), **details)


@pytest.mark.parametrize(("ratio", "expected"), [(0.2, False), (0.202, True), (5.0, True)])
def test_the_limit_of_the_update_ratio(ratio, expected):
    assert fires(large_in_layer_2(ratio), "GL304") == expected


@pytest.mark.parametrize(
    ("steps", "expected"), [(LEARNED, ""), (SLOW, "warning"), (FAILED, "error")]
)
def test_steps_after_which_a_net_learns_were_none_too_large(steps, expected):
    assert severity(large_in_layer_2(0.5, steps), "GL304") == expected


# Factors of the best constant's loss, at each iteration: where it begins, what it comes to in
# between, and where it ends. 1.05 is clearly above.
@pytest.mark.parametrize(
    ("start", "middle", "end", "expected"),
    [
        (1.03, 1.0, 0.6, "note"),
        (1.03, 1.1, 0.6, "warning"),
        (1.2, 1.2, 0.6, "note"),
        (1.2, 1.3, 0.6, "warning"),
        (1.03, 1.0, 0.96, "warning"),
    ],
)
def test_steps_that_never_set_a_gaining_net_back_are_a_note(start, middle, end, expected):
    shares = np.concatenate([np.full(30, start), np.full(30, middle), np.linspace(middle, end, 90)])
    scatter = 0.01 * np.random.default_rng(0).standard_normal(150)
    loss = (3.6 * shares + scatter)[:, None]
    steps = {"loss": loss, "criterion_loss": loss, "criterion_baseline": 3.6}
    norms = 8 * np.array([0.0, 0.25, 0.0, 0.0])
    assert severity(make_run(150, steps=steps, update_norm=norms), "GL304") == expected


@pytest.mark.parametrize(("ratio", "limit"), [(0.5, 0.2), (1.0, 0.2), (1.5, 1.0)])
def test_the_finding_names_layer_value_and_the_limit_that_it_crosses(ratio, limit):
    finding = found(large_in_layer_2(ratio), "GL304")
    assert finding.layers == (2,)
    assert finding.value == pytest.approx(ratio)
    assert finding.limit == limit


def one_layer_of(layers, ratio):
    norm = np.full(layers, 0.008)
    norm[1] = 8 * ratio
    return make_run(layers=layers, steps=FAILED, update_norm=norm)


@pytest.mark.parametrize(
    ("layers", "ratio", "expected"),
    [(8, 0.5, "error"), (9, 0.5, "warning"), (9, 1.01, "error")],
)
def test_one_layer_of_many_does_not_keep_a_net_from_learning(layers, ratio, expected):
    run = one_layer_of(layers, ratio)
    finding = found(run, "GL304")
    assert finding.severity == expected
    assert bool(registry()["GL304"].effects(finding)) == (expected == "error")


def test_weights_near_0_count_as_if_they_had_lecuns_norm():
    """A head that starts at 0 is moved by many times its own length, and by little."""
    norm = np.array([8.0, 1e-6, 8.0, 8.0])
    assert not fires(large_in_layer_2(0.19, weight_norm=norm), "GL304")
    assert fires(large_in_layer_2(0.21, weight_norm=norm), "GL304")


def test_a_record_of_ratios_alone_is_judged_by_them():
    whole = large_in_layer_2(0.5, update_ratio=0.5)
    signals = {"update_ratio": whole["update_ratio"]}
    run = Run.from_arrays(signals, steps={"loss": SLOW["loss"]}, config=whole.config)
    assert found(run, "GL304").value == pytest.approx(0.5)


def test_the_learning_rate_is_to_be_divided_by_the_ratio_over_a_hundredth():
    finding = found(large_in_layer_2(0.5), "GL304")
    assert actions(finding) == ["lower learning rate", "warm up", "clip gradient"]
    assert finding.remedies[0].parameters["factor"] == pytest.approx(50)


@pytest.mark.parametrize(("ratio", "expected"), [(0.299, ""), (0.301, "warning")])
def test_a_burst_of_ten_steps_is_seen_in_a_long_run(ratio, expected):
    norms = np.full((200, 2, 4), 0.008)
    norms[100:110] = 8 * ratio
    run = make_run(200, steps={"loss": wavering(1.0, 200)}, update_norm=norms)
    assert severity(run, "GL304") == expected


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize(("fall", "expected"), [(0.51, False), (0.49, True)])
def test_steps_on_which_the_loss_falls_by_half_of_its_spread_are_good_ones(fall, expected, offset):
    """Five large steps just before the loss falls; the losses spread by 1.0, from 3.0 to 2.0."""
    loss = stepping(3.0, 3.0 - fall, 100, 200)
    loss[180:] = 2.0
    norms = np.full((200, 2, 4), 0.008)
    norms[95:100] = 8 * 0.9
    config = {"baseline_loss": 2.0 + offset}  # nothing is learned
    run = make_run(200, steps={"loss": loss[:, None] + offset}, update_norm=norms, config=config)
    assert fires(run, "GL304") == expected


@pytest.mark.parametrize(("layers", "expected"), [(1, False), (2, True), (4, True)])
def test_a_warning_of_half_of_the_layers_explains_what_follows(layers, expected):
    ratio = np.where(np.arange(4) < layers, 0.3, 1e-3)
    run = make_run(steps=SLOW, update_norm=ratio * 8, update_ratio=ratio)
    finding = found(run, "GL304")
    assert finding.severity == "warning"
    assert bool(registry()["GL304"].effects(finding)) == expected
