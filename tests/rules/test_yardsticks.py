"""The yardsticks: whether a seed learned, how far its loss moves, and a layer's share."""

import numpy as np
import pytest

from gradlab.rules import yardsticks
from gradlab.rules.yardsticks.answers import most_frequent
from gradlab.rules.yardsticks.loss import follows_criterion
from gradlab.run import Run
from tests.rules.runs import BASELINE, FAILED, SLOW, make_run, stepping, wavering

OFFSETS = [0.0, 1.0, -5.0, 1000.0, -1000.0]
SCALES = [1e-6, 1.0, 1e6]


def outcome(run, seed=0):
    return yardsticks.outcomes(run)[seed]


def state(run, seed=0):
    return outcome(run, seed).state


def by_fall(loss, **config):
    """A run whose outcome is told by its loss alone: no baseline is known."""
    config = {"baseline_loss": None} | config
    return make_run(len(loss), 1, steps={"loss": np.reshape(loss, (-1, 1))}, config=config)


def falling(progress, iterations=200, scatter=0.1):
    """Losses that fall by `progress` times their scatter, at the middle of the run."""
    level = stepping(1.0, 1.0 - progress * scatter, iterations // 2, iterations)
    return wavering(level, iterations, 1, scatter)


@pytest.mark.parametrize(
    ("progress", "optimizers", "expected"),
    [(-1.1, 2, "unknown"), (-0.9, 2, "not learned"), (-1.1, 1, "not learned")],
)
def test_of_two_optimizers_one_may_make_large_what_the_other_makes_small(
    progress, optimizers, expected
):
    assert state(by_fall(falling(progress), optimizers=optimizers)) == expected


# -- by the loss against the best constant predictor's ---------------------------------------------


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.49, "learned"),
        (0.51, "slow"),
        (0.97, "slow"),
        (0.98, "not learned"),
        (1.0, "not learned"),
        (5.0, "not learned"),
    ],
)
def test_a_seed_that_fell_is_judged_by_its_share_of_the_constant_predictors_loss(share, expected):
    level = stepping(6 * BASELINE, share * BASELINE, 10, 60)
    assert state(make_run(steps={"loss": wavering(level, scatter=0.01)})) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.4, "slow"), (0.7, "unknown")])
def test_a_loss_that_never_moved_did_not_learn_what_it_began_with(share, expected):
    assert state(make_run(steps={"loss": wavering(share * BASELINE)})) == expected


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (2.0, 1.1, "slow"),  # on its way down, and not yet below
        (1.3, 1.03, "slow"),  # not yet below, and at this pace far below in as long again
        (1.6, 0.9, "slow"),  # its last 50 are at 0.954: below already, and it goes on
        (0.995, 0.98, "slow"),  # little can be learned where targets are mostly noise
        (0.995, 0.986, "not learned"),  # below, and as good as still
        (1.12, 1.1, "not learned"),  # at this pace it does not come below in as long again
    ],
)
def test_a_loss_that_still_falls_is_slow_where_it_is_on_its_way(first, last, expected):
    loss = np.linspace(first, last, 400)[:, None] * BASELINE
    assert state(make_run(400, steps={"loss": loss})) == expected


def test_the_outcome_names_the_share():
    found = outcome(make_run(steps={"loss": wavering(1.5 * BASELINE)}))
    assert found.share == pytest.approx(1.5, rel=0.01)
    assert "times the best constant prediction's" in found.evidence
    assert found.failed


def test_a_loss_far_above_the_constant_predictors_goes_on_by_the_same_factor():
    """Halved every 15 iterations it is 1e9 after 60 and 1e8 after 60 more: not on its way to 2.3,
    though a straight line would be below 0 by then.
    """
    loss = 1e10 * 0.5 ** (np.arange(60) / 15)
    assert state(make_run(steps={"loss": np.tile(loss[:, None], (1, 2))})) == "not learned"


@pytest.mark.parametrize("pace", [2.0, 3.0, 5.0])
def test_a_loss_that_levels_out_at_the_constants_has_learned_the_constant(pace):
    loss = 1 + 0.5 * np.exp(-pace * np.linspace(0, 2, 400))
    wavers = wavering(np.zeros(400), 400, 1, 0.01)
    assert state(make_run(400, 1, steps={"loss": (loss[:, None] + wavers) * BASELINE})) == (
        "not learned"
    )


