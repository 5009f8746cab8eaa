"""GL401 unstable-loss."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules.base import Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import lower_learning_rate, remedy, warm_up
from gradlab.rules.windows import WINDOW, finite_prefix, losses, starting_loss, windows
from gradlab.rules.wording import during, number, seeds
from gradlab.run import Run

Array = np.ndarray


class UnstableLoss(Rule):
    """Unstable loss (GL401).

    What it does
    ------------
    Counts, in windows of 50 iterations after the first 10, how often the loss (of 32 examples at
    least) stands above 1.5 times that of the best constant prediction and of its own start: in a
    fifth of the iterations or more, while it swings by a factor of 1.5, the training is thrown back
    again and again. A loss that is high and still is not meant, nor one that falls from a bad
    start.

    Why it is bad
    -------------
    A net that is worse than knowing nothing is not on its way anywhere: each step is too large for
    the valley it is in.

    Example
    -------
    Learning rate 1 on a deep tanh net: the loss goes to 7, back to 2, and up again.

    What to try
    -----------
    A third of the learning rate; warm-up; a larger batch; clipping.

    References
    ----------
    Cohen et al. 2021 (edge of stability); Goyal et al. 2017, section 2.2 (warm-up).
    """

    code = "GL401"
    name = "unstable-loss"
    summary = "a loss that is thrown back above the constant predictor's again and again"
    needs_loss = True
    limits: ClassVar = {
        "high": Limit(
            1.5,
            "times the constant predictor's loss, and the run's own start",
            "Beyond the scatter of batches: worse than knowing nothing.",
        ),
        "often": Limit(
            0.2, "of the iterations of a window", "A single bad batch is no instability."
        ),
        "swing": Limit(
            1.5,
            "times, the highest tenth of a window over its lowest",
            "A loss that is high and still is not thrown back.",
        ),
        "examples": Limit(
            32,
            "examples that a loss should rest on",
            "The losses of smaller batches scatter: neighbours are averaged.",
        ),
        "skip": Limit(
            10,
            "first iterations",
            "A start far from the constant predictor is no instability.",
        ),
    }
    explains = ("GL402",)

    def judge(self, run: Run) -> Finding | None:
        """Judge the worst window of each replicate."""
        skip, examples = int(self.limit("skip")), int(self.limit("examples"))
        loss, prefix = np.abs(losses(run)), finite_prefix(run)
        reference = np.maximum(starting_loss(run), np.median(loss[:skip], axis=0))
        smooth = _averaged(loss, max(1, examples // int(run.config.get("batch_size") or examples)))
        shares = np.zeros(len(prefix))
        spans: list[Window] = [Window(0, 1)] * len(prefix)
        for k, stop in enumerate(prefix):
            for window in windows(int(stop) - skip) if stop >= skip + WINDOW // 2 else []:
                part = smooth[skip + window.start : skip + window.stop, k]
                share = self._share(part, float(reference[k]))
                if share > shares[k]:
                    shares[k], spans[k] = share, Window(skip + window.start, skip + window.stop)
        hits = Hits((shares >= self.limit("often"))[:, None])
        if not hits.which:
            return None
        worst = max(hits.which, key=lambda k: shares[k])
        window = spans[worst]
        part = smooth[window.start : window.stop, worst]
        return self.finding(
            hits,
            window,
            layers=(),
            value=float(shares[worst]),
            limit=self.limit("often"),
            message=f"The loss is unstable{seeds(hits.replicates)}: {during(run, window)} it "
            f"swings between {number(float(part.min()))} and {number(float(part.max()))} and "
            f"stands above "
            f"{number(self.limit('high') * float(reference[worst]))}, {self.limit('high'):g} times "
            f"what it began with or guessing costs, in "
            f"{100 * shares[worst]:.0f} % of them (limit {100 * self.limit('often'):.0f} %).",
            remedies=(
                lower_learning_rate(run, 3),
                warm_up(run),
                remedy(
                    "enlarge batch",
                    "use a larger batch, or clip the gradient by its norm",
                ),
            ),
            columns=("update_ratio", "grad_norm"),
        )

    def _share(self, part: Array, reference: float) -> float:
        """How often the loss stands too high; 0 where it does not swing, or where it only falls."""
        share = float((part > self.limit("high") * reference).mean())
        if not reference > 0 or not share:
            return 0.0
        low, high = np.quantile(part, [0.1, 0.9])
        if high < self.limit("swing") * low:
            return 0.0
        rises = np.maximum(
            np.diff(part), 0
        ).sum()  # falling from a bad start, it does not climb back
        return share if rises > (part.max() - part.min()) else 0.0


def _averaged(loss: Array, count: int) -> Array:
    """Return the mean of each loss and the `count` - 1 before it."""
    if count == 1:
        return loss
    total = np.cumsum(np.concatenate([np.zeros((1, loss.shape[1])), loss]), axis=0)
    last = np.arange(1, len(total))
    first = np.maximum(0, last - count)
    return (total[last] - total[first]) / (last - first)[:, None]
