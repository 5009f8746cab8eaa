"""GL402 no-progress."""

import numpy as np
import pytest

from gradlab.diagnosis import registry
from tests.rules.runs import (
    BASELINE,
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


@pytest.mark.parametrize(("share", "expected"), [(0.94, False), (0.96, True), (1.5, True)])
def test_a_loss_that_never_fell_is_judged_by_95_per_cent_of_the_constants(share, expected):
    assert fires(make_run(steps={"loss": 2.3 * share}), "GL402") == expected


def test_the_finding_is_an_error_of_the_whole_net():
    finding = found(make_run(steps={"loss": 2.3 * 1.5}), "GL402")
    assert finding.value == pytest.approx(1.5)
    assert finding.severity == "error"
    assert finding.layers == ()


@pytest.mark.parametrize(("iterations", "expected"), [(19, False), (20, True)])
def test_nobody_expects_progress_at_once(iterations, expected):
    assert fires(make_run(iterations, steps={"loss": 2.3}), "GL402") == expected


@pytest.mark.parametrize(("path", "expected"), [(0.0499, "warning"), (0.0501, "error")])
def test_weights_that_went_less_than_5_per_cent_are_a_warning(path, expected):
    finding = found(make_run(steps={"loss": 2.3}, update_ratio=path / 60), "GL402")
    assert finding.severity == expected


def test_weights_that_hardly_moved_ask_for_a_larger_learning_rate():
    finding = found(make_run(steps={"loss": 2.3}, update_ratio=1e-9), "GL402")
    assert actions(finding)[0] == "raise learning rate"


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_without_a_baseline_a_loss_that_does_not_fall_is_no_progress(offset):
    steps = {"loss": FAILED["loss"] + offset}
    finding = found(make_run(steps=steps, config={"baseline_loss": None}), "GL402")
    assert finding.severity == "error"
    assert finding.confidence == "medium"


@pytest.mark.parametrize(
    ("loss", "objective"),
    [(wavering(0.0), "minimize"), (FAILED["loss"], "moving"), (np.full((60, 1), 2.0), "minimize")],
    ids=["it changes its sign", "its targets move", "it is constant"],
)
def test_a_loss_that_is_no_yardstick_is_no_proof(loss, objective):
    config = {"baseline_loss": None, "objective": objective}
    assert not fires(make_run(steps={"loss": loss}, config=config), "GL402")


@pytest.mark.parametrize(("last", "expected"), [(0.9, False), (0.1, True)])
def test_a_score_outranks_the_loss(last, expected):
    score = np.linspace(0.1, last, 60)[:, None]
    assert fires(make_run(steps={"loss": 2.3, "score": score}), "GL402") == expected


@pytest.mark.parametrize(("start", "expected"), [(0.1, False), (0.9, True)])
def test_a_score_may_rise_within_the_first_iterations(start, expected):
    score = np.where(np.arange(60) < 4, start, 0.9)[:, None]
    assert fires(make_run(steps={"loss": 2.3, "score": score}), "GL402") == expected


SHAPES = {"name": "mse_loss", "answer_shape": [64, 1], "target_shape": [64]}


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        (SHAPES, "match shapes"),
        (SHAPES | {"target_shape": [64, 1]}, "train longer"),
        (SHAPES | {"name": "cross_entropy", "answer_shape": [64, 10]}, "train longer"),
        (SHAPES | {"name": "nll_loss", "answer_shape": [64, 10]}, "train longer"),
    ],
)
def test_shapes_that_are_stretched_to_fit_are_the_cause(criterion, expected):
    run = make_run(steps={"loss": 2.3}, config={"criterion": criterion}, update_ratio=0.01)
    finding = found(run, "GL402")
    assert actions(finding)[0] == expected
    assert registry()["GL402"].is_cause(finding) == (expected == "match shapes")


def test_a_run_without_a_loss_or_a_score_lacks_one():
    bare = make_run(steps={"loss": np.ma.masked_all((60, 2))})
    assert "needs the loss" in registry()["GL402"].missing(bare)