@pytest.mark.parametrize(
    ("growth", "expected"),
    [(1.0, "learned"), (1.49, "learned"), (1.51, "unknown"), (9.0, "unknown")],
)
def test_a_constant_whose_own_loss_grows_tells_nothing(growth, expected):
    """From the middle of the run to its end, as where targets move with the net."""
    baseline = BASELINE * np.where(np.arange(60) > 30, growth, 1.0)[:, None]
    loss = wavering(stepping(2 * BASELINE, 0.1 * BASELINE, 10, 60), scatter=0.01)
    steps = {"loss": loss, "criterion_loss": loss, "criterion_baseline": baseline}
    assert state(make_run(steps=steps)) == expected


@pytest.mark.parametrize(
    ("moved", "within", "expected"),
    [
        (0.0, 0.4, "not learned"),
        (0.02, 0.4, "not learned"),  # within the batches' scatter
        (0.1, 0.4, "unknown"),
        (0.1, 0.001, "not learned"),  # each batch is of one kind: examples in their targets' order
    ],
)
def test_targets_whose_mean_moves_leave_no_constant_that_fits_all_of_them(moved, within, expected):
    """As those of a bandit do, whose choices decide what it sees next."""
    mean = wavering(np.linspace(0.1, 0.1 + moved, 60), scatter=0.02)
    steps = {"loss": wavering(np.full(60, 1.1 * BASELINE), scatter=0.01)}
    steps |= {"criterion_loss": steps["loss"], "criterion_baseline": BASELINE}
    steps |= {"target_mean": mean, "target_rms": np.hypot(mean, within), "examples": 64.0}
    assert state(make_run(steps=steps)) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1.0, 1.0, "not learned"),
        (1.0, 0.91, "not learned"),
        (1.0, 0.89, "learned"),
        (1.29, 1.0, "not learned"),
        (1.31, 1.0, "learned"),  # no constant answer is given such a loss: its fall decides
    ],
)
def test_a_loss_that_makes_its_own_task_harder_may_stay_above_a_constants(start, end, expected):
    loss = wavering(stepping(8 * BASELINE, 2 * BASELINE, 20, 60), scatter=0.01)
    fit = stepping(start, end, 20, 60)[:, None]
    steps = {"loss": loss, "criterion_loss": loss, "criterion_baseline": BASELINE}
    run = make_run(steps=steps | {"target_fit": fit}, config={"baseline_loss": None})
    assert state(run) == expected


@pytest.mark.parametrize(
    ("share", "fit", "expected"),
    [
        (0.9, 1.0, "not learned"),
        (0.9, 0.986, "not learned"),
        (0.9, 0.984, "unknown"),
        (0.84, 1.0, "unknown"),  # no scatter of batches brings it so far
    ],
)
def test_a_low_loss_of_answers_that_fit_all_targets_alike_is_chance(share, fit, expected):
    loss = wavering(np.full(60, share * BASELINE), scatter=0.3)
    steps = {"loss": loss, "criterion_loss": loss, "criterion_baseline": BASELINE}
    run = make_run(steps=steps | {"target_fit": fit}, config={"baseline_loss": None})
    assert state(run) == expected


@pytest.mark.parametrize(("fit", "expected"), [(0.8, "slow"), (0.95, "not learned")])
def test_a_likelihood_within_its_scatter_of_a_constants_is_told_by_its_fit(fit, expected):
    """Batches of counts differ by more than a net can gain."""
    loss = wavering(np.full(60, -200.0), scatter=40.0)
    steps = {"loss": loss, "criterion_loss": loss, "criterion_baseline": -185.0}
    run = make_run(steps=steps | {"target_fit": fit}, config={"baseline_loss": None})
    assert state(run) == expected


@pytest.mark.parametrize(("cosine", "expected"), [(0.89, "learned"), (0.91, "not learned")])
def test_a_penalty_is_no_task_that_goes_against_the_criterion(cosine, expected):
    """The criterion rises to a constant's while a penalty beside it falls by more."""
    criterion = wavering(np.linspace(0.8, 1.0, 60) * BASELINE, scatter=0.01)
    loss = wavering(np.linspace(50, 2, 60), scatter=0.01)
    steps = {"loss": loss, "criterion_loss": criterion, "criterion_baseline": BASELINE}
    config = {"baseline_loss": None}
    assert state(make_run(steps=steps, config=config, grad_weight_cosine=cosine)) == expected


