"""What a finding may call harm: an error means that something measured went wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlab.rules.base import ERROR, WARNING
from gradlab.rules.windows import finite_prefix, losses
from gradlab.rules.yardsticks.beside_constant import FAR, LEARNED, SLOW
from gradlab.rules.yardsticks.facts import objective
from gradlab.rules.yardsticks.layers import hardly_moved
from gradlab.rules.yardsticks.loss import highest_over_constant, loss_scale
from gradlab.rules.yardsticks.outcome import outcomes
from gradlab.run import Run

Array = np.ndarray

FINISHED = 0.02  # of the loss's spread above its lowest: what is left no longer shows in updates


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


def worse_than_constant(run: Run) -> Array:
    """Return which seeds end with a loss far above the best constant predictor's (S,).

    They may have learned which answers are right, and are still worse off than without any.
    """
    return np.array([outcome.share > FAR for outcome in outcomes(run)], bool)


def never_set_back(run: Run, which: Sequence[int]) -> bool:
    """Whether these seeds clearly gain, and no step ever took them to more than they began with.

    Their loss never stood clearly above both a constant's and where it began: steps that are large
    beside the weights, as of SGD at 20 with clipped gradients, did them no harm.
    """
    states = outcomes(run)
    return all(states[seed].gains and highest_over_constant(run, seed) <= FAR for seed in which)


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
