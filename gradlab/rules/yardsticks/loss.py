"""How far a loss moves, and where it would stand for a constant prediction."""

from __future__ import annotations

import weakref

import numpy as np

from gradlab.rules.windows import WINDOW, finite_prefix, losses
from gradlab.rules.yardsticks.facts import column, given_probabilities, objective
from gradlab.rules.yardsticks.trends import CLEAR_FALL, ROUNDING, trend
from gradlab.run import Run

Array = np.ndarray

SAME_LOSS = 1e-3  # of the criterion's range: rounding apart, the logged loss follows it
STARTING = 10  # iterations that are a run's start
# Criteria of logarithms of probabilities, never above 0. Targets that add up to s give
# kl_div no less than s ln s, which is nowhere below -1/e; nll_loss and ctc_loss none below 0.
OF_LOGARITHMS = ("nll_loss", "kl_div", "ctc_loss")
OTHER_AXIS = "probabilities of another axis"
LOWEST = -float(np.exp(-1))
# Every rule asks for them; a Run is frozen, so they never change.
_scales: weakref.WeakKeyDictionary[Run, Array] = weakref.WeakKeyDictionary()


def at_every_step(run: Run, criterion: Array, seed: int) -> Array:
    """Return a seed's criterion at every iteration (T,), where the logged loss tells it.

    The criterion is seen now and then, the loss is logged at every step.
    """
    line = logged_by_criterion(run, criterion[:, seed], seed)
    loss = column(run, "loss")
    if line is None or loss is None:
        return criterion[:, seed]
    slope, offset = line
    return (loss[:, seed] - offset) / slope


def logged_by_criterion(run: Run, seen: Array, seed: int) -> tuple[float, float] | None:
    """Return the factor and the constant by which the logged loss differs from the criterion (T,).

    Both may be there on purpose: a loss divided by the parts of a batch, a term that is constant.
    None where the two differ by anything else, or fewer than three values tell.
    """
    loss = column(run, "loss")
    if loss is None:
        return None
    logged = loss[:, seed]
    line = _line(seen, logged)
    if line is None and not np.isfinite(logged[:1]).any():
        # A pass for the score, gradients and all, came first: each was logged an iteration late.
        line = _line(seen[:-1], logged[1:])
    return line if line is not None and line[0] > 0 else None


def follows_criterion(run: Run, seed: int) -> bool:
    """Whether a seed's logged loss is the criterion that was seen, but for a factor above 0 and a
    constant.
    """
    seen = column(run, "criterion_loss")
    return seen is not None and logged_by_criterion(run, seen[:, seed], seed) is not None


def counts_otherwise(run: Run, criterion: Array, seed: int, stop: int) -> bool:
    """Whether a seed's logged loss weighs the values of a criterion without reduction by itself,
    and comes down: a mask leaves out places whose targets mean nothing.
    """
    given, loss = run.config.get("criterion"), column(run, "loss")
    apart = isinstance(given, dict) and given.get("reduction") == "none"
    if not apart or loss is None or logged_by_criterion(run, criterion[:, seed], seed) is not None:
        return False
    found = trend(loss[:stop, seed])
    return found is not None and found.progress >= CLEAR_FALL and 0 <= found.last < found.first / 2


def _line(seen: Array, logged: Array) -> tuple[float, float] | None:
    """Return slope and offset of what is logged over what is seen; None where it is no line."""
    both = np.isfinite(seen) & np.isfinite(logged)
    if both.sum() < 3:
        return None
    x, y = seen[both], logged[both]
    if np.ptp(y) <= ROUNDING * np.abs(y).max():
        return None  # a loss that stands still follows nothing
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ (y - y.mean())) / spread if spread > 0 else 0.0
    offset = float(np.median(y - slope * x))
    if np.median(np.abs(y - slope * x - offset)) > SAME_LOSS * abs(slope) * np.ptp(x):
        return None
    return slope, offset