def test_a_clear_fall_below_a_constants_loss_is_no_chance_whatever_the_fit():
    """What was learned of places in a sequence fits other examples as well."""
    loss = wavering(stepping(2 * BASELINE, 0.9 * BASELINE, 10, 60), scatter=0.01)
    steps = {"loss": loss, "criterion_loss": loss, "criterion_baseline": BASELINE}
    assert state(make_run(steps=steps | {"target_fit": 1.0})) == "slow"


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (1.5, 1.2, "slow"),
        (1.9, 1.4, "slow"),
        (2.5, 1.8, "not learned"),  # it began at no usual place: it may only leave that
        (1.24, 1.2, "not learned"),  # it would take five times as long again
    ],
)
def test_a_short_run_that_comes_down_to_a_constants_loss_is_on_its_way(first, last, expected):
    loss = np.linspace(first, last, 60)[:, None] * BASELINE
    assert state(make_run(60, steps={"loss": loss})) == expected


@pytest.mark.parametrize(("lost", "expected"), [(59, "learned"), (57, "not learned")])
def test_what_fitted_once_and_does_no_longer_is_lost(lost, expected):
    """Of the last three values seen, most must fit: what was seen earlier is often long ago."""
    loss = wavering(stepping(8 * BASELINE, 2 * BASELINE, 20, 60), scatter=0.01)
    steps = {"loss": loss, "criterion_loss": loss, "criterion_baseline": BASELINE}
    steps["target_fit"] = stepping(0.4, 0.99, lost, 60)[:, None]
    assert state(make_run(steps=steps, config={"baseline_loss": None})) == expected


def test_a_bad_start_that_comes_down_to_a_constants_loss_has_learned_nothing():
    """Answers that begin by repeating the example before fit the next one's targets better."""
    loss = wavering(stepping(3 * BASELINE, BASELINE, 20, 60), scatter=0.01)
    steps = {"loss": loss, "criterion_loss": loss, "criterion_baseline": BASELINE}
    steps["target_fit"] = stepping(3.0, 1.02, 20, 60)[:, None]
    assert state(make_run(steps=steps, config={"baseline_loss": None})) == "not learned"


@pytest.mark.parametrize(
    ("step", "start", "expected"),
    [
        (0.01, 2.0, "slow"),
        (1e-5, 2.0, "not learned"),  # pretrained features fit from the first iteration on
        (1e-5, 3.0, "learned"),
    ],
)
def test_what_a_net_that_hardly_moved_knows_it_knew_before(step, start, expected):
    loss = wavering(stepping(start * BASELINE, 2 * BASELINE, 20, 60), scatter=0.01)
    steps = {"loss": loss, "criterion_loss": loss, "criterion_baseline": BASELINE}
    steps["target_fit"] = 0.8
    moved = {"update_norm": 8 * step, "update_ratio": step}
    assert state(make_run(steps=steps, config={"baseline_loss": None}, **moved)) == expected


@pytest.mark.parametrize(
    ("steps", "config", "expected"),
    [
        (SLOW, {}, True),
        (FAILED, {}, False),
        (FAILED, {"objective": "moving"}, True),
    ],
)
def test_what_is_odd_did_no_harm_where_seeds_learn_or_no_loss_can_tell(steps, config, expected):
    assert yardsticks.unharmed(make_run(steps=steps, config=config), (0, 1)) == expected


@pytest.mark.parametrize(
    ("share", "scatter", "expected"),
    [
        (0.974, 0.001, "slow"),
        (0.976, 0.001, "not learned"),
        (0.974, 0.5, "not learned"),  # 2.6 % below may be chance
    ],
)
def test_of_targets_that_are_mostly_noise_little_can_be_learned(share, scatter, expected):
    level = stepping(2 * BASELINE, share * BASELINE, 10, 200)
    loss = wavering(level, 200, scatter=scatter)
    assert state(make_run(200, steps={"loss": loss})) == expected


@pytest.mark.parametrize("offset", [0.0, 0.7, -3.0, 1000.0])
def test_a_logged_loss_that_stands_still_tells_nothing_of_its_criterion(offset):
    """As one that is clamped: only its rounding moves, and that with the criterion."""
    value = wavering(BASELINE)
    loss = 2.0 + offset + 1e-15 * value
    run = with_criterion(value, BASELINE, loss)
    assert outcome(run).share == pytest.approx(1.0, rel=0.1)


