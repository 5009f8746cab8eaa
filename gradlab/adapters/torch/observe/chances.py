"""Whether a criterion that asks for logits, or for logarithms of probabilities, is given those."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradlab.adapters.torch.measure.arrays import array_of

# Criterion -> the axis of the classes. Logits are any numbers, logarithms of probabilities never
# above 0: neither adds up to 1 in every row.
CLASSES = {"cross_entropy": 1, "nll_loss": 1, "kl_div": -1, "ctc_loss": -1}
ROWS = 64  # that are looked at: no few logits add up to 1 by chance in each
OF_LOGARITHMS = ("nll_loss", "ctc_loss")  # whose classes lie on a known axis
ENTRIES = 1 << 14  # of which exponentials are taken
EPSILON = 0.01  # log(p + 1e-3) of ten classes
MOST = 0.5  # of the rows
ROUNDING = 16  # units in the last place: a softmax rounds each entry, and their sum


def are_probabilities(name: str, answer: Tensor) -> Tensor | bool | None:
    """Return whether each row of answers holds a share for each class.

    Where that lies on a device, as a tensor of one bool. None where the criterion asks for no
    logits and no logarithms, or where there is one class.
    """
    axis = CLASSES.get(name)
    if axis is None or not answer.is_floating_point() or not answer.numel():
        return None
    axis = min(axis, answer.ndim - 1)
    if answer.shape[axis] < 2:
        return None
    part = answer.detach()[:ROWS] if axis else answer.detach()
    for other in range(1, part.ndim):  # of an image or a sequence: some places of each example
        if other != axis % part.ndim:
            part = part.narrow(other, 0, max(1, min(part.shape[other], ROWS // len(part))))
    near = ROUNDING * torch.finfo(answer.dtype).eps
    if answer.device.type == "cpu":
        shares = array_of(part)
        if shares.min() < 0:  # as of most logits
            return False
        total = shares.sum(axis=axis, dtype=np.float64)
        return bool((np.abs(total - 1) <= near).all())
    total = part.double().sum(dim=axis)
    return (part >= 0).all() & ((total - 1).abs() <= near).all()


def over_other_axis(name: str, answer: Tensor) -> Tensor | bool | None:
    """Return whether answers are logarithms of probabilities over another axis than the classes'.

    A softmax over n of R examples, positions or times gives each class a total of R / n over all
    of them, whatever the net answers; one over the classes gives each row a total of 1. None where
    the criterion asks for no such logarithms, or where its classes may lie on any axis (kl_div).
    """
    if name not in OF_LOGARITHMS or not answer.is_floating_point() or answer.ndim < 2:
        return None
    classes = CLASSES[name] % answer.ndim
    if answer.shape[classes] < 2 or not answer.shape[classes] < answer.numel() <= ENTRIES:
        return None
    if answer.device.type == "cpu":
        with np.errstate(all="ignore"):
            logarithms = array_of(answer.detach()).astype(np.float64)
            shares = np.moveaxis(np.exp(logarithms), classes, -1).reshape(-1, answer.shape[classes])
            if _far(shares.sum(axis=1), 1).mean() < MOST:
                return False
            totals = shares.sum(axis=0)
            return bool(totals[0] > 0.5 and not _far(totals, totals[0].round()).any())
    shares = answer.detach().double().exp().movedim(classes, -1).flatten(end_dim=-2)
    totals = shares.sum(dim=0)
    wrong = _far(shares.sum(dim=1), 1).double().mean() >= MOST
    return wrong & (totals[0] > 0.5) & ~_far(totals, totals[0].round()).any()


def _far(totals: Any, expected: Any) -> Any:
    """Where totals are not as expected, beyond what an epsilon inside a logarithm adds."""
    return abs(totals - expected) > EPSILON * expected
