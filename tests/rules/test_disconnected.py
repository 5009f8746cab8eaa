"""GL105 disconnected. Four layers of 4,096 weights each, so that one is a quarter of the net."""

import numpy as np
import pytest

from tests.rules.runs import (
    FAILED,
    LEARNED,
    SLOW,
    actions,
    fires,
    found,
    layers_of,
    make_run,
    severity,
)


def without_gradient(layers, steps=FAILED, iterations=60, moved=0.01, **details):
    """A run in which some layers, held by the optimizer, never had a gradient and never moved."""
    cut = np.zeros(4, bool)
    cut[[layer - 1 for layer in layers]] = True
    return make_run(
        iterations,
        steps=steps,
        update_norm=np.where(cut, 0.0, moved),
        recorded={"grad_norm": ~cut},
        **details,
    )


def outside(layers, steps=FAILED, fact="not_in_optimizer", **details):
    """A run in which no optimizer holds some layers."""
    names = ["hidden1", "hidden2", "hidden3", "output"]
    left = {fact: [names[layer - 1] for layer in layers]}
    norm = np.full(4, 0.01)
    norm[[layer - 1 for layer in layers]] = 0.0
    return make_run(steps=steps, update_norm=norm, provenance=left, **details)


def thawed(layers, steps=FAILED):
    """A run in which some layers are unfrozen on the way, and nobody tells the optimizer."""
    return outside(layers, steps, fact="thawed")


def replaced(layers, steps=FAILED):
    """A run in which some layers are made anew on the way, and nobody tells the optimizer."""
    return outside(layers, steps, fact="replaced")


@pytest.mark.parametrize("make", [without_gradient, outside, thawed, replaced])
@pytest.mark.parametrize(
    ("layers", "steps", "expected"),
    [
        ((1,), SLOW, "warning"),
        ((1,), FAILED, "warning"),
        ((1, 2), FAILED, "error"),  # half of the net
        ((1, 2, 3, 4), LEARNED, "error"),  # nothing else moved: nothing can have learned
    ],
)
def test_it_is_an_error_where_nothing_moves_or_most_of_a_net_that_fails(
    make, layers, steps, expected
):
    assert severity(make(layers, steps), "GL105") == expected


@pytest.mark.parametrize("make", [outside, thawed])
def test_what_no_optimizer_holds_may_stand_still_in_a_net_that_learns(make):
    assert severity(make((1, 2, 3), LEARNED), "GL105") == "note"


@pytest.mark.parametrize(
    ("parameters", "expected"), [(4096, "warning"), (4095, "note")], ids=["a quarter", "less"]
)
def test_a_quarter_that_an_optimizer_holds_ought_to_learn_though_the_rest_does(
    parameters, expected
):
    """As an encoder whose answer is detached, before a decoder that learns what it can alone."""
    run = without_gradient((1,), LEARNED, described={1: {"parameters": parameters}})
    assert severity(run, "GL105") == expected


@pytest.mark.parametrize(
    "details",
    [
        {"weight_norm": 8 + np.linspace(0, 1, 60)[:, None, None]},
        {"provenance": {"not_called": ["hidden1", "hidden2"]}},
        {"provenance": {"no_grad": ["hidden1", "hidden2"]}},
    ],
    ids=["another net's average", "a tower that is never called", "a teacher under no_grad"],
)
def test_what_is_out_of_use_on_purpose_is_a_note_however_large(details):
    assert severity(without_gradient((1, 2), LEARNED, **details), "GL105") == "note"
    assert severity(without_gradient((1, 2), LEARNED), "GL105") == "warning"


def test_the_finding_names_the_layers_and_their_share():
    finding = found(without_gradient((2, 3)), "GL105")
    assert finding.layers == (2, 3)
    assert finding.value == pytest.approx(0.5)
    assert finding.confidence == "high"
    assert actions(finding)[0] == "reconnect"
    assert finding.remedies[0].parameters == {"layers": ["hidden2", "hidden3"]}


def test_a_layer_is_named_as_the_model_names_it():
    assert " hidden2, hidden3 (50 %" in found(without_gradient((2, 3)), "GL105").message


def test_what_no_optimizer_holds_is_to_be_given_to_one():
    finding = found(outside((4,)), "GL105")
    assert finding.layers == (4,)
    assert actions(finding) == ["add to optimizer", "freeze"]


