"""GL103 gradient-spike."""

from __future__ import annotations

import math

import numpy as np

from gradlab.rules.base import ERROR, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.windows import finite_prefix, losses
from gradlab.rules.wording import number, seeds
from gradlab.run import Run

Array = np.ndarray

DECAY = 0.97  # of the running mean and variance of the log norm: a memory of about 33 iterations
Z, FACTOR = 4.0, 10.0  # deviations above the running mean, and times above it: a spike is both
SETTLE = 20  # iterations until the running moments mean anything
AFTER, DAMAGE = 10, 1.5  # iterations after the spike, and how much higher their loss must stand to call it damage


class GradientSpike(Rule):
    """Gradient spike (GL103).

    What it does
    ------------
    Follows ln ||G||, the logarithm of the whole gradient's norm, by an exponential mean and variance (decay 0.97) and
    looks for an iteration that stands more than 4 deviations AND more than 10 times above that mean, and above the
    first 20 iterations, when all was new. A warning; an error where the loss of the 10 iterations after it stands 1.5
    times above that of the 10 before, so that the spike did damage.

    Why it is bad
    -------------
    One batch with a gradient of a hundred times the usual size undoes a hundred steps. On the plain norm instead of
    its logarithm the same test rings 35 to 57 times in 1,000 healthy iterations.

    Example
    -------
    A table with one row in other units: whenever its batch comes, the norm goes from 2 to 400.

    What to try
    -----------
    Look at that batch: outliers, wrong units, a wrong label. Then clip the gradient by its norm, or use a robust
    loss (huber, mean_absolute_error).

    References
    ----------
    Pascanu, Mikolov, Bengio 2013, section 3.2 (clipping).
    """

    code = "GL103"
    name = "gradient-spike"
    summary = "single batches whose gradient stands far above all others"
    explains = ("GL304", "GL401")

    def judge(self, run: Run) -> Finding | None:
        """Judge each replicate's finite iterations."""
        norm, loss, prefix = run.step("grad_norm"), losses(run), finite_prefix(run)
        spikes = [_spikes(norm[:stop, k]) for k, stop in enumerate(prefix)]
        hits = Hits(np.array([[len(found) > 0] for found in spikes]))
        if not hits.which:
            return None
        harmed = [k for k in hits.which if any(_damaged(loss[: prefix[k], k], int(t)) for t in spikes[k])]
        where = np.concatenate([spikes[k] for k in hits.which])
        k = max(hits.which, key=lambda k: float(norm[spikes[k], k].max()))
        top = int(spikes[k][norm[spikes[k], k].argmax()])
        usual = float(np.median(norm[max(0, top - 33) : top, k]))
        value = float(norm[top, k]) / usual if usual else np.inf
        times = f"{len(where)} time{'s' if len(where) > 1 else ''}"
        damage = " and the loss stayed higher afterwards" if harmed else ""
        return self.finding(
            hits, Window(int(where.min()), int(where.max()) + 1), layers=(), value=value, limit=FACTOR,
            severity=ERROR if 2 * len(harmed) >= len(prefix) else WARNING,
            message=f"The gradient spikes {times}{seeds(hits.replicates)}, most at iteration {top}: its norm is "
            f"{number(float(norm[top, k]))} where {number(usual)} is usual{damage} (limit {FACTOR:g} times).",
            remedies=(
                f"look at the batch of iteration {top}: outliers, wrong units, wrong labels",
                "clip the gradient by its norm",
                "use a robust loss (huber, mean_absolute_error), or a smaller learning rate",
            ),
            columns=("grad_norm", "per_example_grad_norm"),
        )  # fmt: skip


def _spikes(norm: Array) -> Array:
    """Return the iterations at which one replicate's log norm leaves its running mean upwards."""
    logs = np.log(np.where(norm > 0, norm, np.nan))
    found: list[int] = []
    start = np.nanmax(logs[:SETTLE], initial=-np.inf)
    least = math.log(FACTOR)
    mean, variance, seen = 0.0, 0.0, 0
    for t, value in enumerate(logs.tolist()):  # Python's floats: ten times as fast as NumPy's, one at a time
        if value != value:
            continue
        rise = value - mean
        if seen >= SETTLE and rise > least and rise > Z * math.sqrt(variance) and value > start:
            found.append(t)
            continue  # a spike does not teach what is usual
        weight = max(1 - DECAY, 1 / (seen + 1))  # a plain mean until the memory is full
        mean += weight * rise
        variance = (1 - weight) * (variance + weight * rise * rise)
        seen += 1
    # What never comes back is no spike but a new level.
    return np.array(found if found and len(found) < len(norm) / 4 else [], int)


def _damaged(loss: Array, t: int) -> bool:
    after, before = loss[t + 1 : t + 1 + AFTER], loss[max(0, t - AFTER) : t]
    return len(after) == AFTER and float(np.median(after)) > DAMAGE * float(np.median(before))