def of_one_class(constant=0.0, between=(), criterion="cross_entropy", shape=(64, 2)):
    """A classifier whose loss falls to 0, and what its best constant answer would cost."""
    steps = LEARNED | {"criterion_loss": LEARNED["loss"], "criterion_baseline": constant}
    names = (*between, f"loss: {criterion}")
    stage = [(0, 0, place, name, 1.0) for place, name in enumerate(names)]
    config = {"criterion": {"name": criterion, "answer_shape": shape}}
    return make_run(steps=steps, config=config, output_stage=stage)


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({}, True),
        ({"constant": 0.5}, False),
        ({"between": ["log_softmax"], "criterion": "nll_loss"}, True),
        ({"between": ["matmul"]}, False),  # similarities: the right one is the first by design
        ({"shape": (64, 1)}, False),  # an output of one class answers nothing: GL106
        ({"criterion": "mse_loss"}, False),  # one picture, learned by heart
    ],
)
def test_labels_of_one_class_leave_nothing_to_learn(details, expected):
    assert fires(of_one_class(**details), "GL402") == expected


def test_labels_of_one_class_are_a_cause():
    finding = found(of_one_class(), "GL402")
    assert finding.severity == "warning"
    assert actions(finding) == ["check labels"]
    assert registry()["GL402"].is_cause(finding)


def sequence(shape, answers, steps=SLOW):
    """A run of which a layer that takes times first has read (times, examples, features)."""
    config = {"sequence_shape": shape, "criterion": {"name": "cross_entropy"}}
    config["criterion"]["answer_shape"] = answers
    return make_run(steps=steps, config=config)


@pytest.mark.parametrize(
    ("shape", "answers", "expected"),
    [
        ([64, 10], [64, 4], True),
        ([64, 10], [64], True),
        ([10, 64], [64, 4], False),  # times first, as the layer asks for
        ([10, 64], [640, 4], False),
        ([10, 64], [10, 64], False),  # an answer for each time and example
        ([64, 64], [64, 4], False),  # nothing tells which is which
        ([64, 1], [64, 4], False),  # one sequence, an answer at each time
        (None, [64, 4], False),
    ],
)
def test_a_layer_takes_examples_for_times_where_there_are_as_many_answers(shape, answers, expected):
    assert fires(sequence(shape, answers), "GL402") == expected


@pytest.mark.parametrize(
    ("steps", "expected"), [(LEARNED, ""), (SLOW, "warning"), (FAILED, "error")]
)
def test_examples_that_are_taken_for_times_do_harm_where_little_is_learned(steps, expected):
    assert severity(sequence([64, 10], [64, 4], steps), "GL402") == expected


DROPPED = {"dropout": 0.76}
VIEWED = {"criterion": {"misread_shape": [32, 16, 24]}}


def ending(share):
    """Losses that fall from the best constant's to this share of it."""
    return {"loss": wavering(stepping(BASELINE, share * BASELINE, 20, 60))}


@pytest.mark.parametrize(
    ("config", "steps", "expected"),
    [
        (VIEWED, LEARNED, ""),
        (VIEWED, SLOW, "warning"),
        (VIEWED, FAILED, "error"),
        (DROPPED, LEARNED, ""),
        (DROPPED, ending(0.75), ""),  # all that is there under it
        (DROPPED, ending(0.8), "warning"),
        (DROPPED, FAILED, "error"),
    ],
)
def test_what_the_record_shows_to_be_wrong_does_harm_where_little_is_learned(
    config, steps, expected
):
    assert severity(make_run(steps=steps, config=config), "GL402") == expected


@pytest.mark.parametrize(
    ("config", "action"), [(DROPPED, "lower dropout"), (VIEWED, "exchange axes")]
)
def test_what_the_record_shows_to_be_wrong_is_a_cause(config, action):
    finding = found(make_run(steps=FAILED, config=config), "GL402")
    assert actions(finding) == [action]
    assert registry()["GL402"].is_cause(finding)


@pytest.mark.parametrize("share", [0.75, 1.0, "0.9", None])
def test_a_usual_dropout_explains_nothing(share):
    assert not fires(make_run(steps=ending(0.85), config={"dropout": share}), "GL402")


def test_examples_that_are_taken_for_times_are_a_cause():
    finding = found(sequence([64, 10], [64, 4], FAILED), "GL402")
    assert actions(finding) == ["put examples first"]
    assert registry()["GL402"].is_cause(finding)
