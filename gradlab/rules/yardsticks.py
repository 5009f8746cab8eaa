"""What rules measure by: whether a net learns, how far its loss moves, how much of the gradient a
layer gets.

Each yardstick is defined once, with its reason. None changes when a constant is added to the logged
loss, except the comparison with a baseline that the user gave for that very loss.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.rules.base import ERROR, WARNING
from gradlab.rules.config_numbers import config_number
from gradlab.rules.windows import WINDOW, elapsed, finite_prefix, losses, nanmedian
from gradlab.run import Run

Array = np.ndarray

LEARNED = "learned"
SLOW = "slow"
NOT_LEARNED = "not learned"
UNKNOWN = "unknown"

# Of the best constant predictor's loss. What is left above it is within the scatter of batches, or
# not worth the name.
AS_GOOD_AS_CONSTANT = 0.95
MOSTLY_LEARNED = 0.5
# Falls of the loss in units of the batch losses' own scatter. Measured: nets that learn 25 to 95,
# nets that do not 0 to 0.5, a deep relu net that crawls 10.
CLEAR_FALL = 3.0
NO_FALL = 1.0
# Standard errors of a mean that a difference of two means must exceed.
SIGNIFICANT = 3.0
# Share of their own length that the weights of the busiest layer must have travelled before a net
# can be said to be unable to learn: below it, it was not given the steps.
HARDLY_MOVED = 0.05
ROUNDING = 1e-6  # of the loss's size: float32 keeps seven digits
EXAMPLES_POOLED = 200  # at least so many examples speak for the end of a run
SAME_LOSS = 1e-3  # of the criterion's range: rounding apart, the logged loss follows it
FALLING = 0.15  # of the second half's fall that must lie in the last quarter
SHORTEST = 5  # values in a window
STARTING = 10  # iterations that are a run's start
FINISHED = 0.02  # of the loss's spread above its lowest: what is left no longer shows in updates
LOOKUP = "embedding"  # the kind of a table of vectors
MOVING = 1.5  # times: a constant's loss that still grows so in the second half is none
SCORES = 4  # at least so many scores, before they can tell a trend


# Every rule asks for them; a Run is frozen, so they never change.
_scales: weakref.WeakKeyDictionary[Run, Array] = weakref.WeakKeyDictionary()
_outcomes: weakref.WeakKeyDictionary[Run, tuple[Outcome, ...]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Outcome:
    """Whether one seed learned, and what says so.

    Attributes
    ----------
    state : {"learned", "slow", "not learned", "unknown"}
    evidence : str
        The numbers, in a few words.
    share : float
        The loss at the end over the best constant predictor's; NaN where that is not known.
    progress : float
        How far the loss fell, in units of the batch losses' scatter; NaN where no loss was
        recorded.
    """

    state: str
    evidence: str
    share: float = np.nan
    progress: float = np.nan

    @property
    def failed(self) -> bool:
        """Whether the seed is known not to have learned."""
        return self.state == NOT_LEARNED


@dataclass(frozen=True)
class Trend:
    """How a series of batch values moved from its start to its end.

    Attributes
    ----------
    first, last : float
        Means over the first and the last part.
    scatter : float
        The deviation of one batch's value from its neighbours': the median of |x[t+1] - x[t]|.
    error : float
        Standard error of `first - last`.
    late, latest : float
        How much it fell from the middle of the run to its end, and from three quarters of it.
    """

    first: float
    last: float
    scatter: float
    error: float
    late: float
    latest: float

    @property
    def fall(self) -> float:
        """`first - last`: positive where the values became smaller."""
        return self.first - self.last

    @property
    def progress(self) -> float:
        """The fall in units of the scatter; 0 where both are nothing but rounding."""
        floor = ROUNDING * max(abs(self.first), abs(self.last))
        if abs(self.fall) <= floor:
            return 0.0
        return self.fall / max(self.scatter, floor, np.finfo(float).tiny)

    @property
    def falls_still(self) -> bool:
        """Whether it fell, beyond chance, in the second half of the run, and falls at its end."""
        beyond_chance = self.late > max(SIGNIFICANT * self.error, NO_FALL * self.scatter)
        return beyond_chance and self.latest > FALLING * self.late

    @property
    def ahead(self) -> float:
        """Where it would be after as many iterations again, at the pace of the second half.

        What is positive goes on falling by the same factor: a loss that came down from 1e13 to 1e8
        is not on its way below 0.
        """
        half = self.last + self.late
        if self.last > 0 and half > 0:
            return self.last * (self.last / half) ** 2
        return self.last - 2 * self.late


def trend(values: Array, size: int = WINDOW) -> Trend | None:
    """Compare the first with the last `size` finite values of a series (T,); None for fewer than
    two.

    A window is a quarter of a short series, and never more than half of it.
    """
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return None
    size = min(size, len(known) // 2, max(SHORTEST, len(known) // 4))
    scatter = float(np.median(np.abs(np.diff(known))))
    half, later = (_around(known, len(known) * part // 4, size) for part in (2, 3))
    last = _middle_mean(known[-size:])
    # |x - y| of two draws has the median 0.954 sigma; the difference of two means of n the error
    # sigma sqrt(2 / n).
    error = scatter / 0.954 * float(np.sqrt(2 / size))
    return Trend(_middle_mean(known[:size]), last, scatter, error, half - last, later - last)


def _around(values: Array, middle: int, size: int) -> float:
    """Return the mean of `size` values around a place."""
    first = max(0, min(middle - size // 2, len(values) - size))
    return _middle_mean(values[first : first + size])


def _middle_mean(values: Array) -> float:
    """Return the median of five means: a mean, so that rare large losses of small batches count,
    but no single one.
    """
    parts = np.array_split(values, min(5, len(values)))
    return (
        float(np.median([part.mean() for part in parts]))
        if len(values) >= 25
        else float(values.mean())
    )


MOST_ROWS = 1 << 40  # of a batch, whatever a record claims


def batch_size(run: Run) -> int:
    """How many examples a batch holds, as far as the record says; 0 where it says nothing."""
    rows = column(run, "examples")
    if rows is not None and np.isfinite(rows).any():
        return int(min(max(np.median(rows[np.isfinite(rows)]), 0), MOST_ROWS))
    return int(min(max(config_number(run, "batch_size", 0), 0), MOST_ROWS))


def window_size(run: Run) -> int:
    """How many batches speak for a part of a run: 50, or as many as hold 200 examples where batches
    are small.
    """
    examples = batch_size(run)
    return WINDOW if not examples else max(WINDOW, int(np.ceil(EXAMPLES_POOLED / examples)))


def column(run: Run, name: str) -> Array | None:
    """Return a column of `run.steps` (T, S), NaN where it was not recorded; None where it was
    never.
    """
    if not run.step_recorded(name).any():
        return None
    return np.where(run.step_recorded(name), run.step(name), np.nan)


def objective(run: Run) -> str:
    """What the steps are meant to do with the loss: "minimize", "maximize", or "moving" where it is
    no yardstick.
    """
    return str(run.config.get("objective") or "minimize")


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
    for judge in (_by_score, _by_criterion, _by_baseline, _by_fall):
        found = judge(run, seed, stop)
        if found is not None:
            return found
    return Outcome(UNKNOWN, "no loss was recorded")


def _by_score(run: Run, seed: int, stop: int) -> Outcome | None:
    scores = column(run, "score")
    if scores is None:
        return None
    values = scores[:stop, seed]
    values = values[np.isfinite(values)]
    if len(values) < SCORES:
        return None
    found = trend(-values, max(2, len(values) // 4))
    assert found is not None
    words = f"the score went from {-found.first:.3g} to {-found.last:.3g}"
    beyond = found.fall > SIGNIFICANT * found.error and found.fall > ROUNDING * abs(found.last)
    return Outcome(LEARNED if beyond else NOT_LEARNED, words)


def _by_criterion(run: Run, seed: int, stop: int) -> Outcome | None:
    """Compare the criterion's own value with the best constant predictor's, both as gradlab saw
    them.
    """
    value, baseline = column(run, "criterion_loss"), column(run, "criterion_baseline")
    if value is None or baseline is None or not np.isfinite(baseline[:stop, seed]).any():
        return None
    known = baseline[:stop, seed]
    known = known[np.isfinite(known)]
    constant, half = float(known[-1]), float(known[len(known) // 2])
    if len(known) >= SCORES and max(constant, half) > MOVING * min(constant, half):
        words = f"the targets move: the constant's loss went from {half:.3g} to {constant:.3g}"
        return Outcome(UNKNOWN, words)
    return _against_constant(run, _at_every_step(run, value, seed)[:stop], constant)


def _at_every_step(run: Run, criterion: Array, seed: int) -> Array:
    """Return a seed's criterion at every iteration (T,), where the logged loss tells it.

    The criterion is seen now and then, the loss is logged at every step.
    """
    line = _logged_by_criterion(run, criterion[:, seed], seed)
    loss = column(run, "loss")
    if line is None or loss is None:
        return criterion[:, seed]
    slope, offset = line
    return (loss[:, seed] - offset) / slope


def _logged_by_criterion(run: Run, seen: Array, seed: int) -> tuple[float, float] | None:
    """Return the factor and the constant by which the logged loss differs from the criterion (T,).

    Both may be there on purpose: a loss divided by the parts of a batch, a term that is constant.
    None where the two differ by anything else, or fewer than three values tell.
    """
    loss = column(run, "loss")
    if loss is None:
        return None
    both = np.isfinite(seen) & np.isfinite(loss[:, seed])
    if both.sum() < 3:
        return None
    x, y = seen[both], loss[both, seed]
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ (y - y.mean())) / spread if spread > 0 else 0.0
    offset = float(np.median(y - slope * x))
    if not slope > 0 or np.median(np.abs(y - slope * x - offset)) > SAME_LOSS * slope * np.ptp(x):
        return None
    return slope, offset


def _by_baseline(run: Run, seed: int, stop: int) -> Outcome | None:
    constant, loss = run.config.get("baseline_loss"), column(run, "loss")
    if not isinstance(constant, (int, float)) or constant == 0 or loss is None:
        return None
    return _against_constant(run, loss[:stop, seed], float(constant))


def _against_constant(run: Run, values: Array, constant: float) -> Outcome | None:
    known = values[np.isfinite(values)]
    found = trend(values, _size_for(run, len(known), len(values)))
    if found is None or not constant > 0:
        return None
    share = found.last / constant
    words = f"the loss ends at {share:.3g} times the best constant prediction's"
    if share >= AS_GOOD_AS_CONSTANT:
        # A short run of a large model is still on its way: it is slow, not unable.
        # Near the constant's loss it has only learned to answer the same to everything; unless it
        # is below already, beyond chance, and will soon be well below.
        far = share > 2 - AS_GOOD_AS_CONSTANT and found.ahead < constant
        below = constant - found.last > SIGNIFICANT * found.error
        on_its_way = far or (below and found.ahead < AS_GOOD_AS_CONSTANT * constant)
        state = SLOW if found.falls_still and on_its_way else NOT_LEARNED
    else:
        start = max(found.first, float(np.median(known[:5])))  # it may be over within a window
        fell = start - found.last > SIGNIFICANT * found.error
        state = (
            LEARNED
            if fell and share <= MOSTLY_LEARNED
            else SLOW
            if fell or share < MOSTLY_LEARNED
            else UNKNOWN
        )
    return Outcome(state, words, share, found.progress)


def _size_for(run: Run, known: int, rows: int) -> int:
    """Return the window in recorded values, where only some rows of the run hold one."""
    thinned = max(1, round(rows / known)) if known else 1
    return max(5, window_size(run) // thinned)


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
    if _fell_at_once(values, found):
        words = "the loss fell at once and stayed there, and no baseline tells how low that is"
        return Outcome(UNKNOWN, words, progress=found.progress)
    state = SLOW if found.progress >= NO_FALL or found.falls_still else NOT_LEARNED
    return Outcome(state, words, progress=found.progress)


def _fell_at_once(values: Array, found: Trend) -> bool:
    """Whether the loss fell clearly, but so fast that the first window shows nothing of it.

    A net may learn in ten iterations; or it may only leave a bad start for the constant answer.
    """
    known = values[np.isfinite(values)]
    fall = float(np.median(known[:5])) - found.last
    return fall > max(CLEAR_FALL * found.scatter, ROUNDING * abs(found.last))


def is_yardstick(run: Run, seed: int, stop: int) -> bool:
    """Whether a seed's logged loss can tell that nothing was learned.

    Not where its targets move with the net (`objective="moving"`), where it changes its sign (a
    policy gradient or a log-likelihood has no zero that means anything), or where all its change is
    rounding.
    """
    loss = column(run, "loss")
    if loss is None or objective(run) == "moving":
        return False
    values = loss[:stop, seed]
    values = values[np.isfinite(values)]
    if not len(values) or (values.min() < 0 < values.max()):
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


def unfinished(run: Run) -> Array:
    """Where a seed still has something to learn (T, S): always, in one that has not learned.

    In one that has, where its loss, as a mean over 11 iterations, is more than 2 % of its spread
    above the lowest such mean: free of any constant in the loss.
    """
    left = np.ones(run.shape[:2], bool)
    scale, has_learned = loss_scale(run), learned(run)
    loss = losses(run)
    for seed in np.flatnonzero(has_learned & np.isfinite(scale)):
        padded = np.pad(loss[:, seed], 5, mode="edge")
        smooth = np.lib.stride_tricks.sliding_window_view(padded, 11).mean(axis=-1)
        left[:, seed] = smooth - np.nanmin(smooth) > FINISHED * scale[seed]
    return left


def weighted_gradient(run: Run) -> Array:
    """Return p_l ||W_l|| (T, S, L): how far single examples' losses move with a layer's weights.

    p is the mean norm of single examples' gradients; ||W|| counts as LeCun's norm, sqrt(fan_out),
    where it is smaller: a matrix that starts at 0 has a gradient all the same. NaN where p was not
    recorded, and for tables of vectors, of which a batch touches only some rows.
    """
    least = np.nan_to_num(np.sqrt(run.layer("fan_out")))
    with np.errstate(all="ignore"):
        felt = run["per_example_grad_norm"] * np.maximum(run["weight_norm"], least)
    felt = np.where(np.isfinite(felt), felt, np.nan)
    felt[:, :, run.layer("kind") == LOOKUP] = np.nan
    return felt


def gradient_share(run: Run) -> Array:
    """Return r_l = p_l ||W_l|| / max_m p_m ||W_m|| (T, S, L): a layer's share, without any loss."""
    felt = weighted_gradient(run)
    largest = np.where(np.isfinite(felt), felt, -np.inf).max(axis=2, keepdims=True, initial=-np.inf)
    with np.errstate(all="ignore"):
        return np.where(largest > 0, felt / largest, np.nan)


