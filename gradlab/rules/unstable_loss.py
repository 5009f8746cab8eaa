"""GL401 unstable-loss."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules.base import NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.expressions import in_torch
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy, lower_learning_rate, remedy, warm_up
from gradlab.rules.undone import LOST, Undone, undone_as_it_rose
from gradlab.rules.windows import WINDOW, finite_prefix, losses, windows
from gradlab.rules.wording import during, number, seeds
from gradlab.rules.yardsticks import (
    alike_within_batches,
    batch_size,
    constant_level,
    constant_loss,
    failed,
    hardly_moved,
    is_yardstick,
    severity,
)
from gradlab.run import Run

Array = np.ndarray

END_RISE = "end the rise"
SHUFFLE = "shuffle"
OF_SWINGS = (
    "GL101", "GL102", "GL103", "GL201", "GL202", "GL203", "GL301", "GL303", "GL304", "GL306",
)  # fmt: skip


class UnstableLoss(Rule):
    """Unstable loss (GL401).

    What it does
    ------------
    Counts, in windows of 50 iterations after the first 10, how often the loss (of 32 examples at
    least) stands above its own start and the best constant prediction's by half a unit; the unit is
    what was gained at best, or the constant prediction's loss. In a fifth of the iterations or
    more, while it swings by half a unit, the training is thrown back again and again: an error
    where nothing is learned, else a note. A loss that is high and still is not meant, nor one that
    falls from a bad start, nor one that is no yardstick: with moving targets, or around 0. Where
    the weights hardly moved, no step threw anything back: batches differ, and no more. Where
    nothing is learned and the targets within a batch are far more alike than those of different
    batches, nobody shuffled the examples: each batch undoes the one before. Where the learning rate
    rises to the last step, by a quarter or more since the loss was lowest, and a quarter of what
    was gained until then is lost on the way, the rise goes too far: a warning at least.
    Units that die later, and a gradient that vanishes then, are consequences.

    Why it is bad
    -------------
    A net that is worse than knowing nothing is not on its way anywhere: each step is too large for
    the valley it is in.

    Example
    -------
    Learning rate 1 on a deep tanh net: the loss goes to 7, back to 2, and up again. Or: images that
    come sorted by their class.

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
    exact = True
    limits: ClassVar = {
        "high": Limit(
            0.5,
            "of what was gained at best, or of the constant predictor's loss, above the start",
            "Beyond the scatter of batches: worse than knowing nothing.",
        ),
        "often": Limit(
            0.2, "of the iterations of a window", "A single bad batch is no instability."
        ),
        "swing": Limit(
            0.5,
            "of the same unit, the highest tenth of a window above its lowest",
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
    explains = ("GL101", "GL201", "GL402")  # steps that throw a net about kill its units

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """What throws the loss about explains whatever the swings do to the layers."""
        return (*self.explains, *OF_SWINGS) if self.is_cause(finding) else self.explains

    def is_cause(self, finding: Finding) -> bool:
        """Whether the order of the data, or the schedule, throws the loss about: no layer can."""
        return any(each.action in (SHUFFLE, END_RISE) for each in finding.remedies)

    def judge(self, run: Run) -> Finding | None:
        """Judge the worst window of each replicate."""
        skip, examples = int(self.limit("skip")), int(self.limit("examples"))
        loss, prefix = losses(run), finite_prefix(run)
        smooth = _averaged(loss, max(1, examples // (batch_size(run) or examples)))
        shares = np.zeros(len(prefix))
        bounds = np.zeros(len(prefix))
        spans: list[Window] = [Window(0, 1)] * len(prefix)
        still = hardly_moved(run)
        for k, stop in enumerate(prefix):
            if stop < skip + WINDOW // 2 or still[k] or not is_yardstick(run, k, int(stop)):
                continue
            bound, unit = self._bound(run, smooth[: int(stop), k], k)
            for window in windows(int(stop) - skip):
                part = smooth[skip + window.start : skip + window.stop, k]
                share = self._share(part, bound, unit)
                if share > shares[k]:
                    shares[k], bounds[k] = share, bound
                    spans[k] = Window(skip + window.start, skip + window.stop)
        hits = Hits((shares >= self.limit("often"))[:, None])
        if not hits.which:
            return self._undone(run) or self._unshuffled(run)
        worst = max(hits.which, key=lambda k: shares[k])
        window = spans[worst]
        part = smooth[window.start : window.stop, worst]
        told = alike_within_batches(run, worst, int(prefix[worst]))
        shuffled = (_shuffle(told),) if told else ()
        return self.finding(
            hits,
            Window(0, window.stop) if told else window,
            severity=severity(run, hits.which, harmless=NOTE),
            layers=(),
            value=float(shares[worst]),
            limit=self.limit("often"),
            message=f"The loss is unstable{seeds(hits.replicates)}: {during(run, window)} it "
            f"swings between {number(float(part.min()))} and {number(float(part.max()))} and "
            f"stands above {number(float(bounds[worst]))}, far over what it began with, in "
            f"{100 * shares[worst]:.0f} % of them (limit {100 * self.limit('often'):.0f} %)"
            f"{'; ' * bool(told)}{told}.",
            remedies=(
                *shuffled,
                lower_learning_rate(run, 3),
                warm_up(run),
                remedy(
                    "enlarge batch",
                    "use a larger batch, or clip the gradient by its norm",
                ),
            ),
            columns=("update_ratio", "grad_norm"),
        )

    def _undone(self, run: Run) -> Finding | None:
        """Judge seeds that lose what they had learned while the learning rate rises."""
        prefix = finite_prefix(run)
        found = [undone_as_it_rose(run, seed, int(stop)) for seed, stop in enumerate(prefix)]
        hits = Hits.of_seeds(each is not None for each in found)
        known = {seed: each for seed, each in enumerate(found) if each is not None}
        if not known:
            return None
        worst = max(known.values(), key=lambda each: each.lost)
        words = (
            f"the learning rate rises from {number(worst.rate)} to {number(worst.rate_at_end)} "
            f"after iteration {int(run.times[worst.row])}, where the loss was {number(worst.best)}"
        )
        return self.finding(
            hits,
            Window(0, int(prefix[hits.which].max())),  # the rate rises from the start on
            severity=severity(run, hits.which, harmless=WARNING),
            layers=(),
            value=worst.lost,
            limit=LOST,
            message=f"The loss climbs with the learning rate{seeds(hits.replicates)}: {words}"
            f"; then it comes to {number(worst.worst)}: {100 * worst.lost:.0f} % of what was "
            f"gained is lost (limit {100 * LOST:.0f} %), and it is never as low again.",
            remedies=(
                _end_rise(run, worst, words),
                lower_learning_rate(run, worst.rate_at_end / worst.rate, evidence=words),
            ),
            columns=("update_ratio", "grad_norm"),
            evidence=words,
        )

    def _unshuffled(self, run: Run) -> Finding | None:
        """Judge seeds that learned nothing from batches of one kind each."""
        prefix, lost = finite_prefix(run), failed(run) & ~hardly_moved(run)
        told = [
            alike_within_batches(run, seed, int(stop)) if lost[seed] else ""
            for seed, stop in enumerate(prefix)
        ]
        hits = Hits.of_seeds(told)
        if not hits.which:
            return None
        words = told[hits.which[0]]
        return self.finding(
            hits,
            Window(0, int(prefix[hits.which].max())),
            severity=severity(run, hits.which, harmless=NOTE),
            layers=(),
            value=np.nan,
            limit=self.limit("often"),
            message=f"Each batch undoes the one before{seeds(hits.replicates)}: {words}. The "
            "examples come in the order of their targets.",
            remedies=(_shuffle(words),),
            columns=("grad_norm",),
            confidence="high",
            evidence=words,
        )

    def _bound(self, run: Run, loss: Array, seed: int) -> tuple[float, float]:
        """Return the loss that is too high, and the unit it is measured in.

        The start (or the constant predictor's loss, where that is higher) plus half a unit; the
        unit is what was gained at best, or the constant predictor's loss, whichever is more.
        """
        start = float(np.median(loss[: int(self.limit("skip"))]))
        level, constant = constant_level(run, seed), constant_loss(run, seed)
        scatter = float(np.median(np.abs(np.diff(loss))))
        unit = max(start - float(np.min(loss)), np.nan_to_num(constant, nan=scatter))
        return float(np.fmax(start, level) + self.limit("high") * unit), unit

    def _share(self, part: Array, bound: float, unit: float) -> float:
        """How often the loss stands too high; 0 where it does not swing, or where it only falls."""
        share = float((part > bound).mean())
        if not unit > 0 or not share:
            return 0.0
        low, high = np.quantile(part, [0.1, 0.9])
        if high - low < self.limit("swing") * unit:
            return 0.0
        rises = np.maximum(np.diff(part), 0).sum()  # falling from a bad start, it does not climb
        return share if rises > (part.max() - part.min()) else 0.0


def _end_rise(run: Run, undone: Undone, evidence: str) -> Remedy:
    """Return the remedy for a warm-up that has no end."""
    best = int(run.times[undone.row])
    how = (
        f"LambdaLR(optimizer, lambda step: min(1, (step + 1) / {best}))"
        if in_torch(run)
        else f'schedule="constant:warmup={best}"'
    )
    words = f"end the rise of the learning rate at {number(undone.rate)} or below: {how}"
    return remedy(END_RISE, words, evidence=evidence, iterations=best)


def _averaged(loss: Array, count: int) -> Array:
    """Return the mean of each loss and the `count` - 1 before it."""
    if count == 1:
        return loss
    total = np.cumsum(np.concatenate([np.zeros((1, loss.shape[1])), loss]), axis=0)
    last = np.arange(1, len(total))
    first = np.maximum(0, last - count)
    return (total[last] - total[first]) / (last - first)[:, None]


def _shuffle(evidence: str) -> Remedy:
    words = "shuffle the training examples: DataLoader(..., shuffle=True)"
    return remedy(SHUFFLE, words, evidence=evidence)
