"""What the pictures are drawn from.

A Run's numbers over seeds, thinned without losing what matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.diagnosis import expectation
from gradlab.rules.windows import median_ranks
from gradlab.run import BLOCK_GAIN, LOG_GAINS, Run

Array = np.ndarray

RECORDED_IN_FULL = (
    "activation_mean",
    "dead_fraction",
    "grad_max",
)  # one of them tells when the costly ones are there
TRAVELS_BACK = (
    "delta_norm",
    "grad_norm",
    "grad_max",
    "per_example_grad_norm",
    *LOG_GAINS,
    BLOCK_GAIN,
)
TERMS = dict(zip(("weight", "alignment", "slope", "slope_alignment"), LOG_GAINS, strict=True))


@dataclass(frozen=True)
class Band:
    """Median, smallest and largest finite value over seeds, and how many seeds hold none.

    Attributes
    ----------
    median, low, high : ndarray
        NaN where no seed has a finite value.
    broken : ndarray of int
        Seeds that hold NaN or an infinity.
    """

    median: Array
    low: Array
    high: Array
    broken: Array


def over_seeds(values: Array, recorded: Array, axis: int) -> Band:
    """Reduce the seed axis; what was not recorded counts neither as a value nor as broken."""
    finite = np.isfinite(values) & recorded
    ordered = np.sort(np.where(finite, values, np.nan), axis=axis)  # NaN comes last
    count = finite.sum(axis=axis, keepdims=True)

    def ranked(rank: Array) -> Array:
        return np.take_along_axis(ordered, np.maximum(rank, 0), axis=axis).squeeze(axis)

    median = 0.5 * ranked((count - 1) // 2) + 0.5 * ranked(count // 2)
    return Band(median, ranked(0 * count), ranked(count - 1), (recorded & ~finite).sum(axis=axis))


def layer_band(run: Run, column: str, iteration: int) -> Band:
    """Return a statistic by layer at one iteration, over seeds (L,)."""
    row = row_of(run, iteration)
    return over_seeds(run[column][row], run.recorded(column)[row], axis=0)


def row_of(run: Run, iteration: int) -> int:
    """Return the row that holds an iteration.

    Another number in a part of a long run (`Run.condensed`).
    """
    return int(np.searchsorted(run.times, iteration))


def recorded_iterations(run: Run, column: str) -> Array:
    """Return the iterations at which a statistic was recorded in any seed and layer."""
    return run.times[run.recorded(column).any(axis=(1, 2))]


def last_finite(run: Run) -> int:
    """Return the last iteration at which half of the seeds are finite; 0 if there is none."""
    fine = np.isfinite(run.step("loss")) | ~run.step_recorded("loss")
    if "delta_norm" in run:
        fine &= (np.isfinite(run["delta_norm"]) | ~run.recorded("delta_norm")).all(axis=2)
    half = np.flatnonzero(2 * fine.sum(axis=1) >= run.replicates)
    return int(run.times[half[-1]]) if len(half) else 0


def first_broken(run: Run, column: str) -> tuple[int, int, int] | None:
    """Return (iteration, seed, layer from 1) of the first NaN or infinity recorded in a column.

    Within the iteration it is the layer that was computed first: the last one of a signal that
    travels back, else the one nearest the input. None where every recorded number is finite.
    """
    bad = run.recorded(column) & ~np.isfinite(run[column])
    if not bad.any():
        return None
    row = int(bad.any(axis=(1, 2)).argmax())
    where = np.flatnonzero(bad[row].any(axis=0))
    layer = int(where[-1] if column in TRAVELS_BACK else where[0])
    return int(run.times[row]), int(bad[row, :, layer].argmax()), layer + 1


def extremes(run: Run, column: str) -> tuple[int, ...]:
    """Return the iterations that hold the largest and the smallest finite number of a column.

    Its spikes.
    """
    known = np.where(run.recorded(column) & np.isfinite(run[column]), run[column], np.nan)
    if np.isnan(known).all():
        return ()
    per_row = known.reshape(len(known), -1)
    return tuple(
        int(run.times[int(k) // per_row.shape[1]])
        for k in (np.nanargmax(per_row), np.nanargmin(per_row))
    )


def relative_decades(run: Run, iteration: int = 0) -> Array:
    """Return log10 ||delta_l|| / ||delta_L|| by layer (L,), the median over the seeds.

    Seeds where one of the two is not above 0 are left out.

    L is the last layer whose signal was recorded: not every layer of a framework shows one.
    As a difference of logarithms: 1e300 over 1e-300 is 600 decades, and no float.
    """
    row, recorded = row_of(run, iteration), run.recorded("delta_norm")
    last = int(np.flatnonzero(recorded[row].any(axis=0))[-1]) if recorded[row].any() else -1
    with np.errstate(all="ignore"):
        logs = np.log10(run["delta_norm"][row])
        fall = logs - logs[:, [last]]
    return over_seeds(fall, recorded[row], axis=0).median


def sample(available: Array, limit: int, keep: tuple[int, ...] = ()) -> Array:
    """Choose at most `limit` iterations, evenly, with the first, the last and those of `keep`."""
    if len(available) <= limit:
        return available
    must = {int(available[0]), int(available[-1]), *(k for k in keep if k in available)}
    spread = (
        np.linspace(0, len(available) - 1, max(limit - len(must), 0) + 2).round().astype(int)[1:-1]
    )
    return np.array(sorted(must | {int(available[k]) for k in spread}))


def early_sample(last: int, limit: int) -> Array:
    """Choose at most `limit` iterations from 0 to `last`, denser at the start."""
    if last < limit:
        return np.arange(last + 1)
    return np.unique(np.concatenate([[0], np.geomspace(1, last, limit - 1).round()]).astype(int))


def moments(run: Run, limit: int, keep: Sequence[int] = ()) -> list[int]:
    """Choose about `limit` iterations of a replay.

    Those of `keep`, others denser at the start, up to the last finite.

    Where costly statistics are recorded less often, moments at which they are.
    """
    last = last_finite(run)
    chosen = early_sample(last, limit)
    known = next(
        (recorded_iterations(run, name) for name in RECORDED_IN_FULL if name in run), run.times
    )
    known = known[known <= last]
    if len(known):
        after = np.searchsorted(known, chosen).clip(max=len(known) - 1)
        before = (after - 1).clip(min=0)
        nearer = np.abs(known[before] - chosen) < np.abs(known[after] - chosen)
        chosen = np.where(nearer, known[before], known[after])
    return sorted({*chosen.tolist(), 0, last, *(t for t in keep if 0 <= t <= last)})


def thin(lines: list[Array], limit: int) -> Array:
    """Choose at most `limit` positions of lines such that spikes, gaps and both ends stay.

    Returns
    -------
    ndarray of int, ascending
    """
    from tsdownsample import NaNMinMaxLTTBDownsampler

    length = len(lines[0])
    if length <= limit:
        return np.arange(length)
    each = max(4, limit // len(lines) - 2)
    chosen: set[int] = {0, length - 1}
    for line in lines:
        clean = np.where(np.isfinite(line), line, np.nan).astype(np.float64)
        if np.isnan(clean).all():
            continue
        chosen.update(int(k) for k in NaNMinMaxLTTBDownsampler().downsample(clean, n_out=each))
        chosen.update(_edges(clean)[:2])
    return np.array(sorted(chosen))


def _edges(line: Array) -> list[int]:
    """Return the first NaN and the last number before it, where there is one."""
    missing = np.isnan(line)
    if not missing.any():
        return []
    first = int(missing.argmax())
    return [first, max(first - 1, 0)]


@dataclass(frozen=True)
class Factors:
    """The backward signal as a product over steps, at one iteration, of the seed in the middle.

    Attributes
    ----------
    steps : ndarray of int
        The lower layer l of each step from l + 1 to l, in the order the signal travels: L-1 .. 1.
    terms : dict of str to ndarray
        Natural logarithm of each factor of a step: weight, alignment, slope, slope_alignment, and
        block where the net has skip connections, a norm or dropout.
    total : ndarray
        Their sum, ln ||delta_l|| / ||delta_{l+1}||; -inf where nothing passes.
    """

    steps: Array
    terms: dict[str, Array]
    total: Array


def factors(run: Run, iteration: int) -> Factors | None:
    """Split the way back into its steps; None where the run does not hold the terms.

    Of the seeds that are finite all the way, it is the one whose product is the median (of an even
    number, the geometric mean of the two in the middle): so the factors multiply to exactly what
    every other picture shows.
    """
    length = run.shape[2]
    if run.iterations == 0 or length < 2 or any(name not in run for name in TERMS.values()):
        return None
    names = {**TERMS, "block": BLOCK_GAIN} if BLOCK_GAIN in run else TERMS
    part = np.s_[row_of(run, iteration), :, : length - 1]
    known = {term: run.recorded(name)[part] for term, name in names.items()}
    # A step through blocks alone has one term, one along a chain has four: what is not recorded
    # adds nothing.
    raw = {term: np.where(known[term], run[name][part], 0.0) for term, name in names.items()}
    whole = np.all([np.isfinite(value).all(axis=1) for value in raw.values()], axis=0)
    whole &= np.any(list(known.values()), axis=0).all(axis=1)
    if whole.any():
        middle = median_ranks(np.sum(list(raw.values()), axis=0).sum(axis=1)[whole])
        terms = {term: value[whole][middle].mean(axis=0)[::-1] for term, value in raw.items()}
        return Factors(np.arange(length - 1, 0, -1), terms, np.sum(list(terms.values()), axis=0))
    return None


@dataclass(frozen=True)
class Predicted:
    """Theory at initialization.

    ||delta_l|| / ||delta_L|| by layer (L,), and the ends of its finite-width band.
    """

    ratio: Array
    low: Array
    high: Array

    def scaled(self, norm: float) -> Predicted:
        """Return it relative to a norm that was measured at the last layer."""
        return Predicted(self.ratio * norm, self.low * norm, self.high * norm)


def prediction(run: Run) -> Predicted | None:
    """Ask `gradlab.theory` what this run's configuration should have given.

    None where it does not say enough.
    """
    found = expectation.expected(run)
    if found is None:
        return None
    with np.errstate(all="ignore"):
        return Predicted(np.exp(found.log_delta_ratio), np.exp(found.lower), np.exp(found.upper))
