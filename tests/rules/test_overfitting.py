"""GL403 overfitting. Held-out losses gain 1.0, from 2.0 to their lowest, 1.0."""

import json

import numpy as np
import pytest

from gradlab.diagnosis import diagnose, registry
from tests.rules.runs import BASELINE, FAILED, fires, found, make_run, stepping, wavering


def measured(values, every, iterations):
    """A column of held-out losses (T, 2) at every `every`-th iteration."""
    column = np.full((iterations, 2), np.nan)
    column[::every] = np.reshape(values, (-1, 1))
    return column


def held_out(last, train, lowest=1.0, offset=0.0):
    """Three held-out losses, 2.0, the lowest, and `last`; the training loss ends at `train`."""
    values = measured([2.0, lowest, last], 50, 101) + offset
    loss = wavering(stepping(2.0, train, 20, 101), 101, scatter=0.01) + offset
    config = {"baseline_loss": None}
    return make_run(101, steps={"validation_loss": values, "loss": loss}, config=config)


@pytest.mark.parametrize("offset", [0.0, -1.5, 1000.0])
@pytest.mark.parametrize(
    ("last", "train", "expected"),
    [(1.19, 0.1, False), (1.21, 0.1, True), (1.21, 0.99, True), (1.21, 1.03, False)],
)
def test_overfitting_is_a_rise_of_the_held_out_loss_and_a_gap(last, train, expected, offset):
    assert fires(held_out(last, train, offset=offset), "GL403") == expected


def test_a_net_that_learned_nothing_does_not_overfit():
    values = measured([2.4, 2.3, 3.0], 20, 60)
    assert not fires(make_run(steps={"validation_loss": values} | FAILED), "GL403")


def test_the_finding_names_the_iteration_at_which_to_stop():
    finding = found(held_out(1.6, 0.1), "GL403")
    assert finding.severity == "warning"
    assert finding.value == pytest.approx(1.6)
    assert finding.iterations[0] == 50
    assert finding.remedies[0].action == "stop early"
    assert finding.remedies[0].parameters == {"iteration": 50}


@pytest.mark.parametrize(("last", "expected"), [(2.37, False), (2.40, True)])
def test_where_the_held_out_loss_gained_nothing_the_training_losses_spread_counts(last, expected):
    """The training loss falls from 2.0 to 0.1 and wavers by 0.01: a fifth of that is 0.382."""
    assert fires(held_out(last, 0.1, lowest=2.0), "GL403") == expected


def test_without_held_out_losses_it_says_what_is_missing():
    assert "validation=(loss, accuracy)" in registry()["GL403"].missing(make_run())


def falling(**planted):
    """Held-out losses at every 10th of 200 iterations, from 2 to 0.8, some of them replaced."""
    values = np.geomspace(2.0, 0.8, 20)
    for number, value in planted.items():
        values[int(number[1:])] = value
    loss = wavering(stepping(2.0, 0.1, 20, 200), 200, scatter=0.01)
    return make_run(200, steps={"validation_loss": measured(values, 10, 200), "loss": loss})


@pytest.mark.parametrize(
    ("planted", "expected"),
    [
        ({"n12": 0.1}, False),  # one lucky value is no minimum to rise from
        ({"n11": 0.1, "n12": 0.1, "n13": 0.1}, True),
        ({"n16": 0.05, "n17": 0.05}, False),  # a minimum at the end is no rise
        ({"n19": 50.0}, False),  # one bad value at the end is no rise either
        ({"n17": 50.0, "n18": 50.0, "n19": 50.0}, True),
    ],
)
def test_of_eight_held_out_losses_and_more_a_single_one_decides_nothing(planted, expected):
    assert fires(falling(**planted), "GL403") == expected


def test_a_held_out_loss_that_was_0_is_risen_from():
    diagnosis = diagnose(falling(n11=0.0, n12=0.0, n13=0.0))
    assert diagnosis.statuses["GL403"] == "fired"
    assert "lowest at iteration 110 (0)" in " ".join(str(diagnosis).split())
    json.dumps(diagnosis.to_dict(), allow_nan=False)


@pytest.mark.parametrize(("train", "expected"), [(0.1, True), (2.0, False)])
def test_a_held_out_score_that_stands_still_is_explained_where_the_training_loss_fell(
    train, expected
):
    values = measured(np.linspace(2.3, 4.6, 10), 10, 100)
    loss = wavering(stepping(2.0, train, 20, 100), 100, scatter=0.01)
    scores = np.where(np.isfinite(values), 0.1, np.nan)
    steps = {"validation_loss": values, "loss": loss, "score": scores}
    diagnosis = diagnose(make_run(100, steps=steps))
    assert ([each.rule for each in diagnosis.findings][:1] == ["GL403"]) == expected
    assert diagnosis.statuses["GL402"] == "fired"


def by_heart(first, last, train):
    """Held-out losses from `first` to `last`, in units of the best constant's, 2.3."""
    values = np.linspace(first, last, 6) * BASELINE
    loss = np.geomspace(1.0, train, 60)[:, None] * BASELINE
    return make_run(steps={"validation_loss": measured(values, 10, 60), "loss": loss})


@pytest.mark.parametrize(
    ("first", "last", "train", "expected"),
    [
        (1.0, 1.0, 1e-3, True),
        (1.1, 0.9, 1e-3, False),  # it gains something
        (1.0, 1.0, 0.5, False),  # something is left to learn
        (1.6, 1.6, 1e-3, False),  # it may be in other units, or of other data
        (0.85, 0.85, 1e-3, False),  # it learned something
    ],
)
def test_a_held_out_loss_that_stays_at_a_constants_is_of_a_net_that_learned_by_heart(
    first, last, train, expected
):
    assert fires(by_heart(first, last, train), "GL403") == expected


@pytest.mark.parametrize(("evaluated", "expected"), [(0.29, True), (0.31, False)])
def test_a_gap_of_the_training_batches_that_is_a_rise_by_itself_is_no_overfitting(
    evaluated, expected
):
    """A fifth of 1.0, above the training batches' own 0.1: held-out losses tell nothing then."""
    run = held_out(3.0, 0.1)
    steps = {name: run.step(name) for name in ("validation_loss", "loss")}
    steps |= {"evaluation_loss": evaluated, "evaluation_train_loss": 0.1}
    assert fires(make_run(101, steps=steps, config={"baseline_loss": None}), "GL403") == expected
