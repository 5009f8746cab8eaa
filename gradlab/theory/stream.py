"""What mean field theory predicts of a residual stream at initialization.

With x the stream at a place, q = E x^2 over its units, f the branch there, and g = dLoss/dx, for
wide layers

    pre-norm    x' = x + f(norm(x))    q' = q + v(1)    ||g||^2 = (1 + c(1) / q) ||g'||^2
    post-norm   x' = norm(x + f(x))    q' = 1           ||g||^2 = (1 + c(q)) / (q + v(q)) ||g'||^2
    plain       x' = x + f(x)          q' = q + v(q)    ||g||^2 = (1 + c(q)) ||g'||^2

where v(q) is the variance of what the branch writes if it reads a signal of variance q, and c(q)
the square of the factor by which it multiplies a gradient on its way back:

    one layer     W phi(x)                v = s E phi(a)^2, c = s E phi'(a)^2, a = sqrt(q) z
    feed-forward  W_2 phi(W_1 x)          v = s_2 E phi(a)^2
                                          c = s_2 s_1 E phi'(a)^2
    gated         W_3 (phi(W_1 x) W_2 x)  v = s_3 s_2 q E phi(a)^2
                                          c = s_3 s_2 (s_1 q E phi'(a)^2 + E phi(a)^2)
    linear        W_2 A W_1 x             v = m s_2 s_1 q
                                          c = m s_2 s_1

with s = fan_in Var W of each matrix, a = sqrt(s_1 q) z, z ~ N(0, 1), and A what mixes the positions
of a sequence (attention): m is 1 where all positions are alike, and near 0 where it averages over
many that are not. The gradients of skip and branch are independent, so their squares add.

So the stream of a pre-norm net grows by the square root of the number of blocks and its gradient
never vanishes; without a norm both grow geometrically; with the norm behind the sum both stay.

Sources: Hanin & Rolnick 2018; Yang & Schoenholz 2017 (residual nets); Xiong et al. 2020 (pre-norm
against post-norm); De & Smith 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab import activations
from gradlab.errors import ArgumentError, one_of, shown
from gradlab.ranges import VARIANCE
from gradlab.theory import gaussian

Array = np.ndarray

NORMS = ("before", "after", "none")
ONE, CHAIN, GATED = 1, 2, 3  # matrices of a branch


@dataclass(frozen=True)
class Branch:
    """What is added to the stream at one place.

    Attributes
    ----------
    weight_variances : tuple of float
        s = fan_in Var W of each matrix, in the order of the forward pass: one behind an activation,
        two of a feed-forward branch or of attention (values, output), three of a gated one (gate,
        up, down).
    activation : str
        In front of the one matrix, between the first and the last, or of the gate; "identity" for
        attention.
    mixing : float
        m, from 0 to 1, where positions of a sequence are averaged.
    """

    weight_variances: tuple[float, ...]
    activation: str = "identity"
    mixing: float = 1.0

    def passed(self, q: float) -> tuple[float, float]:
        """Return v and c of a signal of variance `q`: what is written, and what comes back."""
        *_, last = self.weight_variances
        first = self.weight_variances[0] if len(self.weight_variances) > ONE else 1.0
        signal, slope = gaussian.expectations(activations.get(self.activation), first * q)
        if len(self.weight_variances) == GATED:
            up = self.weight_variances[1]
            written = last * signal * up * q
            back = last * up * (first * slope * q + signal)
        else:
            written = last * signal
            back = last * first * slope
        return self.mixing * written, self.mixing * back


@dataclass(frozen=True)
class StreamPrediction:
    """A residual stream at initialization; every array is (B,), one entry a block.

    Attributes
    ----------
    rms : ndarray
        Root mean square of the stream at each block's output.
    log_gain : ndarray
        ln of the gradient norm at the block's input over that at its output.
    log_grad_ratio : ndarray
        ln of the gradient norm at the block's output over that at the last block's.
    """

    rms: Array
    log_gain: Array
    log_grad_ratio: Array


def predict_stream(
    blocks: Sequence[Sequence[Branch]], norm: str = "before", q_input: float = 1.0
) -> StreamPrediction:
    """Predict the residual stream of a net at initialization, block by block.

    Parameters
    ----------
    blocks : sequence of sequences of Branch
        The additions of each block, first block first.
    norm : str
        Where a norm stands: "before" what a branch reads (pre-norm), "after" the sum (post-norm),
        or "none".
    q_input : float
        Mean square of what the first block reads.

    Raises
    ------
    ArgumentError
        No block, a branch of another number of matrices than one to three, or an argument outside
        its range.

    Notes
    -----
    The scales of norms are 1 and biases 0. The band of a finite width is not predicted: one net of
    width 64 lies within a tenth of it.

    Examples
    --------
    >>> feed_forward = Branch((1.0, 1.0), "relu")
    >>> found = predict_stream([[feed_forward]] * 12)
    >>> round(float(found.rms[-1] ** 2), 3)
    7.0
    """
    _check(blocks, norm, q_input)
    q = float(q_input)
    rms = np.empty(len(blocks))
    log_gain = np.zeros(len(blocks))
    for number, branches in enumerate(blocks):
        for branch in branches:
            q, step = _added(branch, norm, q)
            log_gain[number] += step
        rms[number] = math.sqrt(q)
    later = np.cumsum(log_gain[::-1])[::-1]
    return StreamPrediction(rms, log_gain, np.append(later[1:], 0.0))


def _added(branch: Branch, norm: str, q: float) -> tuple[float, float]:
    """Return q behind one addition, and ln of the gradient in front of it over that behind it."""
    if norm == "before":
        written, back = branch.passed(1.0)
        return q + written, 0.5 * math.log1p(back / q)
    written, back = branch.passed(q)
    if norm == "after":
        return 1.0, 0.5 * math.log((1 + back) / (q + written))
    return q + written, 0.5 * math.log1p(back)


def _check(blocks: Sequence[Sequence[Branch]], norm: str, q_input: float) -> None:
    one_of("norm", norm, NORMS)
    q_input = VARIANCE.check("q_input", q_input)
    if not isinstance(blocks, Sequence) or not all(
        isinstance(branches, Sequence) and all(isinstance(each, Branch) for each in branches)
        for branches in blocks
    ):
        raise ArgumentError(
            f"blocks={shown(blocks)} must be a list of lists of Branch, one list a block"
        )
    if not blocks:
        raise ArgumentError("blocks is empty; give the branches of one block at least")
    for number, branches in enumerate(blocks):
        for branch in branches:
            if len(branch.weight_variances) not in (ONE, CHAIN, GATED):
                raise ArgumentError(
                    f"blocks[{number}] has a branch of {len(branch.weight_variances)} weight "
                    "variances; give one, two (in, out), or three of a gated one (gate, up, down)"
                )
