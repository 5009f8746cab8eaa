"""Whether a criterion that asks for logits or for logarithms is given probabilities."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gradlab.adapters.torch.measure.arrays import array_of

# Criterion -> the axis of the classes. Logits are any numbers, logarithms of probabilities never
# above 0: neither adds up to 1 in every row.
CLASSES = {"cross_entropy": 1, "nll_loss": 1, "kl_div": -1, "ctc_loss": -1}
ROWS = 64  # that are looked at: no few logits add up to 1 by chance in each
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
