"""A score that falls below its start while the steps do what they are meant to do."""

from __future__ import annotations

import numpy as np

from gradlab.rules.remedies import Remedy
from gradlab.rules.windows import finite_prefix
from gradlab.rules.yardsticks import column, is_yardstick, outcomes, trend
from gradlab.rules.yardsticks.beside_constant import MOSTLY_LEARNED
from gradlab.rules.yardsticks.loss import at_every_step, follows_criterion
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
    if score is None or not outcomes(run)[seed].failed or _answers_rarely(run, seed):
        return ""
    values = score[:stop, seed][np.isfinite(score[:stop, seed])]
    found = trend(values, max(2, len(values) // 4))
    if found is None or len(values) < 2 * AT_ONCE or not fell_at_once(values, found):
        return ""
    risen = None if loss is None else trend(loss[:stop, seed])
    if risen is not None and is_yardstick(run, seed, stop) and risen.fall < 0:
        return ""
    if not gentle(run, seed):
        return ""
    start = float(np.median(values[:AT_ONCE]))
    return f"the score fell from {start:.3g} to {found.last:.3g}, below an untrained net's"


def gentle(run: Run, seed: int) -> bool:
    """Whether nine of ten of a seed's updates are no larger than they should be."""
    if "update_ratio" not in run:
        return True
    steps = run["update_ratio"][: int(finite_prefix(run)[seed]), seed]
    steps = steps[run.recorded("update_ratio")[: len(steps), seed]]
    return not len(steps) or bool(np.nanquantile(steps, 0.9) <= GENTLE)


def _answers_rarely(run: Run, seed: int) -> bool:
    """Whether the loss is a known criterion, whose sign is right, and knows little of its targets.

    Such a net answers much the same to all, as that everything is the frequent class, and an F1
    or a recall is lower then than where it guessed. To go against a score, a criterion of the right
    sign must know well what it is given: labels the wrong way round.
    """
    seen, constant = column(run, "criterion_loss"), column(run, "criterion_baseline")
    if seen is None or constant is None or not follows_criterion(run, seed):
        return False
    values, levels = at_every_step(run, seen, seed), constant[:, seed]
    values, levels = values[np.isfinite(values)], levels[np.isfinite(levels)]
    if not len(values) or not len(levels) or not levels[-1] > 0:
        return False
    # The mean: most batches may hold nothing but the frequent class.
    return bool(values[-max(1, len(values) // 4) :].mean() > MOSTLY_LEARNED * levels[-1])


def match_score(evidence: str) -> Remedy:
    """Return the remedy for a loss that does not reward what it should."""
    return Remedy(
        "flip the sign",
        "look for a flipped sign in the loss: -(log_prob * advantage).mean(), 1 - dice; or log "
        "a score that is higher where the net is better",
        {},
        evidence,
    )