def test_a_slow_seed_learns_and_has_not_learned():
    run = make_run(steps=SLOW)
    assert yardsticks.learned(run).tolist() == [False, False]
    assert yardsticks.learns(run).tolist() == [True, True]


def test_seeds_are_judged_one_by_one():
    loss = np.hstack([np.linspace(2.3, 0.1, 60)[:, None], wavering(BASELINE, replicates=1)])
    run = make_run(steps={"loss": loss})
    assert [each.state for each in yardsticks.outcomes(run)] == ["learned", "not learned"]
    assert yardsticks.learned(run).tolist() == [True, False]
    assert yardsticks.learns(run).tolist() == [True, False]
    assert yardsticks.failed(run).tolist() == [False, True]


def test_a_seed_that_breaks_did_not_learn():
    loss = np.linspace(2.3, 0.1, 60)[:, None].repeat(2, axis=1)
    loss[50:, 1] = np.nan
    run = make_run(steps={"loss": loss})
    assert [each.state for each in yardsticks.outcomes(run)] == ["learned", "not learned"]
    assert "from iteration 50" in outcome(run, 1).evidence


# -- by the criterion that was seen ----------------------------------------------------------------


def with_criterion(value, baseline, logged):
    steps = {"loss": logged, "criterion_loss": value, "criterion_baseline": baseline}
    return make_run(steps=steps, config={"baseline_loss": None})


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize(("last", "expected"), [(0.2, "learned"), (2.2, "not learned")])
def test_the_criterion_outranks_the_logged_loss_which_may_be_shifted(last, expected, offset):
    value = np.linspace(2.3, last, 60)[:, None]
    run = with_criterion(wavering(stepping(2.3, last, 20, 60)), 2.3, value / 8 + offset)
    assert state(run) == expected


def test_the_last_baseline_counts_since_it_knows_most_targets():
    baseline = np.minimum(2.3, np.linspace(0.1, 5.0, 60))[:, None]
    value = wavering(stepping(2.3, 0.2, 20, 60))
    assert state(with_criterion(value, baseline, value)) == "learned"


def test_a_criterion_that_was_seen_now_and_then_is_enough():
    value = np.full((200, 2), np.nan)
    value[::10] = np.linspace(2.3, 0.2, 20)[:, None]
    steps = {"criterion_loss": value, "criterion_baseline": 2.3, "loss": -1.0}
    assert state(make_run(200, steps=steps)) == "learned"


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("scale", [1.0, 1 / 8])
def test_a_loss_that_follows_the_criterion_tells_it_at_every_step(scale, offset):
    """Seen three times while it learned: the logged loss says that it did not stay so."""
    value = stepping(2.3, 0.2, 20, 100)[:, None].repeat(2, axis=1)
    value[60:] = 2.3
    seen = np.full((100, 2), np.nan)
    seen[[0, 30, 50]] = value[[0, 30, 50]]
    run = make_run(
        100,
        steps={"criterion_loss": seen, "criterion_baseline": 2.3, "loss": scale * value + offset},
    )
    assert state(run) == "not learned"


# -- by a score ------------------------------------------------------------------------------------


def scored(scores, loss=BASELINE):
    return make_run(len(scores), 1, steps={"score": np.reshape(scores, (-1, 1)), "loss": loss})


NOISE = np.where(np.arange(60) % 2, 1.0, -1.0)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (np.linspace(0.1, 0.9, 60) + 0.01 * NOISE, "learned"),
        (np.linspace(-200, -20, 60) + NOISE, "learned"),  # a return below 0
        (np.full(60, 0.1), "not learned"),
        (0.1 + 0.05 * NOISE, "not learned"),
        (np.linspace(0.9, 0.1, 60), "not learned"),
    ],
)
def test_a_score_outranks_the_loss(scores, expected):
    assert state(scored(scores, loss=2 * BASELINE)) == expected
    assert state(scored(scores, loss=np.linspace(2.3, 0.1, 60)[:, None])) == expected