def of_no_logarithms(run: Run, seed: int) -> float:
    """Return where a seed's criterion of logarithms ends, if no logarithms can bring it there; else
    NaN.

    Only where it is what the steps make small: logsumexp(z) + nll_loss(z, y) is a cross-entropy.
    Probabilities instead of logarithms are told by themselves, see `given_probabilities`, but
    by ctc_loss, which adds up many paths of them: no answer's value of it means anything.
    """
    given, seen = run.config.get("criterion"), column(run, "criterion_loss")
    name = given.get("name") if isinstance(given, dict) else given
    if name not in OF_LOGARITHMS or seen is None:
        return np.nan
    if given_probabilities(run) and name != "ctc_loss":
        return np.nan
    known = seen[np.isfinite(seen[:, seed]), seed]
    alone = column(run, "loss") is None or logged_by_criterion(run, seen[:, seed], seed) is not None
    if not len(known) or not alone:
        return np.nan
    end = float(np.median(known[-max(1, len(known) // 4) :]))
    return end if end < LOWEST else np.nan


def over_other_axis(run: Run, seed: int) -> bool:
    """Whether a seed's criterion is given probabilities of the examples, or of the times, instead
    of the classes. Such a loss compares with no constant's.

    Only where it is what the steps make small.
    """
    given, seen = run.config.get("criterion"), column(run, "criterion_loss")
    if seen is None or not isinstance(given, dict) or given.get("answers") != OTHER_AXIS:
        return False
    return column(run, "loss") is None or logged_by_criterion(run, seen[:, seed], seed) is not None


def sign_flipped(run: Run, seed: int) -> bool:
    """Whether a seed's logged loss is its criterion with the sign flipped, in a net that trains.

    An input that is changed until a frozen net is wrong is meant to raise its criterion.
    """
    criterion, matrices = column(run, "criterion_loss"), run.matrices
    if criterion is None or matrices is None or "update_norm" not in matrices:
        return False
    if not matrices.recorded("update_norm").any() or not goes_against(run, criterion, seed):
        return False
    loss = column(run, "loss")
    line = None if loss is None else _line(criterion[:, seed], loss[:, seed])
    return line is not None and line[0] < 0


def goes_against(run: Run, criterion: Array, seed: int) -> bool:
    """Whether a seed's criterion (T, S) rises while the logged loss falls, and because it does.

    Then the steps make something else small, of which the criterion is a part of either sign: as
    where a preference is learned from the likelihoods of two answers. Because: more than half of
    what the criterion varies goes against the loss.
    """
    loss = column(run, "loss")
    if loss is None or objective(run) != "minimize":
        return False
    both = np.isfinite(criterion[:, seed]) & np.isfinite(loss[:, seed])
    seen, logged = trend(criterion[both, seed]), trend(loss[both, seed])
    if seen is None or logged is None or both.sum() < STARTING:
        return False
    if seen.progress > -CLEAR_FALL or logged.progress < CLEAR_FALL:
        return False
    return float(np.corrcoef(criterion[both, seed], loss[both, seed])[0, 1]) < -(0.5**0.5)


def is_yardstick(run: Run, seed: int, stop: int) -> bool:
    """Whether a seed's logged loss can tell that nothing was learned.

    Not where its targets move with the net (`objective="moving"`), where it changes its sign, or
    comes within its scatter of doing so from below (a policy gradient or a log-likelihood has no
    zero that means anything), or where all its change is rounding. What was added to a criterion
    that was seen is taken off first.
    """
    loss = column(run, "loss")
    if loss is None or objective(run) == "moving":
        return False
    values = loss[:stop, seed]
    values = values[np.isfinite(values)]
    offset = np.nan_to_num(_constant(run, seed)[1])
    if not len(values):
        return False
    highest = float(values.max())
    if highest <= offset and len(values) > 1:  # what comes this near from below is above by chance
        highest += float(np.median(np.abs(np.diff(values))))
    if values.min() < offset < highest:
        return False
    return float(np.ptp(values)) > ROUNDING * float(np.abs(values).max())


def loss_scale(run: Run) -> Array:
    """Return how far each seed's batch losses spread over its finite iterations (S,): what a step
    is measured against.

    The distance between the 5 and the 95 per cent quantile, or the fall from the first ten to the
    last where that is more: free of any constant added to the loss, and untouched by single spikes.
    NaN where the spread is rounding, or no loss was recorded: then the loss is no yardstick.
    """
    loss = column(run, "loss")
    result = np.full(run.replicates, np.nan)
    if loss is None:
        return result
    if run in _scales:
        return _scales[run]
    for seed, stop in enumerate(finite_prefix(run)):
        values = loss[: int(stop), seed]
        values = values[np.isfinite(values)]
        if len(values) < 2:
            continue
        low, high = np.quantile(values, [0.05, 0.95])
        fall = abs(float(np.median(values[:STARTING]) - np.median(values[-WINDOW:])))
        spread = max(float(high - low), fall)
        around_zero = values.min() < 0 < values.max()
        size = max(abs(low), abs(high))  # not the largest value: that may be a spike
        # A sum of terms near 1 that cancel is rounding, however large beside its own size.
        if spread > ROUNDING * (max(1.0, size) if around_zero else size):
            result[seed] = spread
    _scales[run] = result
    return result


def constant_loss(run: Run, seed: int) -> float:
    """Return the best constant predictor's loss of a seed; NaN where nothing tells it.

    In the unit of the logged loss, by which gradients are measured too; without any constant that
    was added to it. A loss whose best constant is not above 0, as a likelihood's without its
    constant terms, is no scale: NaN too.
    """
    size = _constant(run, seed)[0]
    return size if size > 0 else np.nan


def above_constant(run: Run, seed: int) -> Array:
    """Return where a constant answered as well as a seed, or better, one for each known loss.

    By a median over 11 values of the criterion itself, or of the logged loss where the user gave
    the baseline; empty where neither tells.
    """
    smooth, level = _beside_constant(run, seed)
    return smooth >= level


def highest_over_constant(run: Run, seed: int) -> float:
    """Return how far above a constant's loss the same medians ever stood, as a ratio of the two.

    Where the loss began above the constant's, of where it began; NaN where nothing tells it.
    """
    smooth, level = _beside_constant(run, seed)
    return float(smooth.max() / max(level, smooth[0])) if len(smooth) and level > 0 else np.nan


def _beside_constant(run: Run, seed: int) -> tuple[Array, float]:
    """Return medians over 11 known losses, and the constant's loss; no medians without it."""
    seen, constant = column(run, "criterion_loss"), column(run, "criterion_baseline")
    if seen is not None and constant is not None and np.isfinite(constant[:, seed]).any():
        values = at_every_step(run, seen, seed)
        level = float(constant[np.isfinite(constant[:, seed]), seed][-1])
    else:
        values, level = losses(run)[:, seed], constant_level(run, seed)
    rows = np.flatnonzero(np.isfinite(values))
    if not len(rows) or not np.isfinite(level):
        return np.zeros(0), level
    padded = np.pad(values[rows], 5, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 11), axis=-1), level


def constant_level(run: Run, seed: int) -> float:
    """Return where the logged loss of a seed would stand if it predicted a constant; or NaN."""
    size, offset = _constant(run, seed)
    return size + offset


def _constant(run: Run, seed: int) -> tuple[float, float]:
    """Return the best constant predictor's loss, in the logged loss's unit, and what was added."""
    seen = column(run, "criterion_baseline")
    if seen is None or not np.isfinite(seen[:, seed]).any():
        given = run.config.get("baseline_loss")
        return (float(given) if isinstance(given, (int, float)) and given > 0 else np.nan), 0.0
    known = seen[:, seed]
    constant = float(known[np.isfinite(known)][-1])
    value = column(run, "criterion_loss")
    line = None if value is None else logged_by_criterion(run, value[:, seed], seed)
    slope, offset = line or (1.0, 0.0)
    return slope * constant, offset
