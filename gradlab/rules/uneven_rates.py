"""Parameter groups whose rates are so far apart that the first step replaces some of the layers.

A usual layer's length, by which large steps are judged, is ten times that of a transformer's at its
start. There a step may replace the layer and look harmless; and later ones do beside what it built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.errors import is_number
from gradlab.rules.base import Hits
from gradlab.rules.remedies import Remedy
from gradlab.rules.yardsticks import SLOW, outcomes
from gradlab.run import Run

Array = np.ndarray

APART = 2.0  # times: rates of groups that are this far apart were meant to differ
BEGUN = 1e-2  # of LeCun's norm: what is below begins at 0, as a LoRA's B, and has to grow
FEW_OF = 8  # layers: one of so many may be replaced


@dataclass(frozen=True)
class Replaced:
    """What a seed's first step did.

    Attributes
    ----------
    layers : ndarray of bool (L,)
        Those that it changed by more than their own length.
    most, others : float
        By how many times their length it changed them at most; and the others, their median.
    rates : tuple of float
        The smallest and the largest of the groups' rates.
    """

    layers: Array
    most: float
    others: float
    rates: tuple[float, float]


def replaced(run: Run, seed: int, limit: float) -> Replaced | None:
    """Return what a seed's first step replaced where rates are apart; None where that is nothing.

    Parameters
    ----------
    limit : float
        Of their own norm, by which the layers are changed.
    """
    given: Any = run.config.get("learning_rates")
    rates = given if isinstance(given, list) else []
    positive = [float(each) for each in rates if is_number(each) and each > 0]
    if len(positive) < 2 or max(positive) < APART * min(positive):
        return None
    if "update_ratio" not in run or "weight_norm" not in run or run.times[0] > 0:
        return None
    known = run.recorded("update_ratio")[0, seed] & run.recorded("weight_norm")[0, seed]
    least = BEGUN * np.nan_to_num(np.sqrt(run.layer("fan_out")))
    known &= run["weight_norm"][0, seed] >= least
    ratio = np.where(known, run["update_ratio"][0, seed], np.nan)
    fast = np.nan_to_num(ratio) > limit
    slow = known & (ratio <= limit)
    if not slow.any() or fast.sum() * FEW_OF < known.sum():
        return None
    most, others = float(ratio[fast].max()), float(np.median(ratio[slow]))
    return Replaced(fast, most, others, (min(positive), max(positive)))


def replaced_in(run: Run, limit: float) -> tuple[Hits, Replaced] | None:
    """Return the seeds that learned little or nothing and whose first step replaced layers.

    With what it did in the first of them.
    """
    mask = np.zeros(run.shape[1:], bool)
    firsts = []
    for seed, state in enumerate(outcomes(run)):
        badly = state.failed or state.state == SLOW
        first = replaced(run, seed, limit) if badly else None
        if first is not None:
            firsts.append(first)
            mask[seed] = first.layers
    return (Hits(mask), firsts[0]) if firsts else None


def lower_fastest_rates(ratio: float) -> Remedy:
    """Return the remedy: no group's rate above the one at which the other layers move."""
    words = (
        "give the groups of these layers the learning rate of the others, or a smaller one: rates "
        "by layer are to fall from the output down to the input"
    )
    evidence = f"the first step is {ratio:.3g} times the weights' norm"
    return Remedy("even learning rates", words, {}, evidence)
