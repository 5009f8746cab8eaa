"""What rules look at: windows of finite iterations, the loss in them, and the worst window."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gradlab.rules.base import ERROR, WARNING, Hits, Window
from gradlab.run import Run

Array = np.ndarray

WINDOW = 50  # iterations: long enough that one bad batch decides nothing, short against a training
NOT_LEARNED = 0.95  # of the best constant predictor's loss
FINISHED = 0.01  # of that loss: what is left to learn no longer shows in float32's updates


def windows(length: int, size: int = WINDOW, times: Array | None = None) -> list[Window]:
    """Cut the rows [0, length) into windows of `size`, half overlapping; a shorter span is one
    window, none is none.

    `times`: the iterations of the rows (`Run.times`); no window reaches over a gap in them.
    """
    edges = [0, *(gaps(times[:length]) + 1).tolist(), length] if times is not None else [0, length]
    return [window for start, stop in pairwise(edges) for window in _cut(start, stop, size)]


def _cut(start: int, stop: int, size: int) -> list[Window]:
    if stop - start <= size:
        return [Window(start, stop)] if stop > start else []
    starts = [*range(start, stop - size, size // 2), stop - size]
    return [Window(each, each + size) for each in starts]


def gaps(times: Array) -> Array:
    """Return the rows after which iterations are missing: none in a whole run, some in a part of a
    long one.
    """
    return np.flatnonzero(np.diff(times) != 1)


def elapsed(run: Run, rows: int) -> int:
    """How many iterations passed by the end of so many rows."""
    return int(run.times[rows - 1]) + 1 if rows else 0


def finite_prefix(run: Run) -> Array:
    """Return how many iterations of each seed pass before its first NaN or infinity (S,)."""
    return np.where(broken(run).any(axis=0), broken(run).argmax(axis=0), run.iterations)


def broken(run: Run) -> Array:
    """Where an iteration of a replicate holds a NaN or an infinity, in the loss or in any recorded
    number (T, S).
    """
    return run.nonfinite


def losses(run: Run) -> Array:
    """Return the batch losses (T, S); where none was recorded, the one before it, or the first one
    after.

    NaN that was recorded stays NaN; a run without any loss has NaN throughout.
    """
    loss, recorded = run.step("loss"), run.step_recorded("loss")
    if recorded.all() or not recorded.any():
        return loss
    rows = np.where(recorded, np.arange(len(loss))[:, None], -1)
    rows = np.maximum.accumulate(rows, axis=0)
    rows = np.where(rows < 0, recorded.argmax(axis=0), rows)
    return np.take_along_axis(loss, rows, axis=0)


def learning(run: Run) -> Array | None:
    """Return each replicate's loss, as a share of the best constant predictor's (S,); None where
    that is unknown.

    The median of the last 50 finite batch losses over `config["baseline_loss"]`: 1 = no better than
    predicting the class frequencies (the mean target) whatever the input. Infinite for a replicate
    that ended in NaN."""
    baseline = run.config.get("baseline_loss")
    if not baseline or run.iterations == 0 or not run.step_recorded("loss").any():
        return None
    return final_loss(run) / baseline


def final_loss(run: Run) -> Array:
    """Return each replicate's median loss over the last 50 iterations (S,).

    Infinite where it ended in NaN.
    """
    loss, prefix = losses(run), finite_prefix(run)
    last = [
        np.median(loss[max(0, n - WINDOW) : n, k]) if n else np.inf for k, n in enumerate(prefix)
    ]
    return np.where(prefix < run.iterations, np.inf, last)


def elasticity(run: Run, least: Array | float = 0.0) -> Array:
    """e_l = p_l ||W_l|| / |loss| (T, S, L): per cent of the loss by per cent of a layer; infinite
    at a loss of 0.

    `least`: what ||W_l|| counts as where it is smaller.
    """
    loss = np.abs(losses(run))[:, :, None]
    with np.errstate(all="ignore"):
        return np.where(
            loss > 0,
            run["per_example_grad_norm"] * np.maximum(run["weight_norm"], least) / loss,
            np.inf,
        )


def starting_loss(run: Run) -> Array:
    """Return what a replicate's loss is measured against (S,): the best constant predictor's, else
    its own first.
    """
    baseline = run.config.get("baseline_loss")
    first = np.abs(losses(run)[0])
    return (
        np.full_like(first, baseline) if baseline else np.where(np.isfinite(first), first, np.inf)
    )


def unfinished(run: Run) -> Array:
    """Where an iteration of a replicate still has something to learn (T, S): its loss is above 1 %
    of the start's.

    A median over 11 iterations, so that one lucky batch ends nothing.
    """
    loss = np.abs(losses(run))
    padded = np.pad(loss, ((5, 5), (0, 0)), mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, 11, axis=0), axis=-1)
    return ~(smooth <= FINISHED * starting_loss(run))


@dataclass(frozen=True)
class Verdict:
    """What `worst_window` found: medians (S, L) of the worst window, who is hit, how badly, against
    which limit.

    `since`: the window that reports name, from the start of the first window that was hit.
    """

    values: Array
    window: Window
    hits: Hits
    severity: str
    limit: float
    since: Window

    @property
    def worst(self) -> tuple[int, float]:
        """The layer, from 1, that is worst in the hit replicates, and its median over them."""
        median = nanmedian(np.where(self.hits.mask, self.values, np.nan)[self.hits.which])
        layer = int(np.nanargmax(median))
        return layer + 1, float(median[layer])

    @property
    def layers(self) -> tuple[int, ...]:
        """Those hit in most of the hit replicates, or the worst one."""
        return self.hits.layers or (self.worst[0],)


def worst_window(
    run: Run,
    values: Array,
    warn: float,
    alarm: float,
    *,
    last: bool = False,
    size: int = WINDOW,
    mean: bool = False,
) -> Verdict | None:
    """Find the window of finite iterations whose medians of `values` (T, S, L) are worst: above
    `alarm`, or `warn`.

    An error where at least half of the replicates are above `alarm`, or above `warn` without having
    learned anything; else a warning. NaN entries are not judged. `last`: each replicate's last
    window only; `size`: of a window; `mean`: means, not medians."""
    prefix = finite_prefix(run)
    end = int(prefix.max())
    spans = windows(end, size, run.times)
    if last and end:
        spans = [*spans, Window(max(0, end - size), end)]
    best: tuple[tuple[int, int, float], Array, Window] | None = None
    since: int | None = None
    for window in spans:
        median = _median_of(values, window, prefix, mean=mean, cut=last)
        known = np.nan_to_num(median, nan=-np.inf)
        score = (
            int((known > alarm).any(axis=1).sum()),
            int((known > warn).any(axis=1).sum()),
            float(known.max()),
        )
        if last or best is None or score > best[0]:
            best = score, median, window
        if score[1] == 0 and last:
            since = None  # it recovered
        elif score[1] and since is None:
            since = window.start
    if best is None or best[0][1] == 0 or since is None:
        return None
    return _verdict(run, best[1], best[2], since, warn, alarm)


def _median_of(values: Array, window: Window, prefix: Array, *, mean: bool, cut: bool) -> Array:
    """Return the medians (S, L) of a window.

    NaN for a replicate that ended before it, or (not `cut`) within it.
    """
    part = values[window.start : window.stop].copy()
    for k, stop in enumerate(prefix):
        part[max(0, int(stop) - window.start) :, k] = np.nan
    median = nanmedian(part, mean=mean)
    median[prefix <= window.start if cut else prefix < window.stop] = np.nan
    return median


def _verdict(
    run: Run, median: Array, window: Window, since: int, warn: float, alarm: float
) -> Verdict:
    known = np.nan_to_num(median, nan=-np.inf)
    loud, seen = Hits(known > alarm), Hits(known > warn)
    whole = Window(since, window.stop)
    if loud.which and loud.severity == ERROR:
        return Verdict(median, window, loud, ERROR, alarm, whole)
    share = learning(run)
    stuck = share is not None and 2 * (share[seen.which] >= NOT_LEARNED).sum() >= len(median)
    return Verdict(median, window, seen, ERROR if stuck else WARNING, warn, whole)


def nanmedian(values: Array, *, mean: bool = False) -> Array:
    """Median (or mean) over the first axis without the NaNs; NaN where there is nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # "All-NaN slice": that is the NaN we return
        return np.nanmean(values, axis=0) if mean else np.nanmedian(values, axis=0)


def explosive_severity(run: Run, hits: Hits) -> str:
    """What ends in NaN is an error in one replicate already, as every non-finite number is."""
    return ERROR if (finite_prefix(run)[hits.which] < run.iterations).any() else hits.severity


def median_ranks(values: Array) -> Array:
    """Return where the median of numbers stands: at the middle one, or at the two in the middle,
    whose mean it is.

    NaN has no rank.
    """
    order, count = np.argsort(values), int((~np.isnan(values)).sum())  # NaN comes last
    return np.unique(order[[(count - 1) // 2, count // 2]])
