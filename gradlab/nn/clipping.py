"""Gradient clipping by norm (Pascanu et al. 2013), or value by value.

All parameters of a replicate are taken together.

Written "norm:most=1" or "value:most=0.5".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gradlab.layerstack import LayerStack
from gradlab.nn import hyperparameters
from gradlab.nn.hyperparameters import Hyperparameter
from gradlab.ranges import ABOVE_0

Array = np.ndarray
Clip = Callable[[Sequence[LayerStack]], Array]

TINY = 1e-6  # PyTorch's, in clip_grad_norm_

_MOST = {"most": Hyperparameter(None, ABOVE_0)}
HYPERPARAMETERS: dict[str, dict[str, Hyperparameter]] = {"norm": _MOST, "value": _MOST}


def create(text: str, replicates: int | None) -> Clip:
    """Return the clipping that `text` names.

    It changes gradients in place and returns their norm afterwards.

    Parameters
    ----------
    text : str
        "norm:most=X": g <- g min(1, X / (||g|| + 1e-6)), ||g|| over all parameters of one
        replicate; "value:most=X": every entry into [-X, X].
    replicates : int, optional
        Whether the arrays carry a leading replicate axis, as the model's do.

    Returns
    -------
    callable
        `clip(stacks)` for LayerStacks that together hold all gradients -> norm after clipping, (S,)
        or ().

    Raises
    ------
    ArgumentError
        An unknown name, or a limit that is not above 0.
    """
    name, values = hyperparameters.parse("clip", text, HYPERPARAMETERS)
    most = float(values["most"] or 0)
    stacked = replicates is not None

    def by_norm(stacks: Sequence[LayerStack]) -> Array:
        norm = total_norm(stacks, stacked)
        factor = np.minimum(1, most / (norm + TINY))  # NaN stays NaN: clipping must not hide it
        for stack in stacks:
            for _, array in stack.groups:
                array *= (
                    factor.reshape(-1, 1, 1).astype(array.dtype)
                    if stacked
                    else array.dtype.type(factor)
                )
        return norm * factor

    def by_value(stacks: Sequence[LayerStack]) -> Array:
        for stack in stacks:
            np.clip(stack.flat, -most, most, out=stack.flat)
        return total_norm(stacks, stacked)

    return by_norm if name == "norm" else by_value


def total_norm(stacks: Sequence[LayerStack], stacked: bool) -> Array:
    """Return the norm over all arrays of all stacks, in float64: (S,) where `stacked`, else ()."""
    subscripts = "lsab,lsab->s" if stacked else "lab,lab->"
    squares = [
        np.einsum(subscripts, array, array, dtype=np.float64, casting="safe")
        for stack in stacks
        for _, array in stack.groups
    ]
    return np.sqrt(np.sum(squares, axis=0))
