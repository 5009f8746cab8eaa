"""Mean field theory of nets with skip connections, normalization and dropout.

The nets are those of `gradlab.nn.modifiers`.

With x_l the residual stream, n_l its normalization, h_l = m_l phi(n_l), a the branch scale, p the
dropout and z_l = h_{l-1} W_l of variance q_l = sigma_l^2 E h_{l-1}^2, for wide layers and, with
BatchNorm, large batches

    E x_l^2 = E x_{l-1}^2 + a^2 q_l    (a skip)    or    q_l
    s_l^2   = E x_l^2 over the units of an example (LayerNorm), or its variance over the batch
    (BatchNorm), or 1
    ||g_l||^2 = sigma_{l+1}^2 E phi'(n_l)^2 / ((1 - p) s_l^2) ||delta_{l+1}||^2 + ||g_{l+1}||^2 (a
    skip into l+1)
    ||delta_l||^2 = a^2 ||g_l||^2 (a skip into l)  or  ||g_l||^2            g_l = dLoss/dx_l

Over the batch, BatchNorm leaves n_l of variance 1 and examples independent, so that the variance of
z_{l+1} there is sigma^2 (E h^2 - (E h)^2): for relu 1/2 - 1/(2 pi), and a step back multiplies the
squared gradient by pi / (pi - 1) (Yang et al. 2019, theorem 3.9). Backward, a norm's centring and
projection take two of n (or B) directions: left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.activations import Activation
from gradlab.theory import gaussian

Array = np.ndarray

EPSILON = 1e-5  # of the norms


@dataclass(frozen=True)
class ModifiedNet:
    """What stands around each activation, and what the inputs are like.

    Attributes
    ----------
    norm : "batch", "layer" or None
    branch : float
        a.
    skips : sequence of bool (L - 1,)
        Whether a hidden layer is added to the one before it.
    dropout : float
    q_input, input_correlation : float
        Mean square of the inputs, and the mean cosine between two of them.
    """

    norm: str | None
    branch: float
    skips: Sequence[bool]
    dropout: float
    q_input: float
    input_correlation: float


@dataclass(frozen=True)
class Profile:
    """What `profile` predicts, layer by layer."""

    q: Array
    """Variance of z_l (L,)."""
    signal: Array
    """E h_l^2 (L,)."""
    moments: list[gaussian.Moments]
    """Of the activation of each hidden layer (L - 1)."""
    log_delta_ratio: Array
    """ln ||delta_l|| / ||delta_L|| (L,)."""
    log_variance: Array
    """Variance of twice that, to first order in 1/width (L,)."""


def profile(phi: Activation, sigma2: Array, widths: Sequence[int], net: ModifiedNet) -> Profile:
    """Follow the signal forwards, then the gradient backwards."""
    q, signal, moments, scale2 = _forward(phi, sigma2, net)
    hidden = len(moments)
    kept = 1 / (1 - net.dropout)
    log_delta = np.zeros(hidden + 1)  # ln ||delta_l||^2, the last layer's 0
    log_stream, variance = -math.inf, np.zeros(hidden + 1)  # ln ||g_{l+1}||^2
    for layer in range(hidden - 1, -1, -1):
        step = math.log(sigma2[layer + 1]) + math.log(moments[layer].slope) + math.log(kept)
        step -= math.log(scale2[layer])
        branch = step + log_delta[layer + 1]
        skipped = layer + 1 < hidden and net.skips[layer + 1]
        log_stream = float(np.logaddexp(branch, log_stream)) if skipped else branch
        log_delta[layer] = log_stream + (2 * math.log(net.branch) if net.skips[layer] else 0.0)
        share = math.exp(branch - log_stream)  # only the branch fluctuates anew
        variance[layer] = (
            variance[layer + 1] + share**2 * moments[layer].step_variance / widths[layer]
        )
    return Profile(q, signal, moments, 0.5 * log_delta, variance)


def _forward(
    phi: Activation, sigma2: Array, net: ModifiedNet
) -> tuple[Array, Array, list[gaussian.Moments], list[float]]:
    """Return q, E h^2, the moments, and s^2 of every layer."""
    z, w = gaussian.nodes()
    kept = 1 / (1 - net.dropout)
    square = net.q_input  # E h^2
    spread = net.q_input * (1 - net.input_correlation)  # its variance over the batch
    stream = 0.0
    stream_spread = 0.0
    q = np.empty(len(sigma2))
    signal = np.empty(len(sigma2))
    moments = []
    scale2 = []
    for layer in range(len(sigma2) - 1):
        variance = float(sigma2[layer]) * square  # infinite at most: NumPy's numbers would warn
        q[layer] = variance
        added = net.branch**2 if net.skips[layer] else 1.0
        if not net.skips[layer]:
            stream = 0.0
            stream_spread = 0.0
        stream = gaussian.within(stream + added * variance)
        stream_spread = min(
            stream_spread + added * float(sigma2[layer]) * spread, gaussian.Q_NEAR_INFINITY
        )
        within = {None: 1.0, "layer": stream + EPSILON, "batch": stream_spread + EPSILON}[net.norm]
        moments.append(gaussian.moments(phi, stream if net.norm is None else 1.0))
        scale2.append(within)
        mean = float(w @ phi(math.sqrt(stream if net.norm is None else 1.0) * z))
        square = moments[-1].signal * kept
        spread = max(square - mean**2, 0.0)  # below 0 by rounding alone
        signal[layer] = square
    q[-1] = signal[-1] = float(sigma2[-1]) * square
    return q, signal, moments, scale2
