"""How much of the gradient a layer gets, and how far its weights went."""

from __future__ import annotations

import numpy as np

from gradlab.rules.windows import elapsed, nanmedian
from gradlab.run import Run

Array = np.ndarray

# Share of their own length that the weights of the busiest layer must have travelled before a net
# can be said to be unable to learn: below it, it was not given the steps.
HARDLY_MOVED = 0.05
ALONG = 0.9  # cosine of gradient and weights: 1 of a penalty alone, 1/sqrt(n) of the data's
LOOKUP = "embedding"  # the kind of a table of vectors


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


def delta_growth(part: Run) -> Array:
    """Return ln ||delta_l|| over that of the last layer at iteration 0 (S, L); -inf if unknown."""
    delta, recorded = part["delta_norm"][0], part.recorded("delta_norm")[0]
    last = (
        recorded.shape[1] - 1 - recorded[:, ::-1].argmax(axis=1)
    )  # not every layer of a framework shows its delta
    with np.errstate(all="ignore"):
        # As logarithms: 1e300 over 1e-300 is no float.
        growth = np.log(delta) - np.log(np.take_along_axis(delta, last[:, None], axis=1))
    growth[np.isnan(growth) | ~recorded] = -np.inf
    growth[~(np.isfinite(delta) | ~recorded).all(axis=1)] = -np.inf  # GL001's matter
    return growth


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


def along_weights(run: Run, seed: int, stop: int) -> bool:
    """Whether half of a seed's gradients point along their weights, as a penalty's do: what makes
    the loss small then is no task that goes against the criterion.
    """
    if "grad_weight_cosine" not in run:
        return False
    known = run["grad_weight_cosine"][:stop, seed]
    seen = np.flatnonzero(np.isfinite(known).any(axis=1))
    if not len(seen):
        return False
    last = known[seen[-1]]
    return bool(np.median(last[np.isfinite(last)]) > ALONG)
