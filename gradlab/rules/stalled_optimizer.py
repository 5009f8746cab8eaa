"""GL306 stalled-optimizer."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules.base import NOTE, WARNING, Finding, Rule
from gradlab.rules.config_numbers import config_number
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import remedy, set_epsilon
from gradlab.rules.windows import worst_window
from gradlab.rules.wording import are_hit, number, seeds
from gradlab.rules.yardsticks import learns, severity, unfinished
from gradlab.run import Run

WITHOUT = ("sgd", "momentum", "nesterov")  # no second moments
DEFAULT = 1e-8  # Adam's, where a run does not say


class StalledOptimizer(Rule):
    """Stalled optimizer (GL306).

    What it does
    ------------
    Adam, AdamW, RMSprop and AdaGrad divide each gradient by sqrt(v) + epsilon, so that its size
    does not matter, until epsilon does. Compares epsilon with sqrt(v_hat), as a median over 50
    iterations: above a tenth in half of the layers it is a warning; an error where weights that
    moved learned nothing, a note in a net that learns. Judged only while something is left to
    learn.

    Why it is bad
    -------------
    Below epsilon an adaptive optimizer is plain gradient descent with a tiny step: small gradients,
    which it was chosen for, stop the training after all.

    Example
    -------
    epsilon = 1 from a recipe for another network; or gradients of 1e-9, scaled down by a mean over
    millions.

    What to try
    -----------
    A smaller epsilon (1e-8); scale the loss up; cure what makes the gradient small.

    References
    ----------
    Kingma & Ba 2015, section 2.1; Choi et al. 2019 (epsilon as a hyperparameter).
    """

    code = "GL306"
    whole = False
    name = "stalled-optimizer"
    summary = "an adaptive optimizer whose epsilon is larger than the gradients it divides by"
    needs = ("second_moment_rms",)
    limits: ClassVar = {
        "warn": Limit(
            0.1,
            "epsilon over sqrt(v_hat)",
            "Adam's step is lr |g| / (|g| + epsilon): from here on epsilon shortens it by a tenth.",
        ),
        "alarm": Limit(
            1.0, "epsilon over sqrt(v_hat)", "From here on epsilon halves the step, and rules it."
        ),
    }
    explains = ("GL302", "GL312", "GL402")

    def missing(self, run: Run) -> str | None:
        """Optimizers without second moments cannot stall in this way, and lack nothing."""
        return None if run.config.get("optimizer") in WITHOUT else super().missing(run)

    def judge(self, run: Run) -> Finding | None:
        """Judge every window in which something is left to learn."""
        if "second_moment_rms" not in run:
            return None
        epsilon = config_number(run, "epsilon", DEFAULT)
        with np.errstate(all="ignore"):
            share = epsilon / run["second_moment_rms"]
        share[np.isinf(share)] = np.nan  # no gradient at all: no epsilon is small enough for that
        found = worst_window(
            run,
            np.where(unfinished(run)[:, :, None], share, np.nan),
            self.limit("warn"),
            self.limit("alarm"),
        )
        if found is None:
            return None
        known = np.isfinite(share).any(axis=(0, 1))
        if 2 * len(found.layers) < known.sum():
            return (
                None  # rows of a table that few batches touch, a branch at rest: not the optimizer
            )
        layer, value = found.worst
        return self.finding(
            found.hits,
            found.since,
            severity=severity(
                run,
                found.hits.which,
                harmless=NOTE if learns(run)[found.hits.which].all() else WARNING,
                of_steps=True,
            ),
            layers=found.layers,
            value=value,
            limit=found.limit,
            message=f"The optimizer's epsilon of {number(epsilon)} stands against second moments "
            f"of {number(epsilon / value)} in layer {layer}{seeds(found.hits.replicates)}: "
            f"{number(value)} times as much, so that the steps shrink with the gradient (limit "
            f"{found.limit:g}); {are_hit(found.layers)}.",
            remedies=(
                set_epsilon(
                    run, epsilon / value / 100, because="smaller than a tenth of the gradients"
                ),
                remedy(
                    "scale loss", "scale the loss up: an adaptive optimizer's steps do not mind"
                ),
                remedy("raise learning rate", "raise the learning rate by the same factor"),
            ),
            columns=("second_moment_rms", "update_ratio", "grad_norm"),
        )
