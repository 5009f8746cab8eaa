"""Whether each seed learned, and what says so."""

from __future__ import annotations

import weakref
from dataclasses import replace

import numpy as np

from gradlab.rules.windows import finite_prefix
from gradlab.rules.yardsticks.answers import (
    FITS_SEEN,
    fits_all_alike,
    fits_of_own,
    latest_fits,
    right_beyond_constant,
)
from gradlab.rules.yardsticks.beside_constant import (
    FAR,
    LEARNED,
    NOT_LEARNED,
    SLOW,
    UNKNOWN,
    Outcome,
    against_constant,
    probability_against_constant,
)
from gradlab.rules.yardsticks.facts import (
    column,
    given_probabilities,
    objective,
    window_size,
)
from gradlab.rules.yardsticks.layers import along_weights, hardly_moved
from gradlab.rules.yardsticks.loss import (
    at_every_step,
    counts_otherwise,
    goes_against,
    is_yardstick,
    of_no_logarithms,
    over_other_axis,
    sign_flipped,
)
from gradlab.rules.yardsticks.scores import SCORES, score_rose
from gradlab.rules.yardsticks.targets import drift
from gradlab.rules.yardsticks.trends import (
    AT_ONCE,
    CLEAR_FALL,
    NO_FALL,
    fell_at_once,
    trend,
)
from gradlab.run import Run

Array = np.ndarray

MOVING = 1.5  # times: a constant's loss that still grows so in the second half is none
# Of the constant's loss: what the scatter of batches may bring a loss to that learned nothing.
BY_CHANCE = 0.85
FITS = 0.9  # of the criterion by other examples' targets: nets that learn nothing are at 1
HARDER = 1.3  # of it, before anything is learned: chance makes no three in a row so large
_outcomes: weakref.WeakKeyDictionary[Run, tuple[Outcome, ...]] = weakref.WeakKeyDictionary()


def outcomes(run: Run) -> tuple[Outcome, ...]:
    """Say of each seed whether it learned: by its score, else by its criterion, else by its loss.

    A score that the user logs outranks the loss. A loss is compared with the best constant
    predictor's where that is known: gradlab's own where it saw the criterion, else
    `config["baseline_loss"]`. Where no baseline is known, the fall of the loss in units of its
    scatter decides.
    """
    known = _outcomes.get(run)
    if known is None:
        prefix = finite_prefix(run)
        known = tuple(_outcome(run, seed, int(stop)) for seed, stop in enumerate(prefix))
        _outcomes[run] = known
    return known


def _outcome(run: Run, seed: int, stop: int) -> Outcome:
    if stop < run.iterations:
        return Outcome(
            NOT_LEARNED, f"NaN or infinity from iteration {int(run.times[stop])}", np.inf
        )
    for judge in (_by_score, _by_range, _by_criterion, _by_baseline, _by_fall):
        found = judge(run, seed, stop)
        if found is not None:
            return found
    return Outcome(UNKNOWN, "no loss was recorded")


def _by_score(run: Run, seed: int, stop: int) -> Outcome | None:
    found = score_rose(run, seed, stop)
    return None if found is None else Outcome(LEARNED if found[0] else NOT_LEARNED, found[1])


def _by_range(run: Run, seed: int, stop: int) -> Outcome | None:
    """Tell a criterion that came where nothing that it is made for can bring it.

    What ctc_loss is given instead makes its steps small or crooked, not always senseless: how
    little was learned nobody knows.
    """
    if over_other_axis(run, seed):
        return Outcome(UNKNOWN, "the answers are probabilities over another axis than the classes'")
    end = of_no_logarithms(run, seed)
    if not np.isfinite(end):
        return None
    words = f"the criterion came to {end:.3g}: logarithms of probabilities cannot bring it below 0"
    given = run.config.get("criterion")
    of_paths = isinstance(given, dict) and given.get("name") == "ctc_loss"
    return Outcome(UNKNOWN if of_paths else NOT_LEARNED, words)


