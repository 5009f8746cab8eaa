"""Why the backward signal shrinks or grows: its logarithm, split exactly into four terms and summed
over layers.

ln ||delta_l|| / ||delta_L||  =  sum over rows l .. L-1 of  A + B + C + D        (see
gradlab.measures.log_gains)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradlab import activations
from gradlab.rules.base import Window
from gradlab.rules.windows import median_ranks, nanmedian
from gradlab.rules.wording import number
from gradlab.run import BLOCK_GAIN, LOG_GAINS, Run

TERMS = {
    "weight": "log_gain_weight",
    "alignment": "log_gain_alignment",
    "slope": "log_gain_slope",
    "slope_alignment": "log_gain_slope_alignment",
}
assert tuple(TERMS.values()) == LOG_GAINS
WORDS = {
    "weight": "the scale of the weights",
    "alignment": "how the weights are aligned with the signal",
    "slope": "the slope of the activation",
    "slope_alignment": "how the slopes are aligned with the signal",
    "block": "what stands between the layers (skip connections, a norm, dropout)",
}
NAMES = {
    "weight": "weight scale",
    "alignment": "weight alignment",
    "slope": "slope",
    "slope_alignment": "slope alignment",
    "block": "blocks",
}
HARMLESS = np.log(10)  # a total within a factor of 10 explains no pathology


def explain(
    run: Run, layers: Sequence[int], which: Sequence[int], window: Window, *, grows: bool
) -> dict[str, Any] | None:
    """Split the signal's way from the last layer to the lowest of `layers` into four summed terms,
    and that of blocks.

    Parameters
    ----------
    layers : sequence of int
        The layers named, from 1; none or only the last means all.
    which : sequence of int
        The replicates hit: the middle one speaks for them (of an even number, the mean of the two
        in the middle).
    window : Window
        The median over these iterations is taken (one iteration: that one).
    grows : bool
        Whether the pathology is growth: `dominant` is then the most positive term, else the most
        negative.

    Returns
    -------
    dict or None
        `log_gain`, `dominant` and `sentence`; None where the run does not hold the terms.
    """
    run = run.condensed() if window.stop == 1 else run  # iteration 0 is in every part of a long run
    total_layers = run.shape[2]
    lowest = min(layers, default=1)
    if lowest >= total_layers:
        lowest = 1
    if total_layers < 2 or any(name not in run for name in TERMS.values()):
        return None
    part = np.s_[window.start : window.stop, list(which), lowest - 1 : total_layers - 1]
    terms = {**TERMS, "block": BLOCK_GAIN} if BLOCK_GAIN in run else TERMS
    defined = np.isfinite(run[LOG_GAINS[0]][part])
    some = defined.any(axis=2)  # the iterations at which they were measured
    if not some.any(axis=0).any():
        return None
    if BLOCK_GAIN in run:
        defined = defined | np.isfinite(run[BLOCK_GAIN][part])
    with np.errstate(all="ignore"):
        sums = {
            term: np.where(some, np.nansum(run[name][part], axis=2), np.nan)
            for term, name in terms.items()
        }
        medians = {term: nanmedian(value) for term, value in sums.items()}
        middle = median_ranks(np.sum(list(medians.values()), axis=0))
        gain = {term: float(np.mean(value[middle])) for term, value in medians.items()}
    dominant = (
        max(gain, key=lambda term: gain[term]) if grows else min(gain, key=lambda term: gain[term])
    )
    complete = bool(defined[some].all())
    sentence = _cut_off(run, window, which, lowest, total_layers) or _sentence(
        run, gain, dominant, lowest, total_layers, grows, complete
    )
    return {"log_gain": gain, "dominant": dominant, "sentence": sentence}


def carried_past(gain: Mapping[str, float]) -> bool:
    """Whether what stands between the layers undoes what their weights and slopes do: skip
    connections, or norms.
    """
    block, rest = (
        gain.get("block", 0.0),
        sum(value for term, value in gain.items() if term != "block"),
    )
    return block * rest < 0 and abs(block) > max(HARMLESS, abs(rest) / 2)


def beyond_weights(run: Run) -> np.ndarray:
    """Return ln of what the signal has gained by another way than through the layers' weights
    (S, L), from the last layer back to each, at iteration 0.

    ||W d|| <= ||W||_F ||d||, so that B <= ln sqrt(fan_out). What is above it came another way: a
    derivative of the net is part of the loss, or a layer is used twice. Of plain matrices alone; a
    convolution's bound has the size of its kernel in it.
    """
    total = np.zeros(run.shape[1:])
    if "log_gain_alignment" not in run:
        return total
    alignment = run["log_gain_alignment"][0]
    bound = np.full(run.shape[2], np.inf)  # row l holds the matrix of layer l + 1
    plain = run.layer("kind")[1:] == "Linear"
    bound[:-1][plain] = np.log(run.layer("fan_out")[1:][plain].astype(float)) / 2
    with np.errstate(all="ignore"):
        excess = np.nan_to_num(np.maximum(alignment - bound, 0.0), nan=0.0, neginf=0.0, posinf=0.0)
    total[:] = np.cumsum(excess[:, ::-1], axis=1)[:, ::-1]
    return total


def _cut_off(run: Run, window: Window, which: Sequence[int], lowest: int, last: int) -> str | None:
    """Say where the signal ends, if the lowest layer gets none at all while the last one does."""
    part = np.s_[window.start : window.stop, list(which)]
    delta = np.where(run.recorded("delta_norm")[part], run["delta_norm"][part], np.nan)
    zero = nanmedian(delta.reshape(-1, last)) == 0
    if not zero[lowest - 1] or zero[last - 1]:
        return None
    alive = lowest + int(np.argmin(zero[lowest - 1 :]))
    return (
        f"no signal at all arrives: what leads from layer {alive} back to layer {alive - 1} "
        "multiplies it by 0"
    )


def _sentence(
    run: Run,
    gain: dict[str, float],
    dominant: str,
    lowest: int,
    last: int,
    grows: bool,
    complete: bool,
) -> str:
    total, steps = sum(gain.values()), last - lowest
    product = " x ".join(f"{NAMES[term]} {factor(value)}" for term, value in gain.items())
    way = (
        f"from layer {last} back to layer {lowest} the signal is multiplied by {factor(total)} = "
        f"{product}"
    )
    if not complete:
        way += " (over the layers it reaches: below them it is exactly 0)"
    if carried_past(gain):
        alone = factor(sum(value for term, value in gain.items() if term != "block"))
        return (
            f"from layer {last} back to layer {lowest} the signal is multiplied by "
            f"{factor(total)}, about {number(float(np.exp(total / steps)))} a layer; skip "
            f"connections and norms carry it past the weights, which alone would make it {alone}"
        )
    if (total if grows else -total) < HARMLESS:
        return (
            f"{way}; that product is harmless, so the step size or the data are at fault, not the "
            "chain of layers"
        )
    each = np.exp(gain[dominant] / steps)
    bound = _bound(run, dominant, lowest)
    return f"{way}; {WORDS[dominant]} does it, about {number(each)} a layer{bound}"


def _bound(run: Run, dominant: str, lowest: int) -> str:
    name = run.layer("activation")[lowest - 1]
    if dominant != "slope" or name not in activations.ACTIVATIONS:
        return ""
    return f" (the slope of {name} is never above {number(activations.get(name).slope_bound)})"


def factor(log: float) -> str:
    """Write e^log, also where that overflows a float."""
    if abs(log) < 300 or not np.isfinite(log):
        return number(float(np.exp(log)))
    return f"1e{log / np.log(10):.0f}"