def test_layers_that_are_made_anew_without_an_optimizer_are_told_so():
    assert (
        "made anew in the training: it moves the old ones" in found(replaced((1,)), "GL105").message
    )


def test_layers_that_thaw_without_an_optimizer_are_told_so():
    finding = found(thawed((1, 2)), "GL105")
    assert "hidden1, hidden2 (50 % of" in finding.message
    assert "unfrozen in the training" in finding.message
    assert actions(finding)[0] == "add to optimizer"


@pytest.mark.parametrize(("iterations", "expected"), [(4, False), (5, True)])
def test_a_branch_may_be_out_of_use_in_a_few_batches(iterations, expected):
    run = without_gradient((1,), steps={"loss": 2.3}, iterations=iterations)
    assert fires(run, "GL105") == expected


def test_one_gradient_in_the_whole_run_is_a_connection():
    cut = np.zeros((60, 1, 4), bool)
    cut[:, :, 0] = True
    cut[30, :, 0] = False
    run = make_run(steps=FAILED, update_norm=[0.0, 0.01, 0.01, 0.01], recorded={"grad_norm": ~cut})
    assert not fires(run, "GL105")


@pytest.mark.parametrize(
    ("of_bias", "signal", "steps", "expected"),
    [
        (0.0, 0.1, FAILED, "error"),
        (0.0, 0.1, SLOW, "warning"),  # in one that learns any gradient of 0 is told
        (0.1, 0.1, FAILED, ""),  # what comes in is 0: the units before it are dead
        (0.0, 0.0, FAILED, "error"),  # no signal comes back
    ],
)
def test_a_gradient_that_is_0_beside_a_signal_is_multiplied_by_0(of_bias, signal, steps, expected):
    run = make_run(
        layers=5,
        vectors=("hidden1.bias",),
        steps=steps,
        grad_norm=np.array([0.0, 1.0, 1.0, 1.0, of_bias]),
        delta_norm=np.array([signal, 0.1, 0.1, 0.1, 0.1]),
    )
    assert severity(run, "GL105") == expected


@pytest.mark.parametrize(
    ("signal", "columns", "steps", "expected"),
    [
        ([0.0, 0.0, 0.1, 0.1], {}, FAILED, "error"),
        ([0.0, 0.0, 0.1, 0.1], {}, SLOW, ""),
        ([0.0, 0.1, 0.1, 0.1], {"dead_fraction": np.array([0.0, 1.0, 0, 0])}, FAILED, "error"),
        ([0.0, 0.0, 0.1, 0.1], {"dead_fraction": np.array([0.0, 1.0, 0, 0])}, FAILED, ""),
        ([0.0, 0.0, 0.1, 0.1], {"saturated_fraction": np.array([0.0, 1.0, 0, 0])}, FAILED, ""),
        ([0.0, 0.0, 9e-5, 0.1], {}, FAILED, ""),  # it fades, and is rounded to 0
        ([0.0, 1e-9, 0.1, 0.1], {}, FAILED, ""),
        ([0.0, 0.0, 0.0, 0.0], {}, FAILED, ""),
    ],
)
def test_a_signal_that_ends_between_two_layers_though_no_unit_is_silent_is_cut_off(
    signal, columns, steps, expected
):
    run = make_run(steps=steps, delta_norm=np.array(signal), **columns)
    assert severity(run, "GL105") == expected


@pytest.mark.parametrize(
    ("last", "layers", "steps", "expected"),
    [
        (1, 2, FAILED, "error"),
        (5, 2, FAILED, "error"),  # the first tenth of the run
        (6, 2, FAILED, ""),
        (1, 0, FAILED, ""),
        (1, 2, SLOW, ""),  # layers that are frozen once they are good
        (1, 2, LEARNED, ""),
    ],
)
def test_what_is_frozen_on_the_way_is_missed_in_a_net_that_fails(last, layers, steps, expected):
    trained = (np.arange(60) <= last)[:, None, None] | (np.arange(4) >= layers)
    run = make_run(steps=steps, recorded={"grad_norm": np.broadcast_to(trained, (60, 2, 4))})
    assert severity(run, "GL105") == expected


