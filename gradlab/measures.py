"""Every statistic, defined once: array -> number.

Arrays are (..., rows, columns): (..., fan_in, fan_out) for weights, (..., B, n) for signals. Each
function reduces the last two axes, so that leading axes (layers of one shape, replicates) are
measured in one call. Results are float64, and exact where a square of the array's own dtype would
underflow or overflow (`gradlab.sums`).
"""

from __future__ import annotations

import numpy as np

from gradlab.sums import products, roots, safe_range, scaled, where_unsafe

Array = np.ndarray

SATURATED_BELOW = 0.01  # of the largest possible slope
LOWEST_EXPONENT, HIGHEST_EXPONENT = -149, 127  # of float32's smallest and largest powers of two
BINS = HIGHEST_EXPONENT - LOWEST_EXPONENT + 2  # those powers, and zero before them


def _flatten(x: Array) -> Array:
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


def norm(x: Array) -> Array:
    """Frobenius norm over the last two axes; inf or NaN only where an entry is."""
    flat = _flatten(x)
    return roots(np.asarray(np.vecdot(flat, flat)), flat)


def rms(x: Array) -> Array:
    """Root mean square of all entries."""
    return norm(x) / np.sqrt(x.shape[-1] * x.shape[-2])


def of_update(
    gradient: Array, before: Array, after: Array, update: Array
) -> tuple[Array, Array, Array, Array]:
    """Write after - before into `update`; return three norms and <gradient, update>.

    The norms are those of gradient, before and update.

    All arrays are (layers, ..., fan_in, fan_out).
    """
    np.subtract(after, before, out=update)
    return norm(gradient), norm(before), norm(update), inner(gradient, update)


def row_norms(x: Array) -> tuple[Array, Array]:
    """Return the norm of each row (..., rows) and the Frobenius norm (...) they make up."""
    squares = np.vecdot(x, x)
    total = squares.sum(axis=-1, dtype=np.float64)
    rows, norms = np.sqrt(squares, dtype=np.float64), np.asarray(np.sqrt(total))
    unsafe = where_unsafe(total, x.dtype)
    if unsafe is not None:
        shrunk, scale = scaled(x[unsafe], axis=(-2, -1))
        squares = np.vecdot(shrunk, shrunk)
        rows[unsafe] = np.sqrt(squares) * scale[..., 0]
        norms[unsafe] = np.sqrt(squares.sum(axis=-1)) * scale[..., 0, 0]
    return rows, norms


def inner(x: Array, y: Array) -> Array:
    """<x, y> summed over the last two axes."""
    x, y = _flatten(x), _flatten(y)
    return products(np.vecdot(x, y), x, y)


def total_norm(norms: Array) -> Array:
    """The norm of a whole from those of its parts (..., parts), without overflow."""
    scale = np.abs(norms).max(axis=-1, keepdims=True, initial=0)
    safe = np.where(np.isfinite(scale) & (scale > 0), scale, 1)
    return np.sqrt(np.square(norms / safe).sum(axis=-1)) * safe[..., 0]


def cosine(x: Array, y: Array, x_norm: Array, y_norm: Array) -> Array:
    """<x, y> / (|x| |y|), NaN where a norm is 0.

    Tiny updates, whose product would underflow, are scaled first.
    """
    x, y, x_norm, y_norm = _flatten(x), _flatten(y), np.asarray(x_norm), np.asarray(y_norm)
    scale = x_norm * y_norm
    with np.errstate(invalid="ignore", divide="ignore"):
        result = np.asarray(np.vecdot(x, y) / scale)
        unsafe = where_unsafe(scale, x.dtype)
        if unsafe is not None:
            unit_x, unit_y = (
                x[unsafe] / x_norm[unsafe][..., None],
                y[unsafe] / y_norm[unsafe][..., None],
            )
            result[unsafe] = np.vecdot(unit_x, unit_y)
    return result


def largest(x: Array) -> Array:
    """Largest absolute entry; NaN where an entry is NaN."""
    return np.maximum(x.max(axis=(-2, -1)), -x.min(axis=(-2, -1))).astype(np.float64)


def mean(x: Array) -> Array:
    """Mean of all entries, summed once more in float64 where their own dtype overflows."""
    flat = _flatten(x)
    result = np.asarray(flat.mean(axis=-1), np.float64)
    overflown = ~np.isfinite(result)
    if overflown.any():
        result[overflown] = flat[overflown].mean(axis=-1, dtype=np.float64)
    return result


def deviation(x: Array, centre: Array | None = None) -> Array:
    """Standard deviation of all entries, about `centre`: `mean(x)`, where that is known already."""
    centre = mean(x) if centre is None else centre
    centred = x - centre[..., None, None].astype(x.dtype)
    return norm(centred) / np.sqrt(x.shape[-1] * x.shape[-2])


def _share(hits: Array) -> Array:
    """Share of True entries over the last two axes.

    Counted one matrix at a time, which takes a tenth of the time of a mean.
    """
    rows = hits.reshape(-1, hits.shape[-2] * hits.shape[-1])
    counts = np.array([np.count_nonzero(row) for row in rows])
    return counts.reshape(hits.shape[:-2]) / rows.shape[1]


