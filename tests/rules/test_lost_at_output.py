"""GL106 lost-at-output."""

import numpy as np
import pytest

from gradlab.diagnosis import registry
from tests.rules.runs import FAILED, LEARNED, SLOW, actions, fires, found, make_run, severity


def with_gain(gain, steps=FAILED, operations=(), criterion="mse_loss", **details):
    """A run whose operations between the last layer and the criterion pass on `gain`."""
    stage = [
        (iteration, seed, position, name, factor)
        for iteration in (0, 10, 20)
        for seed in (0, 1)
        for position, (name, factor) in enumerate(operations)
    ]
    steps = steps | {"output_gain": gain}
    config = {"criterion": {"name": criterion}}
    return make_run(steps=steps, output_stage=stage, config=config, **details)


@pytest.mark.parametrize(("gain", "expected"), [(0.0, True), (0.099, True), (0.1, False)])
def test_the_limit_of_the_gain(gain, expected):
    assert fires(with_gain(gain), "GL106") == expected


@pytest.mark.parametrize(
    ("steps", "expected"), [(LEARNED, ""), (SLOW, "warning"), (FAILED, "error")]
)
def test_a_small_gain_alone_is_no_fault(steps, expected):
    """Sigmoid before binary cross-entropy passes .003 on, and learns."""
    gain = np.linspace(0.003, 0.004, 60)[:, None]
    assert severity(with_gain(gain, steps), "GL106") == expected


@pytest.mark.parametrize(
    ("factor", "steps", "expected"),
    [(0.001, SLOW, ""), (0.001, FAILED, "error"), (0.0, SLOW, "warning")],
)
def test_a_constant_that_divides_the_answers_of_a_net_that_learns_is_no_loss(
    factor, steps, expected
):
    """As where a width's root is taken out of each layer: the answer is flat nowhere."""
    run = with_gain(factor, steps, [("divide", factor)])
    assert severity(run, "GL106") == expected


@pytest.mark.parametrize(
    ("operation", "size", "mean", "expected"),
    [
        ("sigmoid", 1.01, 0.9, True),
        ("sigmoid", 0.99, 0.9, False),
        ("tanh", 1.01, 0.0, True),
        ("relu", 20.0, 15.0, False),
        ("relu", 20.0, -0.01, True),
        ("multiply", 20.0, 15.0, False),
    ],
)
def test_targets_out_of_the_last_operations_range_cannot_be_met(operation, size, mean, expected):
    stage = [(operation, 0.5), ("loss: mse_loss", 1.0)]
    steps = FAILED | {"target_rms": size, "target_mean": mean}
    assert fires(with_gain(0.5, steps, stage), "GL106") == expected


@pytest.mark.parametrize(("steps", "expected"), [(SLOW, False), (FAILED, True)])
def test_a_range_is_the_fault_only_where_nothing_is_learned(steps, expected):
    stage = [("sigmoid", 0.5), ("loss: mse_loss", 0.1)]
    run = with_gain(0.5, steps | {"target_rms": 20.0, "target_mean": 20.0}, stage)
    assert fires(run, "GL106") == expected


def test_the_remedy_for_targets_out_of_range_is_to_take_the_last_operation_off():
    stage = [("sigmoid", 0.5), ("loss: mse_loss", 0.1)]
    steps = FAILED | {"target_rms": 20.0, "target_mean": 20.0}
    finding = found(with_gain(0.5, steps, stage), "GL106")
    assert finding.remedies[0].parameters == {"operation": "sigmoid"}
    assert "answers at most 1, and the targets' root mean square is 20" in finding.message


@pytest.mark.parametrize(("low", "expected"), [(29, False), (30, True)])
def test_one_saturated_batch_is_no_saturated_output(low, expected):
    gain = np.where(np.arange(60) < low, 0.01, 1.0)[:, None]
    assert fires(with_gain(gain), "GL106") == expected


def test_a_gain_that_was_measured_now_and_then_is_enough():
    gain = np.full((60, 2), np.nan)
    gain[::10] = 0.01
    assert fires(with_gain(gain), "GL106")