@pytest.mark.parametrize(
    ("scores", "loss", "expected"),
    [
        (1.0, np.linspace(2.3, 0.1, 60), "learned"),  # an accuracy cannot rise above 1
        (1.0, np.full(60, 2.3), "not learned"),  # and a reward may be 1 in every step
        (0.7, np.linspace(2.3, 0.01, 60), "not learned"),  # it did not follow the criterion
        (0.7, 2.3 * 0.7 ** np.arange(60), "learned"),  # which was over before scores could show it
        (np.linspace(0.7, 0.6, 60), 2.3 * 0.7 ** np.arange(60), "not learned"),
        (np.where(np.arange(60) % 15, np.nan, 0.7), 2.3 * 0.7 ** np.arange(60), "not learned"),
    ],
    ids=["at 1", "of 1", "flat", "over at once", "falls", "now and then, as if held out"],
)
def test_a_score_that_cannot_rise_is_no_failure(scores, loss, expected):
    loss = loss[:, None]
    seen = {"loss": loss, "criterion_loss": loss, "criterion_baseline": BASELINE}
    score = np.broadcast_to(scores, 60)[:, None]
    assert state(make_run(60, 1, steps=seen | {"score": score})) == expected


@pytest.mark.parametrize(("known", "expected"), [(3, "learned"), (4, "not learned")])
def test_fewer_than_four_scores_leave_it_to_the_loss(known, expected):
    scores = np.full(60, np.nan)
    scores[:known] = 0.5
    assert state(scored(scores, loss=np.linspace(2.3, 0.1, 60)[:, None])) == expected


# -- by the fall of the loss, where no baseline is known -------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "fall", "expected"),
    [
        ("lbfgs", 0.29, "not learned"),
        ("lbfgs", 0.31, "unknown"),
        ("sgd", 0.31, "not learned"),
    ],
)
def test_a_fall_within_the_first_step_of_lbfgs_tells_that_nothing_is_known(
    optimizer, fall, expected
):
    """It runs the net many times in a step; of one batch of SGD one loss may be anything."""
    loss = wavering(-6.0, 120, 1)[:, 0]
    loss[0] = loss[-50:].mean() + fall
    assert state(by_fall(loss, optimizer=optimizer)) == expected


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (0.0, "not learned"),
        (0.9, "not learned"),
        (1.1, "slow"),
        (2.9, "slow"),
        (3.1, "learned"),
        (50, "learned"),
    ],
)
def test_without_a_baseline_the_fall_counts_in_units_of_the_scatter(progress, expected):
    found = outcome(by_fall(falling(progress)))
    assert found.state == expected
    assert found.progress == pytest.approx(progress, abs=1e-9)


RISES = wavering(np.linspace(2.3, 4.6, 60))
FALLS = wavering(np.linspace(0.7, -5.0, 60))


@pytest.mark.parametrize(
    ("criterion", "loss", "expected"),
    [
        (RISES, FALLS + 0.2 * np.sin(np.arange(60.0))[:, None], "learned"),  # against the loss
        (RISES, RISES, "not learned"),  # with the loss
        (RISES, wavering(1.0), "not learned"),  # beside the loss
        (wavering(4.6), FALLS, "not learned"),  # it stands where it stood
    ],
)
def test_a_criterion_that_goes_against_the_loss_is_not_what_is_learned(criterion, loss, expected):
    """A preference makes the likelihood of what is rejected small: its cross-entropy rises."""
    seen = {"criterion_loss": criterion, "criterion_baseline": 2.3, "loss": loss}
    assert state(make_run(steps=seen, config={"baseline_loss": None})) == expected


@pytest.mark.parametrize(
    ("nearest", "expected"), [(-0.09, "unknown"), (-0.11, "not learned"), (0.01, "not learned")]
)
def test_a_loss_that_is_below_0_by_less_than_its_scatter_has_a_sign_by_chance(nearest, expected):
    above = nearest > 0
    level = nearest + (0.05 if above else -0.05)
    assert state(by_fall(wavering(level, 100, 1)[:, 0])) == expected


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("progress", [0.5, 2.0, 10.0])
def test_a_constant_added_to_the_loss_changes_nothing(progress, offset):
    shifted = outcome(by_fall(falling(progress) + 1 + offset))
    assert shifted.progress == pytest.approx(progress, rel=1e-6)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("progress", [0.5, 2.0, 10.0])
