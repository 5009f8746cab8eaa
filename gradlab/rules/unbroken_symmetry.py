"""GL305 unbroken-symmetry."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules.base import NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import fitting_scheme, initialize, remedy
from gradlab.rules.windows import finite_prefix
from gradlab.rules.wording import seeds, span
from gradlab.rules.yardsticks import learns, severity
from gradlab.run import Run


class UnbrokenSymmetry(Rule):
    """Unbroken symmetry (GL305).

    What it does
    ------------
    Looks for hidden layers in which two units read their inputs by the same weights (a cosine of
    0.99999) from the first iteration to the last: an error where nothing is learned, a note in a
    net that learns, or a warning where half of the hidden layers are so and move. Layers of fewer
    than four inputs are not judged: there, chance makes such pairs.

    Why it is bad
    -------------
    Units that start alike get the same gradient and stay alike for ever: a layer of a hundred is
    worth one. And what n equal units say adds up to n times, not sqrt(n) times, what one says:
    signals grow, saturate or die.

    Example
    -------
    All weights initialized to 0, or to the same constant.

    What to try
    -----------
    A random initialization: he_normal for relu, glorot_normal for tanh and sigmoid.

    References
    ----------
    Goodfellow, Bengio, Courville 2016, section 8.4.
    """

    code = "GL305"
    whole = False
    name = "unbroken-symmetry"
    summary = "units of a layer that started alike and stay alike"
    needs = ("unit_similarity",)
    limits: ClassVar = {
        "same": Limit(
            1 - 1e-5, "cosine between two units' weights", "Rounding in float32 leaves 1e-7."
        ),
        "least_inputs": Limit(
            4, "inputs", "With fewer, two of 64 random units are this parallel by chance."
        ),
    }
    explains = (
        "GL101",
        "GL102",
        "GL107",
        "GL201",
        "GL202",
        "GL203",
        "GL302",
        "GL303",
        "GL304",
        "GL309",
        "GL401",
        "GL402",
    )

    def missing(self, run: Run) -> str | None:
        """A net without hidden layers has no units to confuse, and lacks nothing."""
        return super().missing(run) if run.shape[2] > 1 else None

    def judge(self, run: Run) -> Finding | None:
        """Judge the recorded iterations of each replicate, first and last included."""
        if run.shape[2] < 2:
            return None
        similarity, prefix = run["unit_similarity"], finite_prefix(run)
        judged = (run.layer("fan_in") >= self.limit("least_inputs")) & (
            np.arange(run.shape[2]) < run.shape[2] - 1
        )
        mask = np.zeros(run.shape[1:], bool)
        lowest = np.ones(run.shape[1:])
        for k, stop in enumerate(prefix):
            known = similarity[: int(stop), k]
            known = known[np.isfinite(known).any(axis=1)]
            if len(known):
                lowest[k] = np.nan_to_num(known.min(axis=0))
                mask[k] = judged & (lowest[k] >= self.limit("same"))
        hits = Hits(mask)
        if not hits.which:
            return None
        layers = hits.layers or (int(mask[hits.which[0]].argmax()) + 1,)
        stop = int(prefix[hits.which].max())
        holds = "holds" if len(layers) == 1 else "hold"
        return self.finding(
            hits,
            Window(0, max(1, stop)),
            severity=severity(
                run,
                hits.which,
                harmless=NOTE
                if learns(run)[hits.which].all() and not _most(run, hits)
                else WARNING,
            ),
            layers=layers,
            value=float(lowest[hits.which][:, layers[0] - 1].max()),
            limit=self.limit("same"),
            message=f"{span(layers).capitalize()} {holds} units with the same weights from the "
            f"first iteration to the last{seeds(hits.replicates)}: what starts alike learns alike.",
            remedies=(
                initialize(
                    run,
                    layers,
                    fitting_scheme(run.layer("activation")[layers[0] - 1]),
                    because="drawn at random, no two units start alike",
                ),
                remedy(
                    "check initialization",
                    "see that no later step sets the weights to a constant",
                ),
            ),
            columns=("unit_similarity", "weight_norm"),
        )


def _most(run: Run, hits: Hits) -> bool:
    """Whether half of the hidden layers move and stay alike.

    What stands still may be an adapter that is out of use.
    """
    moved = np.ones(run.shape[2], bool)
    if "update_norm" in run:
        norm = np.where(run.recorded("update_norm"), run["update_norm"], 0.0)
        moved = np.nanmax(norm, axis=(0, 1), initial=0.0) > 0
    alike = hits.mask[hits.which].all(axis=0) & moved
    return bool(2 * alike.sum() >= run.shape[2] - 1)
