"""What rules look at: windows of finite iterations, the loss in them, and the worst window."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gradlab.rules.base import Hits, Window
from gradlab.rules.config_numbers import config_number
from gradlab.run import Run

Array = np.ndarray

WINDOW = 50  # iterations: long enough that one bad batch decides nothing, short against a training
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


def starting_loss(run: Run) -> Array:
    """Return what a replicate's loss is measured against (S,): the best constant predictor's, else
    its own first.
    """
    baseline = config_number(run, "baseline_loss", 0.0)
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
    """What `worst_window` found.

    Attributes
    ----------
    values : ndarray (S, L)
        Medians of the worst window.
    window : Window
        The worst window.
    hits : Hits
        Which layers of which seeds are above `limit` in it.
    limit : float
    since : Window
        From the first measurement above the limit, in the first window that was hit, on.
    """

    values: Array
    window: Window
    hits: Hits
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
    """Find the window of finite iterations whose medians of `values` (T, S, L) are worst.

    Parameters
    ----------
    values : ndarray (T, S, L)
        NaN entries are not judged.
    warn, alarm : float
        A window above `alarm` in more seeds is worse, then one above `warn` in more seeds, then
        the one with the largest median.
    last : bool
        Only each seed's last window: what has recovered is not found.
    size : int
        Rows of a window.
    mean : bool
        Means instead of medians.
    """
    prefix = finite_prefix(run)
    end = int(prefix.max())
    spans = windows(end, size, run.times)
    if last and end:
        spans = [*spans, Window(max(0, end - size), end)]
    best: tuple[tuple[int, int, float], Array, Window] | None = None
    since: Window | None = None
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
            since = window
    if best is None or best[0][1] == 0 or since is None:
        return None
    known = np.nan_to_num(best[1], nan=-np.inf)
    loud, seen = Hits(known > alarm), Hits(known > warn)
    hits, limit = (loud, alarm) if 2 * len(loud.which) >= len(known) else (seen, warn)
    first = _first_above(values, since, hits, warn)
    return Verdict(best[1], best[2], hits, limit, Window(first, max(best[2].stop, first + 1)))


def _first_above(values: Array, window: Window, hits: Hits, limit: float) -> int:
    """Return the first row of a window at which something hit was measured above a limit."""
    part = values[window.start : window.stop]
    with np.errstate(invalid="ignore"):
        above = ((part > limit) & hits.mask).any(axis=(1, 2))
    return window.start + (int(above.argmax()) if above.any() else 0)


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


def nanmedian(values: Array, *, mean: bool = False) -> Array:
    """Median (or mean) over the first axis without the NaNs; NaN where there is nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # "All-NaN slice": that is the NaN we return
        return np.nanmean(values, axis=0) if mean else _middle(np.asarray(values))


def _middle(values: Array) -> Array:
    """Return `np.nanmedian(values, axis=0)`, in a third of the time: it sorts once, unmasked."""
    if not len(values):
        return np.full(values.shape[1:], np.nan)[()]
    rows = np.sort(values.reshape(len(values), -1), axis=0)  # NaN comes last
    count = (~np.isnan(rows)).sum(axis=0)
    places = np.arange(rows.shape[1])
    low, high = rows[np.maximum(count - 1, 0) // 2, places], rows[count // 2 % len(rows), places]
    with np.errstate(all="ignore"):
        middle = np.where(low == high, low, (low + high) / 2)
    return middle.reshape(values.shape[1:])[()]


def median_ranks(values: Array) -> Array:
    """Return where the median of numbers stands: at the middle one, or at the two in the middle,
    whose mean it is.

    NaN has no rank.
    """
    order, count = np.argsort(values), int((~np.isnan(values)).sum())  # NaN comes last
    return np.unique(order[[(count - 1) // 2, count // 2]])