@pytest.mark.parametrize(
    ("gradient", "steps", "expected"),
    [
        ([0.0, 1.0, 1.0, 1.0], LEARNED, "warning"),  # something multiplies it by 0
        ([0.0, 1.0, 1.0, 1.0], FAILED, ""),  # dead units, a flat output: other rules' matter
        ([0.0, 0.0, 0.0, 0.0], LEARNED, ""),
    ],
)
def test_a_gradient_of_exactly_0_is_a_branch_that_gets_none_in_a_net_that_learns(
    gradient, steps, expected
):
    assert severity(make_run(steps=steps, grad_norm=np.array(gradient)), "GL105") == expected


@pytest.mark.parametrize(("of_scale", "expected"), [(0.5, "warning"), (0.0, "")])
def test_matrices_that_all_get_a_gradient_of_0_leave_the_norms_to_learn(of_scale, expected):
    """As weights behind a sign or a rounding, whose slope is 0."""
    gradient = np.array([0.0, 0.0, 0.0, 0.0, of_scale])
    run = make_run(layers=5, vectors=("scale",), steps=SLOW, grad_norm=gradient)
    assert severity(run, "GL105") == expected


def test_vectors_are_judged_too():
    run = make_run(
        layers=5,
        vectors=("scale",),
        steps=FAILED,
        update_norm=np.array([0.01, 0.01, 0.01, 0.01, 0.0]),
        recorded={"grad_norm": np.array([True, True, True, True, False])},
    )
    assert layers_of(run, "GL105") == (5,)
    assert found(run, "GL105").value == pytest.approx(64 / (4 * 4096 + 64))


def test_a_healthy_run_is_connected():
    assert not fires(make_run(), "GL105")


def test_units_that_are_silent_on_every_example_are_named_as_what_cuts_a_layer_off():
    silent = np.array([0.0, 1.0, 0.0, 0.0])
    run = without_gradient((2, 3), LEARNED, dead_fraction=silent)
    first = found(run, "GL105").remedies[0]
    assert str(first) == "let the biases of hidden2 start at 0, or use a leaky relu"
    alive = without_gradient((2, 3), LEARNED, dead_fraction=0.5 * silent)
    assert "zero biases" not in actions(found(alive, "GL105"))


@pytest.mark.parametrize(
    ("parameters", "steps", "expected"),
    [(124, SLOW, "note"), (125, SLOW, "warning"), (124, FAILED, "warning")],
)
def test_less_than_a_hundredth_is_spared_by_a_net_that_does_not_fail(parameters, steps, expected):
    described = {1: {"parameters": parameters}}  # of 12,288 in the other three
    run = without_gradient((1,), steps, described=described)
    assert severity(run, "GL105") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("n1.weight", "note"), ("vit.pooler.dense.bias", "note"), ("gain", "warning")],
)
def test_scales_and_biases_that_are_out_of_use_keep_no_net_from_learning(name, expected):
    """A parameter of another name may be what the net is about."""
    run = make_run(
        layers=5,
        vectors=(name,),
        steps=FAILED,
        update_norm=np.array([0.01, 0.01, 0.01, 0.01, 0.0]),
        recorded={"grad_norm": np.array([True, True, True, True, False])},
    )
    assert severity(run, "GL105") == expected


@pytest.mark.parametrize(("name", "expected"), [("pooler.dense", "note"), ("pool", "warning")])
def test_a_pooler_that_nobody_reads_keeps_no_net_from_learning(name, expected):
    run = without_gradient((2,), described={2: {"name": name}})
    assert severity(run, "GL105") == expected


MOVING = {"objective": "moving"}
SCORED = LEARNED | {"score": np.linspace(0, 1, 60)[:, None]}


@pytest.mark.parametrize(
    ("layers", "parameters", "steps", "expected"),
    [
        ((1,), 4096, LEARNED, "warning"),  # a quarter of the net
        ((1,), 4095, LEARNED, "note"),
        ((1,), 4095, SCORED, "note"),
        ((1, 2), 4096, SCORED, "warning"),
    ],
)
def test_where_targets_move_a_falling_loss_says_nothing_of_the_net_that_gets_no_gradient(
    layers, parameters, steps, expected
):
    described = {1: {"parameters": parameters}}
    run = without_gradient(layers, steps, described=described, config=MOVING)
    assert severity(run, "GL105") == expected


