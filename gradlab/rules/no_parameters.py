"""Weights that the forward pass uses, and that are no parameters of the model: layers in a list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.rules.base import ERROR, NOTE, WARNING
from gradlab.rules.remedies import Remedy
from gradlab.rules.unseen_cuts import LARGE, named
from gradlab.rules.yardsticks import AS_GOOD_AS_CONSTANT, failed, outcomes
from gradlab.run import Run

COUNTS, MOST = ("tensors", "numbers"), 1 << 50
FEW = 0.01  # of the weights: no net fails for want of them


@dataclass(frozen=True)
class Unheld:
    """What is used and trained by nobody, and how that is said.

    Attributes
    ----------
    share : float
        Of all numbers that ought to be trained.
    """

    share: float
    message: str
    evidence: str
    remedy: Remedy
    severity: str


def no_parameters(run: Run) -> Unheld | None:
    """Tell of them; a note where the net learns all the same, since they may be fixed on purpose.

    A random or a pretrained part is hidden from `parameters()` in just this way.
    """
    facts = run.provenance.get("unheld")
    if not isinstance(facts, dict) or not all(
        isinstance(facts.get(name), int) and 0 < facts[name] < MOST for name in COUNTS
    ):
        return None
    held = float(np.nan_to_num(run.layer("parameters"), nan=1.0).sum())
    share = facts["numbers"] / (facts["numbers"] + held)
    count, names = int(facts["tensors"]), [str(name) for name in facts.get("names", ())]
    what = "tensor" if count == 1 else "tensors"
    sizes = [" x ".join(map(str, shape)) or "1" for shape in facts.get("shapes", ())]
    which = named(names) if names else f"of {named(sizes)} numbers"
    if facts.get("anew"):
        why = "forward makes them anew in each pass"
        words = "make layers and parameters in __init__, once, and only use them in forward"
    else:
        why = "they get a gradient, no optimizer moves them, and parameters() does not list them"
        words = (
            "put layers into nn.ModuleList, nn.ModuleDict or nn.Sequential, and single weights "
            "into nn.Parameter, as attributes of the module; then make the optimizer"
        )
    severity = _severity(run, share)
    if severity == NOTE and facts.get("plain"):
        return None  # points that a loss is differentiated by stand in a model, too
    return Unheld(
        share,
        f"{count} {what} that forward uses as weights ({which}) are no parameters of the model: "
        f"{why}.",
        why,
        Remedy("register", words, {"tensors": names or sizes}, why),
        severity,
    )


def _severity(run: Run, share: float) -> str:
    if share < FEW:
        return NOTE
    if failed(run).all():
        return ERROR if share >= LARGE else WARNING
    little = all(state.share >= AS_GOOD_AS_CONSTANT for state in outcomes(run))
    return WARNING if little else NOTE