def test_a_factor_of_the_loss_changes_nothing(progress, scale):
    plain, scaled = outcome(by_fall(falling(progress))), outcome(by_fall(scale * falling(progress)))
    assert scaled.state == plain.state
    assert scaled.progress == pytest.approx(progress, rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (wavering(0.0, 100, 1), "unknown"),  # a policy gradient's: its zero means nothing
        (wavering(-5.0, 100, 1), "not learned"),  # below 0 throughout, it could have fallen
        (falling(10.0) - 0.5, "learned"),  # from 0.5 to -0.5
        (falling(10.0) - 9.0, "learned"),
        (np.full(100, 1.0), "unknown"),  # all its change is rounding
        (1.0 + 1e-9 * np.arange(100), "unknown"),
        (wavering(stepping(5.0, 1.0, 8, 100), 100, 1), "unknown"),  # learned in 8 iterations, or
        (wavering(stepping(1.2, 1.0, 8, 100), 100, 1), "not learned"),  # only left a bad start
    ],
)
def test_a_loss_that_is_no_yardstick_proves_no_failure(loss, expected):
    assert state(by_fall(loss)) == expected


@pytest.mark.parametrize(
    ("objective", "expected"),
    [("minimize", "not learned"), ("maximize", "learned"), ("moving", "unknown")],
)
def test_a_loss_that_rises_by_design(objective, expected):
    rising = wavering(np.linspace(1.0, 2.0, 100), 100, 1, 0.01)
    assert state(by_fall(rising, objective=objective)) == expected


def test_a_run_without_a_loss_or_too_short_is_unknown():
    bare = Run.from_arrays({"delta_norm": np.ones((60, 1, 3))})
    assert state(by_fall([1.0])) == "unknown"
    assert state(bare) == "unknown"


# -- batches of few examples -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("examples", "expected"), [(0, 50), (1, 200), (3, 67), (4, 50), (64, 50), (1024, 50)]
)
def test_a_window_pools_200_examples(examples, expected):
    assert yardsticks.window_size(make_run(config={"batch_size": examples})) == expected


def test_the_rows_of_a_batch_outrank_the_configuration():
    run = make_run(steps={"examples": 2.0}, config={"batch_size": 64})
    assert yardsticks.batch_size(run) == 2


def test_losses_of_single_examples_are_judged_by_their_mean():
    """Nine of ten examples cost nothing and the tenth costs 10: the median is 0, the mean 1."""
    loss = np.zeros((600, 1))
    loss[::10] = 10.0
    run = make_run(600, 1, steps={"loss": loss}, config={"batch_size": 1, "baseline_loss": 1.0})
    assert outcome(run).share == pytest.approx(1.0, rel=0.05)
    assert outcome(run).failed


# -- the scale of a loss ---------------------------------------------------------------------------


def spread(loss):
    return float(yardsticks.loss_scale(by_fall(loss))[0])


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("scale", SCALES)
def test_the_scale_of_a_loss_goes_with_its_factor_and_not_with_its_offset(offset, scale):
    assert spread(scale * (wavering(0.5, 100, 1) + offset)) == pytest.approx(0.1 * scale, rel=1e-6)


def test_single_spikes_do_not_change_the_scale():
    loss = wavering(1.0, 100, 1)
    loss[50] = 1e6
    assert spread(loss) == pytest.approx(0.1)


def test_the_fall_counts_where_it_is_more_than_the_scatter():
    assert spread(np.r_[np.full(4, 9.0), np.full(96, 1.0)]) != spread(np.full(100, 1.0))
    assert spread(np.r_[np.full(12, 9.0), np.full(88, 1.0)]) == pytest.approx(8.0)


@pytest.mark.parametrize("loss", [np.full(60, 2.0), 1000 + 1e-5 * np.arange(60), np.zeros(60)])
def test_a_loss_whose_change_is_rounding_has_no_scale(loss):
    assert np.isnan(spread(loss))


# -- the best constant predictor's loss, as it was logged ------------------------------------------


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("scale", [1 / 8, 1.0, 512.0])
def test_the_constant_predictors_loss_has_the_unit_of_the_logged_one(scale, offset):
    value = wavering(BASELINE)
    run = with_criterion(value, BASELINE, scale * value + offset)
    assert yardsticks.constant_loss(run, 0) == pytest.approx(scale * BASELINE)
    assert yardsticks.constant_level(run, 0) == pytest.approx(scale * BASELINE + offset)


def test_a_loss_that_holds_more_than_the_criterion_leaves_it_in_its_own_unit():
    value = wavering(BASELINE)
    run = with_criterion(value, BASELINE, value + np.linspace(0, 1, 60)[:, None])
    assert yardsticks.constant_loss(run, 0) == BASELINE