def dead_fraction(slope: Array) -> Array:
    """Share of units (columns) whose slope phi' is 0 on every example of the batch."""
    zero = slope == 0
    if not zero.any():
        return np.zeros(slope.shape[:-2])
    return zero.all(axis=-2).mean(axis=-1)


def saturated_fraction(slope: Array, bound: float | Array) -> Array:
    """Share of entries with |phi'| below 1 % of `bound`, the activation's largest slope."""
    limit = SATURATED_BELOW * np.asarray(bound)
    return _share(np.abs(slope) < limit.astype(slope.dtype))


def unit_similarity(weight: Array) -> Array:
    """Largest cosine between two units' incoming weights (columns); 1 = they are alike.

    Two units whose weights are all 0 are identical: their cosine counts as 1. NaN for a layer of
    one unit.
    """
    n = weight.shape[-1]
    if n < 2:
        return np.full(weight.shape[:-2], np.nan)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        squares = np.add.reduce(np.square(weight), axis=-2, keepdims=True)
    low, high = safe_range(weight.dtype)
    if squares.min() > low and squares.max() < high:
        gram = _gram(weight / np.sqrt(squares))
    else:
        gram = _gram_of_extremes(weight)
    gram[..., np.arange(n), np.arange(n)] = -np.inf
    return _flatten(gram).max(axis=-1).astype(np.float64)


def _gram(units: Array) -> Array:
    """Cosines of the columns of `units`, each of length 1."""
    # A copy, or a routine made for large matrices takes over.
    return units.swapaxes(-1, -2) @ units.copy()


def _gram_of_extremes(weight: Array) -> Array:
    """Cosines of columns some of which are 0, or too small or large to be squared."""
    largest_entry = np.abs(weight).max(axis=-2, keepdims=True)
    zero = largest_entry == 0
    units = weight / np.where(
        zero, 1, largest_entry
    )  # entries up to 1: their squares neither over- nor underflow
    units /= np.sqrt(np.square(units).sum(axis=-2, keepdims=True)) + zero
    gram = _gram(units)
    gram[zero & zero.swapaxes(-1, -2)] = 1
    return gram


def power_histogram(x: Array) -> Array:
    """Count the entries by powers of two, (..., BINS): zeros, then 2^k <= |x| < 2^(k+1).

    The first and the last power take what is smaller and larger; NaN and infinity are not counted.
    """
    flat = _flatten(x)
    rows = flat.reshape(-1, flat.shape[-1])
    _, exponent = np.frexp(rows)  # |x| = m 2^e with 1/2 <= m < 1
    bins = (
        np.clip(exponent.astype(np.int64) - 1, LOWEST_EXPONENT, HIGHEST_EXPONENT)
        - LOWEST_EXPONENT
        + 1
    )
    bins[rows == 0] = 0
    finite = np.isfinite(rows)
    counts = [
        np.bincount(each[known], minlength=BINS) for each, known in zip(bins, finite, strict=True)
    ]
    return np.array(counts, np.int64).reshape(*flat.shape[:-1], BINS)


def lost_fraction(update: Array, gradient: Array) -> Array:
    """Share of the entries with a gradient whose weight did not change: cast(w + dw) == w."""
    wanted = gradient != 0
    lost = _share((update == 0) & wanted)
    if not np.any(lost):
        return lost
    return lost / np.where(lost > 0, _share(wanted), 1)  # of those with a gradient, not of all


def nonfinite_count(x: Array) -> Array:
    """How many entries are NaN or infinite."""
    return x.size // max(1, int(np.prod(x.shape[:-2]))) - np.isfinite(x).sum(axis=(-2, -1))


def log_gains(
    weight_norm: Array, fan_out: Array, back: Array, slope: Array, upper: Array, lower: Array
):
    """Split the step from delta_{l+1} to delta_l into its four exact terms.

    Parameters
    ----------
    weight_norm, fan_out : ndarray
        ||W_{l+1}||_F and the columns of W_{l+1}.
    back : ndarray
        ||u||, u = delta_{l+1} W_{l+1}^T.
    slope : ndarray
        rms of phi'(z_l).
    upper, lower : ndarray
        ||delta_{l+1}|| and ||delta_l||.

    Returns
    -------
    dict of str to ndarray
        `log_gain_weight` A = ln(||W|| / sqrt(fan_out)), `log_gain_alignment` B = ln(||u|| /
        ||delta_{l+1}||) - A, `log_gain_slope` C = ln rms phi', `log_gain_slope_alignment` D =
        ln(||delta_l|| / ||u||) - C; their sum is ln(||delta_l|| / ||delta_{l+1}||). NaN where a
        factor is 0 or not finite: its logarithm is not a number to add.
    """
    with np.errstate(all="ignore"):
        weight = np.log(weight_norm) - 0.5 * np.log(fan_out)
        slope = np.log(slope)
        terms = {
            "log_gain_weight": weight,
            "log_gain_alignment": np.log(back) - np.log(upper) - weight,
            "log_gain_slope": slope,
            "log_gain_slope_alignment": np.log(lower) - np.log(back) - slope,
        }
        defined = np.isfinite(sum(terms.values()))
    return {name: np.where(defined, term, np.nan) for name, term in terms.items()}