def constant_loss(run: Run, seed: int) -> float:
    """Return the best constant predictor's loss of a seed; NaN where nothing tells it.

    In the unit of the logged loss, by which gradients are measured too; without any constant that
    was added to it.
    """
    return _constant(run, seed)[0]


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
    line = None if value is None else _logged_by_criterion(run, value[:, seed], seed)
    slope, offset = line or (1.0, 0.0)
    return slope * constant, offset


def stream_growth(run: Run, name: str, rows: slice) -> Array | None:
    """Return ln of the largest over the last block's value of a stream's statistic (S,).

    Of the gradient ("stream_grad_norm") the last block is the nearest to the loss: its growth is
    from there back to some other block. Of the signal ("stream_rms") the first block counts.
    Medians over the rows. None where no residual stream was recorded.
    """
    values = run.block_statistic(name)[rows]
    if values.shape[2] < 2 or not np.isfinite(values).any():
        return None
    with np.errstate(all="ignore"):
        logs = nanmedian(np.log(values))
    known = np.isfinite(logs).all(axis=0)
    if known.sum() < 2:
        return None
    logs = logs[:, known]
    reference = logs[:, -1] if name == "stream_grad_norm" else logs[:, 0]
    return logs.max(axis=1) - reference


def travelled(run: Run) -> Array:
    """Return how far the weights of each seed's busiest layer went (S,): the sum of update ratios;
    NaN if not measured.

    Of updates that were measured now and then, each stands for the iterations nearest to it.
    """
    part = run.condensed()
    result = np.full(run.replicates, np.nan)
    if "update_ratio" not in part:
        return result
    ratios = part["update_ratio"]
    if (
        "update_norm" in part and "weight_norm" in part
    ):  # a matrix that starts at 0 went nowhere far
        least = np.nan_to_num(np.sqrt(run.layer("fan_out")))
        with np.errstate(all="ignore"):
            floored = part["update_norm"] / np.maximum(part["weight_norm"], least)
        ratios = np.fmin(ratios, floored)
    for seed in range(run.replicates):
        ratio = ratios[:, seed]
        rows = np.flatnonzero(part.recorded("update_ratio")[:, seed].any(axis=1))
        if not len(rows):
            continue
        times = part.times[rows]
        weight = (
            np.gradient(times.astype(float))
            if len(rows) > 1
            else np.full(1, float(elapsed(run, run.iterations)))
        )
        steps = np.nan_to_num(ratio[rows], nan=0.0, posinf=0.0)
        result[seed] = float((steps * weight[:, None]).sum(axis=0).max(initial=0.0))
    return result


