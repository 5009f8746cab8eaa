"""Penalties on weights, never on biases: L2 shrinks them, L1 makes some of them exactly 0.

    L2   adds l2/2 ||W||^2 to the loss: the step's gradient gains l2 W
    L1   adds l1 ||W||_1: after the step, W <- sign(W) max(|W| - eta l1, 0)

The second is the proximal step of Beck & Teboulle 2009 (ISTA, eq. 1.5); the subgradient l1 sign(W)
would step across 0 and back for ever and reach it never. What is recorded of loss and gradients is
the data's alone.
"""

from __future__ import annotations

import numpy as np

from gradlab.ranges import AT_LEAST_0

Array = np.ndarray

CHUNK = 1 << 15  # entries taken at a time: they stay in the cache


class Penalty:
    """Both penalties of a training.

    Parameters
    ----------
    l1, l2 : float
        0 or more; 0 is none.

    Raises
    ------
    ArgumentError
        A value below 0, or none at all.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1 = AT_LEAST_0.check("l1", l1)
        self.l2 = AT_LEAST_0.check("l2", l2)
        self._scratch: Array | None = None

    def add_gradient(self, weights: Array, gradients: Array) -> None:
        """Add l2 W to `gradients`; both flat, (P,)."""
        for w, g, scratch in self._chunks(weights, gradients):
            g += np.multiply(w, self.l2, out=scratch)

    def shrink(self, weights: Array, learning_rate: float) -> None:
        """Move every weight (P,) by eta l1 towards 0, and no farther; NaN stays NaN."""
        reach = learning_rate * self.l1
        for w, _, nearest in self._chunks(weights, weights):
            w -= np.clip(w, -reach, reach, out=nearest)  # w - clip(w) = sign(w) max(|w| - reach, 0)

    def _chunks(self, weights: Array, gradients: Array):
        if self._scratch is None:
            self._scratch = np.empty(min(CHUNK, weights.size), weights.dtype)
        for start in range(0, weights.size, CHUNK):
            w, g = weights[start : start + CHUNK], gradients[start : start + CHUNK]
            yield w, g, self._scratch[: w.size]