def test_a_baseline_that_the_user_gave_is_that_of_the_logged_loss():
    assert yardsticks.constant_loss(make_run(), 0) == BASELINE
    assert yardsticks.constant_level(make_run(), 0) == BASELINE
    assert np.isnan(yardsticks.constant_loss(by_fall(np.ones(60)), 0))


# -- a layer's share of the gradient ---------------------------------------------------------------


def test_the_share_is_gradient_times_weights_over_the_largest():
    p, norm = np.array([1.0, 2.0, 4.0, 8.0]), np.array([16.0, 16.0, 8.0, 8.0])
    share = yardsticks.gradient_share(make_run(per_example_grad_norm=p, weight_norm=norm))
    assert share[0, 0] == pytest.approx([0.25, 0.5, 0.5, 1.0])


@pytest.mark.parametrize(("norm", "expected"), [(0.0, 8.0), (8.0, 8.0), (9.0, 9.0)])
def test_weights_count_as_if_they_had_lecuns_norm_at_least(norm, expected):
    felt = yardsticks.weighted_gradient(make_run(weight_norm=norm))
    assert felt[0, 0, 0] == expected


def test_a_table_of_vectors_has_no_share():
    run = make_run(described={1: {"kind": "embedding"}})
    assert np.isnan(yardsticks.gradient_share(run)[0, 0]).tolist() == [True, False, False, False]


def test_layers_without_any_gradient_have_no_share():
    assert np.isnan(yardsticks.gradient_share(make_run(per_example_grad_norm=0.0))).all()


# -- how far the weights went, and harm ------------------------------------------------------------


def test_the_way_of_the_busiest_layer_is_the_sum_of_its_update_ratios():
    ratio = np.array([0.001, 0.002, 0.0, 0.0])
    run = make_run(100, update_ratio=ratio, update_norm=8 * ratio)
    assert yardsticks.travelled(run) == pytest.approx([0.2, 0.2])


def test_each_update_measured_stands_for_the_iterations_around_it():
    measured = (np.arange(101) % 10 == 0)[:, None, None]
    run = make_run(101, update_ratio=0.001, recorded={"update_ratio": measured})
    assert yardsticks.travelled(run) == pytest.approx([0.11, 0.11])


def test_a_matrix_that_starts_at_0_went_nowhere_far():
    """Its steps are many times its own length, and little of a usual layer's."""
    run = make_run(100, update_ratio=10.0, update_norm=0.008, weight_norm=0.0008)
    assert yardsticks.travelled(run) == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize(("path", "expected"), [(0.0499, True), (0.0501, False)])
def test_weights_that_went_less_than_5_per_cent_hardly_moved(path, expected):
    run = make_run(update_ratio=path / 60)
    assert yardsticks.hardly_moved(run).tolist() == [expected, expected]


def losses_of(failed, replicates=4):
    """Losses of some seeds that do not learn, and of others that do."""
    loss = np.linspace(2.3, 0.1, 60)[:, None].repeat(replicates, axis=1)
    loss[:, :failed] = BASELINE
    return loss


@pytest.mark.parametrize(("failed", "expected"), [(0, "warning"), (1, "warning"), (2, "error")])
def test_an_error_needs_half_of_all_seeds_hit_and_harmed(failed, expected):
    run = make_run(replicates=4, steps={"loss": losses_of(failed)})
    assert yardsticks.severity(run, [0, 1, 2, 3]) == expected


def test_harm_in_seeds_that_were_not_hit_does_not_count():
    run = make_run(replicates=4, steps={"loss": losses_of(2)})
    assert yardsticks.severity(run, [2, 3]) == "warning"
    assert yardsticks.severity(run, [2, 3], harmless="note") == "note"


def test_one_seed_that_breaks_is_harm_enough():
    loss = losses_of(0)
    loss[30:, 0] = np.nan
    run = make_run(replicates=4, steps={"loss": loss})
    assert yardsticks.severity(run, [0]) == "error"


@pytest.mark.parametrize(("of_steps", "expected"), [(False, "error"), (True, "warning")])
def test_weights_that_were_given_no_steps_suffer_no_harm_by_them(of_steps, expected):
    run = make_run(steps={"loss": BASELINE}, update_ratio=1e-6)
    assert yardsticks.severity(run, [0, 1], of_steps=of_steps) == expected


