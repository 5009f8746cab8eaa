"""Whether a net's answers fit their own targets better than those of other examples.

A loss may stand far above that of the best constant answer and its net have learned all the same:
where the loss makes its own task harder (a margin that is taken off the right class's logit, as in
ArcFace), no constant answer is given it. Answers that know nothing of their targets fit those of
the next example as well.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradlab.adapters.torch.observe import functions

SIZED = {  # criteria of answers and targets with the examples first, and the parts of theirs
    "cross_entropy": (),
    "mse_loss": ("weight",),
    "l1_loss": ("weight",),
    "smooth_l1_loss": (),
    "huber_loss": ("weight",),
    "binary_cross_entropy": ("weight",),
    "binary_cross_entropy_with_logits": ("weight",),
    "poisson_nll_loss": (),
}
EXAMPLES = 256  # that are looked at
ENTRIES = 1 << 18  # of their answers, at most
LEAST = 8  # examples: of two, chance tells as much as the net


@torch.no_grad()
def own_over_exchanged(
    name: str, arguments: dict[str, Any], answer: Tensor, target: Tensor
) -> Tensor | None:
    """Return the criterion over the criterion with each example's target moved on to the next one;
    of counts under Poisson's likelihood, how far each stands above the least that can be.

    Returns
    -------
    Tensor () or None
        Below 1 where answers fit their own targets better; NaN where all targets are alike, as in
        a batch of true pairs alone; None where the criterion, or the shape of what it was given,
        does not say which target belongs to which answer.
    """
    if name not in SIZED or not answer.ndim or not target.ndim or len(answer) != len(target):
        return None
    if any(arguments.get(each) is not None for each in SIZED[name]):
        return None  # of these examples, and not of others
    size = max(1, answer[0].numel())
    part = min(len(answer), EXAMPLES, ENTRIES // size)
    if part < LEAST:
        return None
    answers, targets = answer.detach()[:part], target.detach()[:part]
    criterion = functions.original(name)
    settings = {
        key: value
        for key, value in arguments.items()
        if key not in ("input", "target", "size_average", "reduce", "reduction")
    }
    moved, best = targets.roll(1, 0), 0.0
    if name == "poisson_nll_loss":
        settings["full"] = False  # its term of the targets alone is the same in both
        # The least that counts t allow, t - t ln t, is no 0, and often negative.
        best = (targets - torch.xlogy(targets, targets)).double().mean()
    own, exchanged = (
        criterion(answers, each, reduction="mean", **settings).double() - best
        for each in (targets, moved)
    )
    return (own / exchanged).where((targets != moved).any(), torch.nan)


@torch.no_grad()
def right_share(
    name: str, arguments: dict[str, Any], answer: Tensor, target: Tensor
) -> Tensor | None:
    """Return the share of examples whose largest logit is that of their class.

    A loss that stays at a constant's tells a net that knows nothing from one whose logits are kept
    too small only together with it.

    Returns
    -------
    Tensor () or None
        NaN where no example counts; None where the criterion is no cross_entropy of classes with
        the examples first.
    """
    if name != "cross_entropy" or target.is_floating_point() or answer.ndim < 2:
        return None
    size = max(1, answer[0].numel()) if len(answer) else 1
    part = min(len(answer), EXAMPLES, ENTRIES // size)
    if part < LEAST:
        return None
    classes = target.detach()[:part]
    counted = classes != arguments.get("ignore_index", -100)
    right = (answer.detach()[:part].argmax(dim=1) == classes) & counted
    return right.sum().double() / counted.sum()