def hardly_moved(run: Run) -> Array:
    """Whether each seed's weights hardly moved (S,): then the steps are at fault, and nothing else
    can be told.
    """
    moved = travelled(run)
    return np.isfinite(moved) & (moved < HARDLY_MOVED)


def failed(run: Run) -> Array:
    """Return which seeds are known not to have learned, NaN or infinity included (S,)."""
    return np.array([outcome.failed for outcome in outcomes(run)], bool)


def harmed(run: Run) -> Array:
    """Return which seeds broke, or moved and did not learn (S,): what a finding about the steps may
    call harm.
    """
    broken = finite_prefix(run) < run.iterations
    return broken | (failed(run) & ~hardly_moved(run))


def learns(run: Run) -> Array:
    """Return which seeds have learned something at least (S,): what is odd in them is harmless."""
    return np.array([outcome.state in (LEARNED, SLOW) for outcome in outcomes(run)], bool)


def unharmed(run: Run, which: Sequence[int]) -> bool:
    """Whether what is odd in these seeds did no harm that anyone could measure.

    They learn; or their targets move by design, and no loss can tell.
    """
    return objective(run) == "moving" or bool(learns(run)[list(which)].all())


def learned(run: Run) -> Array:
    """Return which seeds are known to have learned (S,)."""
    return np.array([outcome.state == LEARNED for outcome in outcomes(run)], bool)


def severity(
    run: Run, which: Sequence[int], *, harmless: str = WARNING, of_steps: bool = False
) -> str:
    """Return "error" where the seeds that are hit suffer, else `harmless`.

    An error means measured harm: a seed that is hit breaks with NaN or infinity, or at least half
    of all seeds are hit and did not learn.

    Parameters
    ----------
    which : sequence of int
        The seeds that are hit.
    harmless : str
        The severity where no harm was measured.
    of_steps : bool
        Whether the finding is about the steps alone: weights that hardly moved could not learn by
        any of them, so that not learning is then no harm of its own.
    """
    hit = list(which)
    if run.iterations == 1:
        return ERROR  # an audit: one pass, judged for what it will come to
    if (finite_prefix(run)[hit] < run.iterations).any():
        return ERROR
    suffer = harmed(run) if of_steps else failed(run)
    return ERROR if 2 * int(suffer[hit].sum()) >= run.replicates else harmless