def _by_criterion(run: Run, seed: int, stop: int) -> Outcome | None:
    """Compare the criterion's own value with the best constant predictor's, both as gradlab saw
    them. None where the steps do not make the criterion small.
    """
    value, baseline = column(run, "criterion_loss"), column(run, "criterion_baseline")
    if value is None or baseline is None or not np.isfinite(baseline[:stop, seed]).any():
        return None
    against = goes_against(run, value, seed) and not along_weights(run, seed, stop)
    if against and not sign_flipped(run, seed):
        return None
    known = baseline[:stop, seed]
    known = known[np.isfinite(known)]
    constant, half = float(known[-1]), float(known[len(known) // 2])
    if len(known) >= SCORES and max(constant, half) > MOVING * min(constant, half) > 0:
        words = f"the targets move: the constant's loss went from {half:.3g} to {constant:.3g}"
        return Outcome(UNKNOWN, words)
    values = at_every_step(run, value, seed)[:stop]
    if given_probabilities(run) == "nll_loss":
        return probability_against_constant(run, values, constant)
    fits = fits_of_own(run, seed, stop)
    found = against_constant(run, values, constant)
    harder = len(fits) >= FITS_SEEN and (fits[:FITS_SEEN] > HARDER).all()
    if harder and (found is None or not found.share <= FAR):
        return None  # the loss takes from the right answer, as by a margin: no constant's does
    if found is not None and _near_by_chance(found) and fits_all_alike(fits):
        found = replace(found, state=NOT_LEARNED)
    last = latest_fits(fits)
    if found is None:
        return _by_fit(last)
    if found.state != NOT_LEARNED:
        return found
    if counts_otherwise(run, value, seed, stop):
        return None
    if found.share <= MOVING and (moved := drift(run, seed, stop)):
        return replace(found, state=UNKNOWN, evidence=moved)
    if found.share <= FAR:  # a constant answers as well: or do the answers only dare too little?
        right = right_beyond_constant(run, seed, stop, constant)
        if not right or len(last) < FITS_SEEN or not (last < 1).all():
            return found
        return replace(found, state=SLOW, evidence=f"{found.evidence}, but {right}")
    if len(last) < FITS_SEEN or not (last < 1).all():
        return found
    middle = max(np.median(last), np.median(last[-FITS_SEEN:]))
    if middle > FITS:
        return found  # it may have fitted, and has lost it again
    if hardly_moved(run)[seed] and found.progress < NO_FALL:
        return found  # whatever it knows, it knew before
    words = f"{found.evidence}, and {middle:.2g} times that of other examples' targets"
    return replace(found, state=LEARNED if found.progress >= CLEAR_FALL else SLOW, evidence=words)


def _by_fit(last: Array) -> Outcome | None:
    """Judge where batches scatter too much to set a likelihood apart from a constant's."""
    if len(last) < FITS_SEEN or not np.median(last) < FITS:
        return None
    words = f"the loss is {np.median(last):.2g} times that of other examples' targets"
    return Outcome(SLOW, words)


def _near_by_chance(found: Outcome) -> bool:
    return BY_CHANCE <= found.share <= FAR and found.progress < CLEAR_FALL


def _by_baseline(run: Run, seed: int, stop: int) -> Outcome | None:
    constant, loss = run.config.get("baseline_loss"), column(run, "loss")
    if not isinstance(constant, (int, float)) or constant == 0 or loss is None:
        return None
    return against_constant(run, loss[:stop, seed], float(constant))


def _by_fall(run: Run, seed: int, stop: int) -> Outcome | None:
    loss = column(run, "loss")
    if loss is None:
        return None
    sign = -1.0 if objective(run) == "maximize" else 1.0
    values = sign * loss[:stop, seed]
    found = trend(values, window_size(run))
    if found is None:
        return Outcome(UNKNOWN, "too short to tell")
    words = f"the loss fell by {found.progress:.2g} times its scatter between batches"
    if found.progress >= CLEAR_FALL:
        return Outcome(LEARNED, words, progress=found.progress)
    if not is_yardstick(run, seed, stop):
        return Outcome(
            UNKNOWN, "the loss tells nothing of what was learned", progress=found.progress
        )
    # A step of L-BFGS runs the net up to twenty times: the first loss alone is that of the start.
    first = 1 if run.config.get("optimizer") == "lbfgs" else AT_ONCE
    if fell_at_once(values, found, first):
        words = "the loss fell at once and stayed there, and no baseline tells how low that is"
        return Outcome(UNKNOWN, words, progress=found.progress)
    if found.progress <= -NO_FALL and run.config.get("optimizers", 1) != 1:
        words = "the loss rose, and what one optimizer makes small another may make large"
        return Outcome(UNKNOWN, words, progress=found.progress)
    state = SLOW if found.progress >= NO_FALL or found.falls_still else NOT_LEARNED
    return Outcome(state, words, progress=found.progress)