@pytest.mark.parametrize(
    ("criterion", "operation", "expected"),
    [
        ("cross_entropy", "softmax", True),
        ("cross_entropy", "log_softmax", True),
        ("cross_entropy", "sigmoid", True),
        ("binary_cross_entropy_with_logits", "sigmoid", True),
        ("mse_loss", "softmax", False),
        ("nll_loss", "log_softmax", False),
        ("binary_cross_entropy", "sigmoid", False),
    ],
)
def test_an_operation_that_the_criterion_applies_itself_is_once_too_many(
    criterion, operation, expected
):
    run = with_gain(0.5, operations=[(operation, 0.5)], criterion=criterion)
    assert fires(run, "GL106") == expected


@pytest.mark.parametrize(("operation", "expected"), [("softmax", "note"), ("log_softmax", "")])
def test_twice_the_softmax_in_a_net_that_learns_all_the_same_is_a_note(operation, expected):
    """A log_softmax of a log_softmax is the same numbers again."""
    run = with_gain(0.5, LEARNED, [(operation, 0.5)], "cross_entropy")
    assert severity(run, "GL106") == expected


@pytest.mark.parametrize(
    ("operations", "steps", "expected"),
    [
        (("softmax", "loss: logsumexp, subtract", "loss: gather"), LEARNED, "note"),
        (("softmax", "loss: log_softmax"), FAILED, "error"),
        (("softmax", "loss: divide", "loss: logsumexp, subtract"), LEARNED, ""),
        (("loss: logsumexp, subtract", "loss: gather"), FAILED, ""),
    ],
)
def test_a_loss_by_hand_that_normalizes_what_is_normalized_already(operations, steps, expected):
    """As Categorical(logits=...) of a net that ends in softmax."""
    run = with_gain(0.5, steps, [(name, 0.9) for name in operations], None)
    assert severity(run, "GL106") == expected


def test_the_finding_names_the_operation_that_passes_least():
    run = with_gain(0.002, operations=[("sigmoid", 0.002), ("mul", 1.0)])
    finding = found(run, "GL106")
    assert finding.layers == (4,)
    assert finding.value == pytest.approx(0.002)
    assert actions(finding) == ["remove output operation", "use criterion on logits"]
    assert finding.remedies[0].parameters == {"operation": "sigmoid"}


@pytest.mark.parametrize(
    ("gain", "criterion", "operation", "expected"),
    [
        (0.0, "mse_loss", "softmax", "high"),
        (0.5, "cross_entropy", "softmax", "high"),
        (0.005, "mse_loss", "sigmoid", "medium"),
    ],
)
def test_the_confidence_is_high_where_nothing_passes_or_the_criterion_repeats(
    gain, criterion, operation, expected
):
    run = with_gain(gain, operations=[(operation, gain)], criterion=criterion)
    assert found(run, "GL106").confidence == expected


@pytest.mark.parametrize(("given_back", "expected"), [(1.0, True), (0.25 / 8 / 0.003, False)])
def test_what_a_later_operation_gives_back_is_not_lost(given_back, expected):
    """A logarithm behind a softmax undoes it; sqrt(64) = 8 undoes the mean over the batch."""
    run = with_gain(0.003, operations=[("softmax", 0.003), ("log", given_back)])
    assert fires(run, "GL106") == expected


def test_without_the_stage_it_says_what_is_missing():
    assert "output_gain" in registry()["GL106"].missing(make_run())


@pytest.mark.parametrize(("factor", "expected"), [(0.0, "error"), (0.5, "")])
def test_an_operation_that_passes_nothing_on_leaves_no_gain_to_measure(factor, expected):
    """The loss of each example is clamped at 2 and stands above it: 0 / 0 at the criterion."""
    stage = [("loss: cross_entropy", np.nan), ("loss: clamp", factor), ("loss: mean", 0.14)]
    run = with_gain(np.nan, operations=stage, criterion="cross_entropy")
    assert severity(run, "GL106") == expected


def test_the_operation_that_passes_nothing_on_is_named():
    stage = [("loss: cross_entropy", np.nan), ("loss: clamp", 0.0), ("loss: mean", 0.14)]
    finding = found(with_gain(np.nan, operations=stage, criterion="cross_entropy"), "GL106")
    assert "clamp" in finding.remedies[0].parameters["operation"]


