"""GL303 diverging-weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradlab.rules.base import Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy, clip, lower_learning_rate, remedy
from gradlab.rules.windows import finite_prefix, gaps, losses
from gradlab.rules.wording import during, number, seeds, span
from gradlab.rules.yardsticks import LEARNED, loss_scale, outcomes, severity
from gradlab.run import Run

Array = np.ndarray

BEYOND_LINEAR = 20.0  # times: steps that grow faster do not grow along a straight line any more


@dataclass(frozen=True)
class _Stretch:
    start: int
    stop: int
    ratio: float  # geometric mean of neighbouring step sizes
    cosine: float  # NaN where none was recorded
    layer: int
    straight: float  # |cosine| from which neighbouring steps count as along one line

    @property
    def kind(self) -> str:
        if self.cosine > self.straight:
            return "runaway"
        return "overshoot" if self.cosine < -self.straight else "divergence"


class DivergingWeights(Rule):
    """Diverging weights (GL303).

    What it does
    ------------
    Looks for steps of a layer that grow in a row, three times at least and tenfold in all, carry
    the weights farther than their own length, along one line or without any bound, and do not bring
    the loss down by half of its spread. Not in a seed that learned: there it was overcome. The
    cosine between neighbouring steps tells two kinds apart: near +1 the weights run away in one
    direction; near -1 they jump over the minimum and back, farther each time.

    Why it is bad
    -------------
    Neither ever comes back. A runaway follows a loss without a floor, or a product of weights that
    feeds itself; an overshoot is what a learning rate past 2/lambda does on a curvature of lambda.
    A smaller rate cures the second, and only delays the first.

    Example
    -------
    2.2 -> 10.8 -> 100.6: steps of 8.6 and 89.8, ratio 10.44, the same sign: a runaway; the next
    value would be 1038.3. 2.2 -> 10.8 -> -79.0: the same sizes with alternating signs: an
    overshoot.

    What to try
    -----------
    Overshoot: a learning rate below 2 over the largest curvature: divide it by the ratio plus 1 at
    least. Runaway: look for a loss without a floor or targets out of reach; clip the gradient; a
    penalty on the weights.

    References
    ----------
    LeCun et al. 1998, section 4.7 (eta < 2/lambda_max); Cohen et al. 2021; Pascanu, Mikolov, Bengio
    2013."""

    code = "GL303"
    whole = False
    name = "diverging-weights"
    summary = "steps that grow without end: a runaway in one direction, or an overshoot to and fro"
    needs = ("update_norm", "weight_norm")
    limits: ClassVar = {
        "ratios": Limit(
            3, "ratios of neighbouring steps", "Two steps grow by chance; three in a row seldom do."
        ),
        "growth": Limit(
            10.0,
            "times, from the first step to the last",
            "A definition: less may be a warm-up or the noise of batches. The lecture's runaway "
            "(2.2, 10.8, 100.6) passes it in one step.",
        ),
        "straight": Limit(
            0.7,
            "|cosine| between neighbouring steps",
            "From there on they count as along one line: +1 is a runaway, -1 an overshoot, and "
            "random steps in many dimensions have a cosine near 0.",
        ),
        "overflowing": Limit(
            1e3,
            "times, from the first step to the last",
            "Growth from which the direction does not matter: products of weights feed themselves.",
        ),
        "fell": Limit(
            0.5,
            "of the batch losses' spread",
            "A loss that fell by so much says that the growing steps were good ones.",
        ),
    }
    explains = (
        "GL001",
        "GL102",
        "GL103",
        "GL107",
        "GL201",
        "GL202",
        "GL203",
        "GL304",
        "GL401",
        "GL402",
    )

    def judge(self, run: Run) -> Finding | None:
        """Judge each layer of each replicate over its finite iterations."""
        prefix = finite_prefix(run)
        found: dict[tuple[int, int], _Stretch] = {}
        mask = np.zeros(run.shape[1:], bool)
        states = outcomes(run)
        for k, stop in enumerate(prefix):
            if states[k].state == LEARNED:
                continue  # whatever grew, it was overcome
            for layer in range(run.shape[2]):
                stretch = self._stretch(run, int(stop), k, layer)
                if stretch is not None:
                    found[k, layer], mask[k, layer] = stretch, True
        hits = Hits(mask)
        if not hits.which:
            return None
        worst = max(
            found.values(), key=lambda each: _log_growth(each.ratio, each.stop - each.start)
        )
        layers = hits.layers or (worst.layer,)
        window = Window(
            min(each.start for each in found.values()), max(each.stop for each in found.values())
        )
        when = during(run, Window(worst.start, worst.stop))
        return self.finding(
            hits,
            window,
            severity=severity(run, hits.which),
            layers=layers,
            value=worst.ratio,
            limit=1.0,
            message=_message(worst, layers, seeds(hits.replicates), when),
            remedies=_remedies(run, worst),
            columns=("update_norm", "update_cosine", "weight_norm"),
        )

    def _stretch(self, run: Run, stop: int, k: int, layer: int) -> _Stretch | None:
        """Return the growing steps of one layer that go farthest, or None."""
        step = run["update_norm"][:stop, k, layer]
        if len(step) <= self.limit("ratios") or not step.any():
            return None
        weight, loss = run["weight_norm"][:stop, k, layer], losses(run)[:stop, k]
        spread = np.nan_to_num(loss_scale(run)[k])
        rising = step[1:] > step[:-1]
        rising[gaps(run.times[:stop])] = False
        edges = np.flatnonzero(np.diff(np.concatenate([[False], rising, [False]]).astype(int)))
        best: _Stretch | None = None
        starts, ends = edges[::2], edges[1::2]  # steps start..end, each larger than the last
        long = (ends - starts >= self.limit("ratios")) & (
            step[ends] >= self.limit("growth") * step[starts]
        )
        for start, end in zip(starts[long], ends[long], strict=True):
            first = step[start : end + 1]
            first = first[first > 0]
            with np.errstate(over="ignore"):
                growth = first[-1] / first[0]
                far = first.sum() > weight[start]
            if (
                len(first) <= self.limit("ratios")
                or growth < self.limit("growth")
                or not far
                or loss[start] - loss[end] > self.limit("fell") * spread > 0
            ):
                continue
            ratio = float(np.exp((np.log(first[-1]) - np.log(first[0])) / (len(first) - 1)))
            cosine = _cosine(run, start, end, k, layer)
            if abs(cosine) < self.limit("straight") and growth < self.limit("overflowing"):
                continue  # thrown about, neither away nor to and fro: GL304's and GL401's matter
            grown = _log_growth(ratio, end - start)
            if best is None or grown > _log_growth(best.ratio, best.stop - best.start):
                best = _Stretch(
                    int(start), int(end) + 1, ratio, cosine, layer + 1, self.limit("straight")
                )
        return best


def _log_growth(ratio: float, steps: int) -> float:
    """Return the logarithm of ratio^steps, which may be no number of float64."""
    return float(steps * np.log(ratio))


def _cosine(run: Run, start: int, end: int, k: int, layer: int) -> float:
    """Mean cosine of the stretch's steps with the ones before them; NaN where none was recorded."""
    if "update_cosine" not in run:
        return float("nan")
    part = run["update_cosine"][start + 1 : end + 1, k, layer]
    part = part[np.isfinite(part)]
    return float(part.mean()) if len(part) else float("nan")