# -- what is left to learn, and residual streams ---------------------------------------------------


def test_a_seed_that_has_not_learned_is_never_finished():
    assert yardsticks.unfinished(make_run(steps={"loss": BASELINE})).all()


@pytest.mark.parametrize("offset", [0.0, -3.0])
def test_a_seed_that_learned_is_finished_where_2_per_cent_of_its_spread_is_left(offset):
    level = np.r_[np.linspace(3.0, 1.0, 100), np.full(100, 1.0)] + offset
    left = yardsticks.unfinished(by_fall(level))[:, 0]
    assert left[:90].all()
    assert not left[110:].any()


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("stream_grad_norm", [8.0, 4.0, 2.0], np.log(4)),
        ("stream_grad_norm", [1.0, 9.0, 3.0], np.log(3)),
        ("stream_rms", [1.0, 9.0, 3.0], np.log(9)),
    ],
)
def test_the_growth_of_a_stream_is_measured_from_where_it_begins(name, values, expected):
    run = make_run(blocks=("b.0", "b.1", "b.2"), block_signals={name: np.array(values)})
    assert yardsticks.stream_growth(run, name, slice(0, 1)) == pytest.approx([expected, expected])


def test_a_net_without_blocks_has_no_stream():
    assert yardsticks.stream_growth(make_run(), "stream_rms", slice(0, 1)) is None


@pytest.mark.parametrize("offset", [0.0, -0.5 * BASELINE, -3.0 * BASELINE])
def test_a_constant_that_makes_a_seen_criterion_change_its_sign_makes_it_no_less_a_yardstick(
    offset,
):
    value = wavering(stepping(BASELINE, 0.2 * BASELINE, 20, 60))
    run = with_criterion(value, BASELINE, value + offset)
    assert yardsticks.is_yardstick(run, 0, 60)


def barely(right, fit):
    """A run of ten classes at the constant's loss, with so many answers right, and such a fit."""
    steps = {"loss": 2.3, "criterion_loss": 2.3, "criterion_baseline": np.log(10)}
    described = {"name": "cross_entropy", "answer_shape": [64, 10]}
    config = {"baseline_loss": None, "criterion": described}
    return make_run(steps=steps | {"right_share": right, "target_fit": fit}, config=config)


@pytest.mark.parametrize(
    ("right", "fit", "expected"),
    [
        (0.3, 0.99, "slow"),
        (0.3, 1.0, "not learned"),  # as those of a constant that names the most frequent class
        (0.101, 0.99, "not learned"),  # by chance
    ],
)
def test_more_right_answers_than_a_constant_has_are_a_beginning(right, fit, expected):
    assert yardsticks.outcomes(barely(right, fit))[0].state == expected


@pytest.mark.parametrize(
    ("shares", "expected"),
    [([0.25] * 4, 0.25), ([0.7, 0.1, 0.1, 0.1], 0.7), ([1.0, 0.0, 0.0, 0.0], 1.0)],
)
def test_the_most_frequent_class_is_bounded_by_the_entropy(shares, expected):
    known = np.array([share for share in shares if share])
    assert most_frequent(float(-(known * np.log(known)).sum()), 4) == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize(
    ("reduction", "last", "expected"),
    [("none", 0.1, "learned"), ("mean", 0.1, "not learned"), ("none", 1.2, "not learned")],
)
def test_a_mask_leaves_out_places_whose_targets_mean_nothing(reduction, last, expected):
    loss, seen = np.linspace(2.3, last, 60)[:, None], wavering(BASELINE, 60, 1)
    steps = {"loss": loss, "criterion_loss": seen, "criterion_baseline": BASELINE}
    config = {"criterion": {"name": "cross_entropy", "reduction": reduction}}
    assert state(make_run(60, 1, steps=steps, config=config)) == expected


@pytest.mark.parametrize(("first", "expected"), [(np.nan, True), (0.0, False)])
def test_a_loss_that_is_logged_an_iteration_late_follows_its_criterion(first, expected):
    """As where the score is taken with gradients, before it."""
    criterion = np.random.default_rng(0).normal(size=60)
    logged = np.append(first, 2 * criterion[:-1] + 1)
    steps = {"loss": logged[:, None], "criterion_loss": criterion[:, None]}
    assert follows_criterion(make_run(steps=steps), 0) == expected
