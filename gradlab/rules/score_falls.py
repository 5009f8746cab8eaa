"""A score that falls below its start while the steps do what they are meant to do."""

from __future__ import annotations

import numpy as np

from gradlab.rules.remedies import Remedy
from gradlab.rules.yardsticks import column, is_yardstick, outcomes, trend
from gradlab.rules.yardsticks.trends import AT_ONCE, fell_at_once
from gradlab.run import Run

GENTLE = 0.2  # of the weights' own length: larger steps ruin a score whatever their sign


def fallen_score(run: Run, seed: int, stop: int) -> str:
    """Word how far a seed's score fell below that of its start, by steps that are no larger than
    they should be and that do not raise the loss; empty where it did not.

    What chance or too large steps do to a score ends near what an untrained net reaches, or raises
    the loss. Steps that make the loss small, and the score with it, go the wrong way.
    """
    score, loss = column(run, "score"), column(run, "loss")
    if score is None or not outcomes(run)[seed].failed:
        return ""
    values = score[:stop, seed][np.isfinite(score[:stop, seed])]
    found = trend(values, max(2, len(values) // 4))
    if found is None or len(values) < 2 * AT_ONCE or not fell_at_once(values, found):
        return ""
    risen = None if loss is None else trend(loss[:stop, seed])
    if risen is not None and is_yardstick(run, seed, stop) and risen.fall < 0:
        return ""
    if "update_ratio" in run:
        steps = run["update_ratio"][:stop, seed]
        steps = steps[run.recorded("update_ratio")[:stop, seed]]
        if len(steps) and np.nanquantile(steps, 0.9) > GENTLE:
            return ""
    start = float(np.median(values[:AT_ONCE]))
    return f"the score fell from {start:.3g} to {found.last:.3g}, below an untrained net's"


def match_score(evidence: str) -> Remedy:
    """Return the remedy for a loss that does not reward what it should."""
    return Remedy(
        "flip the sign",
        "look for a flipped sign in the loss: -(log_prob * advantage).mean(), 1 - dice; or log "
        "a score that is higher where the net is better",
        {},
        evidence,
    )
