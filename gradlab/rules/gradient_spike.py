"""GL103 gradient-spike."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from gradlab.rules.base import NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import clip, inspect_batch, use_loss
from gradlab.rules.windows import WINDOW, finite_prefix, losses
from gradlab.rules.wording import number, seeds
from gradlab.rules.yardsticks import learns, loss_scale, severity
from gradlab.run import Run

Array = np.ndarray


class GradientSpike(Rule):
    """Gradient spike (GL103).

    What it does
    ------------
    Follows ln ||G||, the logarithm of the whole gradient's norm, by an exponential mean and
    variance (decay 0.97) and looks for an iteration that stands more than 4 deviations AND more
    than 10 times above that mean, and above the first 20 iterations, when all was new. An error in
    a net that does not learn. In one that learns it is a note, or a warning where it did damage:
    where the median loss of the 10 iterations after it stands above that of the 10 before by more
    than five times their scatter, by more than it rose between any two such stretches before, and
    by a tenth of what the losses of the run span; and where the end of the run has not made up for
    that.

    Why it is bad
    -------------
    One batch with a gradient of a hundred times the usual size undoes a hundred steps. On the plain
    norm instead of its logarithm the same test rings 35 to 57 times in 1,000 healthy iterations.

    Example
    -------
    A table with one row in other units: whenever its batch comes, the norm goes from 2 to 400.

    What to try
    -----------
    Look at that batch: outliers, wrong units, a wrong label. Then clip the gradient by its norm, or
    use a robust loss (huber, mean_absolute_error).

    References
    ----------
    Pascanu, Mikolov, Bengio 2013, section 3.2 (clipping).
    """

    code = "GL103"
    name = "gradient-spike"
    summary = "single batches whose gradient stands far above all others"
    limits: ClassVar = {
        "decay": Limit(
            0.97,
            "a iteration",
            "Of the running mean and variance of the log norm: a memory of about 33 iterations.",
        ),
        "z": Limit(
            4.0,
            "deviations above the running mean of the log norm",
            "On the plain norm, 2.5 deviations ring 35 to 57 times in 1000 healthy iterations; 4 "
            "on its logarithm, with `factor`, in none of 20000.",
        ),
        "factor": Limit(
            10.0,
            "times the running mean",
            "Where norms hardly scatter, 4 deviations are next to nothing: a spike is both.",
        ),
        "settle": Limit(20, "iterations", "Until then the running moments mean nothing."),
        "after": Limit(10, "iterations", "How long after a spike damage is looked for."),
        "damage": Limit(
            5.0,
            "times the scatter of the losses before the spike, in their median",
            "Far above the scatter of batch losses: the spike did damage.",
        ),
        "lost": Limit(
            0.1,
            "of the span of the run's losses, in the same rise",
            "A net that has next to no loss left rises by many times its scatter with one example.",
        ),
    }
    explains = ("GL001", "GL102", "GL201", "GL303", "GL304", "GL401", "GL402")
    exact = True

    def judge(self, run: Run) -> Finding | None:
        """Judge each replicate's finite iterations."""
        norm, loss, prefix = run.step("grad_norm"), losses(run), finite_prefix(run)
        spikes = [self._spikes(norm[:stop, k]) for k, stop in enumerate(prefix)]
        hits = Hits.of_seeds(len(found) for found in spikes)
        if not hits.which:
            return None
        least = self.limit("lost") * np.nan_to_num(loss_scale(run))
        harmed = [
            k
            for k in hits.which
            if any(self._damaged(loss[: prefix[k], k], int(t), least[k]) for t in spikes[k])
        ]
        where = np.concatenate([spikes[k] for k in hits.which])
        k = max(hits.which, key=lambda k: float(norm[spikes[k], k].max()))
        top = int(spikes[k][norm[spikes[k], k].argmax()])
        usual = float(np.median(norm[max(0, top - 33) : top, k]))
        value = float(norm[top, k]) / usual if usual else np.inf
        times = f"{len(where)} time{'s' if len(where) > 1 else ''}"
        damage = " and the loss stayed higher afterwards" if harmed else ""
        unharmed = learns(run)[hits.which].all() and not harmed
        harmless = NOTE if unharmed else WARNING
        return self.finding(
            hits,
            Window(int(where.min()), int(where.max()) + 1),
            layers=(),
            value=value,
            limit=self.limit("factor"),
            severity=severity(run, hits.which, harmless=harmless),
            message=f"The gradient spikes {times}{seeds(hits.replicates)}, most at iteration "
            f"{top}: its norm is {number(float(norm[top, k]))} where {number(usual)} is "
            f"usual{damage} (limit {self.limit('factor'):g} times).",
            remedies=(
                inspect_batch(run, top, "outliers, wrong units, wrong labels"),
                clip(run),
                use_loss(run, "huber", "mean_absolute_error"),
            ),
            columns=("grad_norm", "per_example_grad_norm"),
        )

    def _spikes(self, norm: Array) -> Array:
        """Return the iterations at which one seed's log norm leaves its running mean upwards."""
        settle = int(self.limit("settle"))
        logs = np.log(np.where(norm > 0, norm, np.nan))
        found: list[int] = []
        start = np.nanmax(logs[:settle], initial=-np.inf)
        least = math.log(self.limit("factor"))
        z = self.limit("z")
        decay = self.limit("decay")
        mean, variance, seen = 0.0, 0.0, 0
        for t, value in enumerate(
            logs.tolist()
        ):  # Python's floats: ten times as fast as NumPy's, one at a time
            if value != value:
                continue
            rise = value - mean
            if seen >= settle and rise > least and rise > z * math.sqrt(variance) and value > start:
                found.append(t)
                continue  # a spike does not teach what is usual
            weight = max(1 - decay, 1 / (seen + 1))  # a plain mean until the memory is full
            mean += weight * rise
            variance = (1 - weight) * (variance + weight * rise * rise)
            seen += 1
        # What never comes back is no spike but a new level.
        return np.array(found if found and len(found) < len(norm) / 4 else [], int)

    def _damaged(self, loss: Array, t: int, least: float) -> bool:
        span = int(self.limit("after"))
        after, before = loss[t + 1 : t + 1 + span], loss[max(0, t - span) : t]
        if len(after) < span or len(before) < 2:
            return False
        scatter = float(np.median(np.abs(np.diff(before))))
        rise = float(np.median(after)) - float(np.median(before))
        clear = rise > self.limit("damage") * scatter > 0 and rise > least
        healed = np.median(loss[-WINDOW:]) - np.median(before) < least
        return clear and not healed and rise > _usual_rise(loss[:t], span)


def _usual_rise(loss: Array, span: int) -> float:
    """Return the largest rise of the median loss from `span` iterations to the next so many.

    Of those before a spike: where tasks or stages take turns, the loss rises without one.
    """
    stretches = [np.median(loss[k : k + span]) for k in range(0, len(loss) - span + 1, span)]
    return float(np.max(np.diff(stretches), initial=-np.inf))
