"""GL203 exploding-activations."""

import numpy as np
import pytest

from gradlab.diagnosis import diagnose, registry
from tests.rules.runs import BASELINE, FAILED, LEARNED, SLOW, fires, found, make_run, severity


def grown(growth, **details):
    rms = np.broadcast_to([1.0, growth**0.5, growth, 1.0], (60, 2, 4))
    return make_run(activation_rms=rms, **details)


@pytest.mark.parametrize(("growth", "expected"), [(99.0, False), (100.0, False), (101.0, True)])
def test_the_limit_of_growth(growth, expected):
    assert fires(grown(growth), "GL203") == expected


@pytest.mark.parametrize(
    ("steps", "expected"), [(LEARNED, "note"), (SLOW, "note"), (FAILED, "error")]
)
def test_growth_is_an_error_only_where_nothing_is_learned(steps, expected):
    assert severity(grown(1e4, steps=steps), "GL203") == expected


def test_the_finding_names_the_layers_beyond_the_limit():
    finding = found(grown(101.0), "GL203")
    assert finding.value == pytest.approx(101.0)
    assert finding.limit == 100
    assert finding.layers == (3,)


@pytest.mark.parametrize(("growth", "expected"), [(99.0, False), (101.0, True)])
def test_in_a_net_with_a_residual_stream_the_stream_counts(growth, expected):
    """A branch may end in a small or a large signal: what goes on is the stream."""
    stream = {"stream_rms": np.array([1.0, growth])}
    run = grown(1e4, blocks=("b.0", "b.1"), block_signals=stream)
    assert fires(run, "GL203") == expected


@pytest.mark.parametrize(("with_stream", "expected"), [(True, True), (False, False)])
def test_what_the_last_norm_takes_back_has_grown_in_the_stream(with_stream, expected):
    rms = np.array([1.0, 500.0, 1.0, 1.0])  # the norm before the head leaves 1
    stream = {"blocks": ("b.0", "b.1"), "block_signals": {"stream_rms": np.array([1.0, 500.0])}}
    run = make_run(activation_rms=rms, **(stream if with_stream else {}))
    assert fires(run, "GL203") == expected


def test_growth_is_measured_from_the_first_layer_that_looks_nothing_up():
    rms = np.array([0.02, 1.0, 3.0, 1.0])
    table = {1: {"kind": "embedding"}}
    assert not fires(make_run(activation_rms=rms, described=table), "GL203")
    assert fires(make_run(activation_rms=rms), "GL203")


def test_the_output_layer_may_be_large():
    rms = np.broadcast_to([1.0, 1.0, 1.0, 1e4], (60, 2, 4))
    assert not fires(make_run(activation_rms=rms), "GL203")


def test_growth_that_comes_with_training_is_found_too():
    rms = np.ones((200, 2, 4))
    rms[120:, :, 2] = 300
    assert found(make_run(200, activation_rms=rms), "GL203").iterations[0] >= 75


@pytest.mark.parametrize(
    ("at_first", "root"), [(1.0, "GL304"), (9.0, "GL304"), (11.0, "GL203"), (200.0, "GL203")]
)
def test_steps_that_are_too_large_are_the_cause_of_what_grows_after_them(at_first, root):
    """Growth of 11 at the start is half of 120, in logarithms: the steps did not bring it."""
    rms = np.ones((60, 2, 4))
    rms[:, :, 2] = 120.0
    rms[0, :, 2] = at_first
    run = make_run(activation_rms=rms, update_norm=10.0, weight_norm=5.0, steps=FAILED)
    assert [each.rule for each in diagnose(run, select=["GL203", "GL304"]).findings] == [root]


def test_one_hidden_layer_has_nothing_to_compare():
    assert "two hidden layers" in registry()["GL203"].missing(make_run(layers=2))


FAR_ABOVE = {"loss": BASELINE * np.repeat([100.0, 60.0, 2.0], [30, 15, 15])[:, None]}
BEGAN_ABOVE = {"loss": np.vstack([np.full((1, 2), 11 * BASELINE), FAILED["loss"][1:]])}


def test_growth_is_worth_a_warning_where_the_loss_stays_far_above_a_constants():
    assert severity(grown(1e4, steps=FAR_ABOVE), "GL203") == "warning"


@pytest.mark.parametrize(
    ("rms", "steps", "expected"),
    [
        ([3.0, 5.0, 10.1, 101.0], FAR_ABOVE, True),
        ([3.0, 5.0, 9.9, 101.0], FAR_ABOVE, False),  # by the last layer: the loss's matter
        ([3.0, 5.0, 10.1, 99.0], FAR_ABOVE, False),
        ([3.0, 5.0, 10.1, 101.0], FAILED, False),  # the loss never was above a constant's
        ([3.0, 5.0, 10.1, 101.0], BEGAN_ABOVE, True),  # it came down to it, and no further
    ],
)
def test_the_first_layer_may_make_the_signal_grow_too(rms, steps, expected):
    run = make_run(activation_rms=np.array(rms), steps=steps | {"input_rms": 1.0})
    assert fires(run, "GL203") == expected


def test_growth_from_the_inputs_is_told_as_such():
    run = make_run(activation_rms=200.0, steps=FAR_ABOVE | {"input_rms": 1.0})
    finding = found(run, "GL203")
    assert finding.iterations == (0, 0)
    assert "grow 200 times from the inputs to the output" in finding.message