def frozen(steps, trained):
    """A run whose four matrices never move, and whose bias does."""
    moved = np.array([False, False, False, trained, True])
    return make_run(
        layers=5,
        vectors=("head.bias",),
        steps=steps,
        recorded={"grad_norm": moved, "update_norm": moved, "weight_norm": moved},
    )


@pytest.mark.parametrize(
    ("steps", "trained", "expected"),
    [
        (FAILED, False, "warning"),
        (FAILED, True, ""),
        (SLOW, False, ""),
        (LEARNED, False, ""),  # biases may be enough
    ],
)
def test_matrices_that_are_all_frozen_are_named_where_nothing_was_learned(steps, trained, expected):
    assert severity(frozen(steps, trained), "GL105") == expected


def test_the_condition_of_the_loop_that_freezes_is_to_be_looked_at():
    finding = found(frozen(FAILED, False), "GL105")
    assert finding.layers == (1, 2, 3, 4)
    assert actions(finding) == ["thaw"]


def normed(scale, steps=FAILED, name="norm.weight"):
    """A run with a norm: the gradient of its scale beside a bias's of 1."""
    gradient = np.array([1.0, 1.0, 1.0, 1.0, scale, 1.0])
    names = (name, name.replace("weight", "bias"))
    return make_run(layers=6, vectors=names, steps=steps, grad_norm=gradient)


@pytest.mark.parametrize(
    ("scale", "steps", "expected"),
    [
        (0.9e-4, FAILED, "error"),
        (1.1e-4, FAILED, ""),
        (0.0, FAILED, "error"),
        (0.0, SLOW, ""),
        (0.0, LEARNED, ""),
    ],
)
def test_a_norm_whose_scale_gets_no_gradient_beside_its_bias_lets_nothing_through(
    scale, steps, expected
):
    assert severity(normed(scale, steps), "GL105") == expected


def test_the_norm_over_one_number_is_named():
    finding = found(normed(0.0), "GL105")
    assert finding.message.startswith("norm lets nothing through")
    assert actions(finding) == ["normalize more numbers"]


def never_stepped(frozen=0, steps=FAILED):
    """A run in which no step of the last layer was ever seen."""
    seen = {"update_norm": np.arange(4) < 3}
    counts = {"parameters": {"trainable": 4 * 4096, "frozen": frozen}}
    return make_run(steps=steps, recorded=seen, config=counts)


@pytest.mark.parametrize(
    ("frozen", "steps", "expected"),
    [(0, FAILED, "error"), (4096, FAILED, ""), (0, SLOW, "warning"), (0, LEARNED, "warning")],
)
def test_an_optimizer_that_never_makes_a_step_is_named(frozen, steps, expected):
    assert severity(never_stepped(frozen, steps), "GL105") == expected


@pytest.mark.parametrize(("steps", "expected"), [(FAILED, "error"), (LEARNED, "")])
def test_less_than_a_quarter_may_wait_for_its_first_step_in_a_net_that_learns(steps, expected):
    seen = {"update_norm": np.arange(4) < 3}
    config = {"parameters": {"trainable": 4 * 4096 - 1, "frozen": 0}}
    described = {4: {"parameters": 4095}}
    run = make_run(steps=steps, recorded=seen, config=config, described=described)
    assert severity(run, "GL105") == expected


def test_a_net_of_a_later_stage_waits_for_its_first_step():
    seen = {"update_norm": np.arange(4) < 3}
    config = {"parameters": {"trainable": 4 * 4096, "frozen": 0}}
    later = {"not_called": ["output"]}
    run = make_run(steps=LEARNED, recorded=seen, config=config, provenance=later)
    assert not fires(run, "GL105")


def test_where_targets_move_a_net_that_follows_another_one_is_a_note():
    moving = {"config": {"objective": "moving"}}
    follows = {"weight_norm": 8 + np.linspace(0, 1, 60)[:, None, None]}
    assert severity(without_gradient((1, 2), LEARNED, **moving), "GL105") == "warning"
    assert severity(without_gradient((1, 2), LEARNED, **moving, **follows), "GL105") == "note"


def test_each_optimizer_is_to_be_stepped():
    finding = found(never_stepped(), "GL105")
    assert finding.layers == (4,)
    assert actions(finding) == ["step each optimizer"]