def given_probabilities(criterion, steps=FAILED):
    """A run whose criterion was given answers that add up to 1 in each row."""
    described = {"name": criterion, "answers": "probabilities"}
    return make_run(steps=steps, config={"criterion": described})


@pytest.mark.parametrize(
    ("criterion", "steps", "expected"),
    [
        ("cross_entropy", LEARNED, ""),
        ("nll_loss", LEARNED, ""),
        ("ctc_loss", LEARNED, ""),
        ("cross_entropy", FAILED, "error"),
        ("nll_loss", FAILED, "error"),
        ("kl_div", FAILED, "error"),
        ("ctc_loss", FAILED, "error"),
    ],
)
def test_probabilities_instead_of_logits_or_logarithms_are_the_cause_where_nothing_is_learned(
    criterion, steps, expected
):
    assert severity(given_probabilities(criterion, steps), "GL106") == expected


def test_a_divergence_of_probabilities_measures_nothing_wherever_it_falls_to():
    assert severity(given_probabilities("kl_div", LEARNED), "GL106") == "warning"


@pytest.mark.parametrize(
    ("operations", "last", "steps", "expected"),
    [
        ([("relu", 0.7)], 0.70, SLOW, "warning"),
        ([("relu", 0.7)], 0.70, LEARNED, ""),
        ([("relu", 0.7)], 0.71, SLOW, ""),
        ([("clamp", 0.7)], 0.70, FAILED, "error"),
        ([("pixel_shuffle", 1.0), ("clamp", 0.7)], 0.70, SLOW, "warning"),
        ([("divide", 0.5), ("clamp", 0.7)], 0.35, SLOW, ""),
        ([("sigmoid", 0.2)], 0.20, SLOW, ""),  # at most 1/4, wherever the targets lie
    ],
)
def test_a_gate_that_comes_to_stop_most_of_the_gradient_cannot_answer_the_targets(
    operations, last, steps, expected
):
    gain = np.where(np.arange(60) < 20, 1.0, last)[:, None]
    assert severity(with_gain(gain, steps, operations), "GL106") == expected


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [("cross_entropy", "remove output operation"), ("nll_loss", "replace output operation")],
)
def test_the_remedy_gives_the_criterion_what_it_asks_for(criterion, expected):
    assert actions(found(given_probabilities(criterion), "GL106"))[0] == expected


@pytest.mark.parametrize(("right", "expected"), [(0.02, "error"), (0.07, "warning"), (0.6, "")])
def test_an_nll_loss_of_probabilities_is_measured_by_the_probability_of_what_is_right(
    right, expected
):
    """The most frequent of the classes has .02: so much is right of the best constant answer."""
    loss = -right * np.linspace(0.5, 1, 60)[:, None] ** 0.2
    steps = {"loss": loss, "criterion_loss": loss, "criterion_baseline": -0.02}
    assert severity(given_probabilities("nll_loss", steps), "GL106") == expected


@pytest.mark.parametrize(
    ("shape", "criterion", "loss", "expected"),
    [
        ((64, 1), "cross_entropy", 0.0, ["use criterion on logits"]),
        ((8, 1, 16, 16), "nll_loss", 0.0, ["use criterion on logits"]),
        ((64, 2), "cross_entropy", 0.0, []),
        ((64, 1), "binary_cross_entropy_with_logits", 0.0, []),
        ((64, 1), "cross_entropy", LEARNED["loss"], []),  # one term of a loss that falls
    ],
)
def test_a_softmax_of_one_answer_says_nothing(shape, criterion, loss, expected):
    config = {"criterion": {"name": criterion, "answer_shape": shape}}
    finding = registry()["GL106"].judge(make_run(steps={"loss": loss}, config=config))
    assert [action for each in [finding] if each for action in actions(each)] == expected


def of_logarithms(criterion, last, loss=None):
    """A run whose criterion of logarithms falls from 2.3 to `last`; what is logged, if not that."""
    seen = np.linspace(2.3, last, 60)[:, None]
    steps = {
        "loss": seen if loss is None else loss,
        "criterion_loss": seen,
        "criterion_baseline": 2.3,
    }
    steps["output_gain"] = 1.0
    return make_run(steps=steps, config={"criterion": {"name": criterion}})