def _message(worst: _Stretch, layers: tuple[int, ...], share: str, when: str) -> str:
    grow = f"each step of layer {worst.layer} is {number(worst.ratio)} times the one before it"
    if worst.kind == "runaway":
        return (
            f"The weights of {span(layers)} run away{share}: {grow} {when}, always the same way "
            f"(cosine {worst.cosine:+.2f})."
        )
    if worst.kind == "overshoot":
        return (
            f"The weights of {span(layers)} overshoot{share}: {grow} {when}, to and fro (cosine "
            f"{worst.cosine:+.2f}): the learning rate is past 2 over the curvature."
        )
    tail = "" if np.isnan(worst.cosine) else f" (cosine {worst.cosine:+.2f})"
    return f"The weights of {span(layers)} diverge{share}: {grow} {when}{tail}."


def _remedies(run: Run, worst: _Stretch) -> tuple[Remedy, ...]:
    # Steps grow by rate * curvature - 1 = ratio; along that direction, rate / (1 + ratio) is the
    # fastest of all. Growth beyond that of a straight line says nothing of the curvature.
    factor = 1 + worst.ratio if worst.ratio < BEYOND_LINEAR else 10.0
    lower = lower_learning_rate(
        run, factor, evidence=f"each step is {number(worst.ratio)} times the last"
    )
    floor = remedy(
        "bound the loss",
        "look for a loss without a floor, or targets out of reach: in other units, unscaled",
    )
    shorten = clip(run).adding("or put a penalty on the weights")
    return (floor, shorten, lower) if worst.kind == "runaway" else (lower, shorten, floor)
