"""GL201 dead-units."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab import activations
from gradlab.rules import cause
from gradlab.rules.base import NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.config_numbers import config_number
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import (
    Remedy,
    initialize,
    lower_learning_rate,
    remedy,
    zero_biases,
)
from gradlab.rules.windows import WINDOW, finite_prefix
from gradlab.rules.wording import are_hit, number, part_of, seeds
from gradlab.rules.yardsticks import batch_size, severity, unharmed
from gradlab.run import Run

Array = np.ndarray
LARGE_STEP = 0.1  # of the weights' norm: enough to move a unit's boundary past its inputs

SATURATING = ("sigmoid", "tanh")  # their slope of 0 is saturation: GL202's


class DeadUnits(Rule):
    """Dead units (GL201).

    What it does
    ------------
    Takes, for each hidden layer, the share of units whose slope is exactly 0 on a whole batch, as a
    median over the last 50 iterations, and compares it with the share that a healthy net of this
    depth and batch size shows at initialization: a layer is hit where more than half of the units
    that should be alive are silent. Where 90 % are silent in a net that does not learn it is an
    error; in one that learns it is a note. Of batches of fewer than 16 examples only layers count
    that are silent whole, on every batch. That half of all ENTRIES are 0 is the normal state of a
    relu net and no death.

    Why it is bad
    -------------
    A unit with slope 0 on every example gets no gradient and cannot come back. A layer of them cuts
    off all below.

    Example
    -------
    A relu layer with a bias of -10: every unit outputs 0 on every input, and every layer below it
    has gradient 0.

    What to try
    -----------
    Smaller learning rate (one large step kills a layer), biases at 0, He's initialization; leaky
    relu or elu.

    References
    ----------
    Maas, Hannun, Ng 2013 (leaky relu); Lu et al. 2019 (dying relu); Hanin & Rolnick 2018.
    """

    code = "GL201"
    whole = False
    name = "dead-units"
    summary = (
        "layers of units that are silent on every example, beyond what relu's sparsity explains"
    )
    needs = ("dead_fraction",)
    limits: ClassVar = {
        "excess": Limit(
            0.5,
            "of the units that should be alive",
            "A healthy relu net has silent units too (13 % in layer 10, 23 % in layer 20, on 256 "
            "examples): only what exceeds the share expected at initialization counts, and half of "
            "the rest is far beyond chance (Lu et al. 2019).",
        ),
        "gone": Limit(
            0.9,
            "of the units",
            "A net learns with half of its relu units silent; from here on little passes.",
        ),
        "records": Limit(3, "records", "A unit that is silent on one batch is no proof of death."),
        "examples": Limit(
            16,
            "examples in a batch",
            "A relu unit is silent on one example in two: on fewer than 16 many are by chance.",
        ),
    }
    explains = ("GL101", "GL301", "GL302", "GL306", "GL402")

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """A layer whose answer is gone explains; one that is half silent still lets a net learn."""
        return self.explains if finding.value >= self.limit("gone") else ()

    def judge(self, run: Run) -> Finding | None:
        """Judge the last window of finite iterations of each replicate."""
        prefix = finite_prefix(run)
        dead, recorded = run["dead_fraction"], run.recorded("dead_fraction")
        judged = np.array([name not in SATURATING for name in run.layer("activation")])
        shares = np.zeros(run.shape[1:])
        examples = batch_size(run)
        enough = not examples or examples >= self.limit("examples")
        for k, stop in enumerate(prefix):
            first = max(0, int(stop) - WINDOW)
            rows = dead[first:stop, k][recorded[first:stop, k].any(axis=1)]
            if len(rows) >= min(self.limit("records"), int(stop)) and len(rows):
                # Of a few examples only whole layers tell: what is silent on one batch answers the
                # next.
                over = np.median if enough else np.min
                shares[k] = np.nan_to_num(over(rows, axis=0))
        if not enough:
            shares = np.where(shares >= 1, shares, 0.0)
        baseline = _baseline(run)
        limit = baseline + self.limit("excess") * (1 - baseline)
        hits = Hits((shares > limit) & judged)
        if not hits.which:
            return None
        start = min(
            _since(dead[: prefix[k], k][:, hits.mask[k]], limit[hits.mask[k]]) for k in hits.which
        )
        return self._finding(
            run, hits, shares, baseline, Window(start, max(1, int(prefix[hits.which].max())))
        )

    def _finding(
        self, run: Run, hits: Hits, shares: Array, baseline: Array, window: Window
    ) -> Finding:
        latest = Window(max(window.start, window.stop - WINDOW), window.stop)
        median = np.median(shares[hits.which], axis=0)
        worst = int((median - baseline).argmax())
        layers = hits.layers or (worst + 1,)
        gone = median[worst] >= self.limit("gone")
        harmless = NOTE if unharmed(run, hits.which) else WARNING
        limit = float(baseline[worst] + self.limit("excess") * (1 - baseline[worst]))
        message = (
            f"{100 * median[worst]:.0f} % of the units of layer {worst + 1} are silent on every "
            f"example{seeds(hits.replicates)} (a healthy net of this depth: "
            f"{100 * baseline[worst]:.0f} %, limit {number(100 * limit)} %); {are_hit(layers)}."
        )
        return self.finding(
            hits,
            window,
            layers=layers,
            value=float(median[worst]),
            limit=limit,
            message=message,
            severity=severity(run, hits.which, harmless=NOTE) if gone else harmless,
            cause=cause.explain(run, layers, hits.which, latest, grows=False),
            remedies=_remedies(run, layers, hits.which, window),
            columns=("dead_fraction", "slope_rms", "activation_mean"),
        )


def _remedies(
    run: Run, layers: tuple[int, ...], which: list[int], window: Window
) -> tuple[Remedy, ...]:
    """Propose what the time of death speaks for: the start, or the steps before it."""
    leaky = remedy(
        "use activation",
        "use leaky relu or elu, whose slope is never 0",
        activation="leaky_relu",
    )
    if window.start == 0:
        biases = zero_biases(run, layers, evidence="silent from iteration 0 on")
        return (
            biases,
            initialize(run, layers, "he_normal", evidence="silent from iteration 0"),
            leaky,
        )
    pushed = _largest_step(run, layers, which, window.start)
    if pushed is None or pushed < LARGE_STEP:
        return (leaky,)
    evidence = f"a step moved the layer by {part_of(pushed)} its norm before"
    words = "one large step can push every unit below 0 for good"
    return lower_learning_rate(run, 10, because=words, evidence=evidence), leaky


def _largest_step(run: Run, layers: tuple[int, ...], which: list[int], stop: int) -> float | None:
    """Return the largest update ratio of these layers before a row; None if not measured."""
    if "update_ratio" not in run:
        return None
    steps = run["update_ratio"][:stop][:, which][:, :, [layer - 1 for layer in layers]]
    known = steps[np.isfinite(steps)]
    return float(known.max()) if len(known) else None


def _since(dead: Array, limit: Array) -> int:
    """Return the row at which the last stretch above its limit begins in some layer of (T, layers).

    Usually that stretch lasts until the end; a last batch that wakes units up does not end it.
    Rows at which nothing was measured interrupt no stretch.
    """
    measured = np.isfinite(dead)
    silent = (dead > limit) & measured
    alive = (dead <= limit) & measured
    starts = []
    for layer in np.flatnonzero(silent.any(axis=0)):
        last = np.flatnonzero(silent[:, layer])[-1]
        before = np.flatnonzero(alive[:last, layer])
        starts.append(int(before[-1]) + 1 if len(before) else 0)
    return min(starts, default=0)


def _baseline(run: Run) -> Array:
    """The share of units of each layer that are silent on a whole batch in a healthy net at
    initialization (L,).
    """
    from gradlab import theory

    batch, names = config_number(run, "batch_size", 0), run.layer("activation").tolist()
    sizes = [int(n) for n in np.nan_to_num([run.layer("fan_in")[0], *run.layer("fan_out")], nan=1)]
    if batch < 1 or names[0] not in activations.ACTIVATIONS:
        return np.zeros(len(names))
    correlation = config_number(run, "input_correlation", 0.0)
    return theory.silent_fraction(
        names[0], sizes, int(batch), input_correlation=min(max(correlation, 0.0), 0.999)
    )