@pytest.mark.parametrize(
    ("criterion", "last", "expected"),
    [
        ("nll_loss", -3.0, "error"),
        ("nll_loss", 0.01, ""),
        ("kl_div", -3.0, "error"),
        ("kl_div", -0.3, ""),  # targets that add up to .3 may bring it there
        ("gaussian_nll_loss", -3.0, ""),  # a density may be above 1
        ("ctc_loss", -3.0, "warning"),  # its gradient may be of use all the same
        ("ctc_loss", 0.01, ""),
    ],
)
def test_what_logarithms_cannot_reach_was_given_something_else(criterion, last, expected):
    assert severity(of_logarithms(criterion, last), "GL106") == expected


def test_a_ctc_loss_of_probabilities_has_learned_nothing_that_its_fall_could_tell():
    seen = np.linspace(-4.3, -5.9, 60)[:, None]
    criterion = {"name": "ctc_loss", "answers": "probabilities"}
    run = make_run(steps={"loss": seen, "criterion_loss": seen}, config={"criterion": criterion})
    finding = found(run, "GL106")
    assert finding.severity == "warning"
    assert "is given the probabilities" in finding.message
    assert actions(finding) == ["replace output operation"]


@pytest.mark.parametrize(("factor", "expected"), [(1.0, "warning"), (-0.1, "")])
def test_what_probabilities_of_another_axis_lose_tells_nothing(factor, expected):
    seen = np.linspace(4.2, 0.5, 60)[:, None]
    steps = {"loss": 5 + factor * seen, "criterion_loss": seen, "output_gain": 1.0}
    criterion = {"name": "nll_loss", "answers": "probabilities of another axis"}
    run = make_run(steps=steps, config={"criterion": criterion})
    assert severity(run, "GL106") == expected


def test_a_part_of_the_loss_may_come_below_0():
    """As logsumexp(z) + nll_loss(z, y), which is a cross-entropy."""
    loss = 2.3 * np.linspace(1, 0.1, 60)[:, None] ** 3
    assert not fires(of_logarithms("nll_loss", -3.0, loss), "GL106")


def timid(loss=2.3, ratio=0.01, right=0.9):
    """A run of ten classes, most of its answers right; the weights went 60 times `ratio`."""
    seen = {"loss": loss, "criterion_loss": loss, "criterion_baseline": 2.3, "right_share": right}
    steps = seen | {"output_gain": 1.0}
    return make_run(
        steps=steps,
        config={"criterion": {"name": "cross_entropy", "answer_shape": [64, 10]}},
        update_ratio=ratio,
        update_norm=1.0,
    )


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({}, True),
        ({"right": 0.36}, True),  # .36 of .36, and .64 of the other nine: .89 of ln 10
        ({"right": 0.34}, False),  # it is rarely right, and so unsure with reason
        ({"loss": np.linspace(2.3, 0.2, 60)[:, None]}, False),
        ({"ratio": 0.001}, False),  # they may be on their way
        ({"loss": 3.0}, False),  # they are sure, of what is wrong
    ],
)
def test_answers_that_are_right_and_stay_too_small_are_lost(details, expected):
    assert fires(timid(**details), "GL106") == expected


def test_answers_that_are_too_small_are_to_be_made_larger():
    assert actions(found(timid(), "GL106")) == ["scale answers"]


@pytest.mark.parametrize(("factor", "expected"), [(0.0, True), (0.5, False)])
def test_where_mostly_nothing_passes_the_gains_of_few_iterations_excuse_nobody(factor, expected):
    """As behind exp(-x) of large x: a gain is measured only where a batch has a small one."""
    gain = np.full((60, 1), np.nan)
    gain[::20] = 1.0
    assert fires(with_gain(gain, operations=[("loss: exp", factor)]), "GL106") == expected


@pytest.mark.parametrize(("lost", "expected"), [(0, 0), (2, 0), (3, 3), (20, 20)])
def test_a_stage_that_passed_the_signal_at_first_is_lost_from_then_on(lost, expected):
    """Where a decay has taken both factors of a product, the loss comes first."""
    gain = np.where(np.arange(60) < lost, 1.0, 0.01)[:, None]
    assert found(with_gain(gain), "GL106").iterations == (expected, 59)
