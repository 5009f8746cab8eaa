"""What mean field theory predicts of a fully connected net at initialization.

Layer l = 1..L maps sizes[l-1] to sizes[l] units; hidden layers apply phi, the output layer is
linear, and delta_L = dLoss/dlogits. Weights are independent with Var W_l = sigma_l^2 / fan_in,
biases with variance sigma_b^2. With q_l the variance of z_l, q_1 = sigma_1^2 q_0 + sigma_b^2 and z
~ N(0, 1), for wide layers

    q_{l+1} = sigma_{l+1}^2 E[phi(sqrt(q_l) z)^2] + sigma_b^2
    chi_l   = sigma_{l+1}^2 E[phi'(sqrt(q_l) z)^2]              E ||delta_l||^2 = chi_l E
    ||delta_{l+1}||^2

The last holds for norms over all units, whatever the widths: each of the n_l entries of delta_{l+1}
W_{l+1}^T has the mean square ||delta_{l+1}||^2 Var W_{l+1}, and n_l Var W_{l+1} = sigma_{l+1}^2,
since n_l is the fan_in of W_{l+1}.

Sources: Poole et al. 2016 (eq. 3), Schoenholz et al. 2017 (eqs. 3, 7, 11); fluctuations after Hanin
& Nica 2018.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab import activations
from gradlab.errors import ArgumentError, one_of
from gradlab.ranges import FRACTION, GAIN, VARIANCE, VARIANCE_OR_0, check_sizes
from gradlab.theory import gaussian, modifiers
from gradlab.theory.initializers import weight_variance

Array = np.ndarray


@dataclass(frozen=True)
class Prediction:
    """A net at initialization; every array is (L,), layer l = 1..L at index l - 1.

    The step from l + 1 to l stands in row l, so that the last row of `chi`, `log_gain_weight` and
    `log_gain_slope` is NaN, as in a Run. Norms are over all units and examples; logarithms are
    natural.
    """

    sizes: tuple[int, ...]
    activation: str
    init: str
    gain: float
    weight_variances: Array
    """sigma_l^2 = fan_in Var W_l."""
    q: Array
    """Variance of the preactivations z_l."""
    activation_rms: Array
    """Root mean square of h_l; of the logits in the last row."""
    chi: Array
    """E ||delta_l||^2 / E ||delta_{l+1}||^2."""
    log_gain_weight: Array
    """ln(||W_{l+1}||_F / sqrt(n_{l+1})) = ln sigma_{l+1}."""
    log_gain_slope: Array
    """ln of the root mean square of phi'(z_l)."""
    log_gain_block: Array
    """What skip connections, a norm and dropout add to these two; 0 without them."""
    log_delta_ratio: Array
    """ln(||delta_l|| / ||delta_L||) in the limit of wide layers: half the sum of ln chi over
    l..L-1.
    """
    lower: Array
    """Lower end of the finite-width band of `log_delta_ratio`; see `predict`."""
    upper: Array
    """Upper end of that band."""


def predict(
    sizes: Sequence[int],
    activation: str,
    init: str,
    gain: float = 1.0,
    *,
    q_input: float = 1.0,
    bias_variance: float = 0.0,
    norm: str | None = None,
    residual: float | None = None,
    dropout: float = 0.0,
    input_correlation: float = 0.0,
) -> Prediction:
    """Predict the forward and the backward signal at initialization, layer by layer.

    Parameters
    ----------
    sizes : sequence of int
        Units a layer, input first, output last.
    activation : str
        Of every hidden layer; the output layer is linear.
    init : str
        See `weight_variance`.
    gain : float
        Multiplies the standard deviation of every layer's weights.
    q_input : float
        Mean of the squared inputs over features and examples; 1 for standardized data.
    bias_variance : float
        sigma_b^2 of every layer; 0 where there is a norm, a skip connection or dropout.
    norm, residual, dropout
        As for `gradlab.MLP`.
    input_correlation : float
        Mean cosine between two inputs: BatchNorm sees only in what they differ.

    Returns
    -------
    Prediction

    Raises
    ------
    ArgumentError
        An argument outside its range.

    Notes
    -----
    The band is that of ONE net and ONE example, mean and one standard deviation of ln ||delta_l||:
    `log_delta_ratio - beta/4 +- sqrt(v)/2` with beta = sum of kappa_m / n_m over m = l..L-1 and
    kappa = 3 E phi'^4 / (E phi'^2)^2 - 1 (linear 2, relu 5; Hanin & Nica 2018 for relu). v is beta
    plus what the fluctuation of q_m from net to net adds through chi(q_m), to first order in
    1/width: nothing for linear and relu, an eighth more width for tanh, a sixth for selu. The
    examples of a batch fluctuate apart, so that a batch's norm scatters less and about a higher
    mean: relu at depth 20, width 64, batch 64 on digits 0.00 +- 0.39, one example -0.35 +- 0.65.
    The band is void where the map of q is unstable: gelu and silu with He's init.

    Examples
    --------
    >>> prediction = predict([64] + [64] * 20 + [10], "sigmoid", "glorot_normal")
    >>> round(float(prediction.log_delta_ratio[0]), 2)
    -28.71
    """
    sizes = check_sizes(sizes)
    phi = activations.get(activation)
    q_input = VARIANCE.check("q_input", q_input)
    bias_variance = VARIANCE_OR_0.check("bias_variance", bias_variance)
    sigma2 = np.array([weight_variance(init, *fans, gain) for fans in itertools.pairwise(sizes)])
    dropout = FRACTION.check("dropout", dropout)
    if norm is not None or residual is not None or dropout:
        if bias_variance != 0:
            raise ArgumentError(
                f"bias_variance={bias_variance!r} must be 0 in a net with a norm, skip connections "
                "or dropout"
            )
        net = _modified_net(sizes, norm, residual, dropout, q_input, input_correlation)
        return _predict_modified(sizes, activation, init, gain, sigma2, net)
    q, moments = _forward(phi, sigma2, q_input, bias_variance)
    log_gain_weight = np.append(0.5 * np.log(sigma2[1:]), np.nan)
    log_gain_slope = np.append([0.5 * math.log(m.slope) for m in moments], np.nan)
    log_delta_ratio = _sum_from(log_gain_weight[:-1] + log_gain_slope[:-1])
    widths = np.array(sizes[1:-1], dtype=float)
    beta = _sum_from(np.array([m.step_variance for m in moments]) / widths)
    half_width = 0.5 * np.sqrt(_log_variance(moments, widths, 1 - bias_variance / q[1:]))
    return Prediction(
        sizes=sizes,
        activation=activation,
        init=init,
        gain=gain,
        weight_variances=sigma2,
        q=q,
        activation_rms=np.sqrt([*(m.signal for m in moments), q[-1]]),
        chi=np.exp(2 * (log_gain_weight + log_gain_slope)),
        log_gain_weight=log_gain_weight,
        log_gain_slope=log_gain_slope,
        log_gain_block=np.append(np.zeros(len(moments)), np.nan),
        log_delta_ratio=log_delta_ratio,
        lower=log_delta_ratio - beta / 4 - half_width,
        upper=log_delta_ratio - beta / 4 + half_width,
    )


def _forward(
    phi: activations.Activation, sigma2: Array, q_input: float, bias_variance: float
) -> tuple[Array, list[gaussian.Moments]]:
    """Return q_l = sigma_l^2 E phi(z_{l-1})^2 + sigma_b^2, and the moments of each hidden layer."""
    q = np.empty(len(sigma2))
    q[0] = float(sigma2[0]) * q_input + bias_variance
    moments = []
    for layer in range(len(sigma2) - 1):
        moments.append(gaussian.moments(phi, q[layer]))
        q[layer + 1] = float(sigma2[layer + 1]) * moments[-1].signal + bias_variance
    return q, moments


def _modified_net(
    sizes: tuple[int, ...],
    norm: str | None,
    residual: float | None,
    dropout: float,
    q_input: float,
    input_correlation: float,
) -> modifiers.ModifiedNet:
    if norm is not None:
        one_of("norm", norm, ("batch", "layer"))
    if residual is not None:
        residual = GAIN.check("residual", residual)
    dropout = FRACTION.check("dropout", dropout)
    input_correlation = FRACTION.check("input_correlation", input_correlation)
    hidden = sizes[1:-1]
    skips = [residual is not None and k > 0 and n == hidden[k - 1] for k, n in enumerate(hidden)]
    return modifiers.ModifiedNet(norm, residual or 1.0, skips, dropout, q_input, input_correlation)


def _predict_modified(
    sizes: tuple[int, ...],
    activation: str,
    init: str,
    gain: float,
    sigma2: Array,
    net: modifiers.ModifiedNet,
) -> Prediction:
    """Predict a net with modifiers; its band is that of the branches' fluctuations."""
    found = modifiers.profile(activations.get(activation), sigma2, sizes[1:-1], net)
    weight = np.append(0.5 * np.log(sigma2[1:]), np.nan)
    slope = np.append([0.5 * math.log(m.slope) for m in found.moments], np.nan)
    step = np.append(found.log_delta_ratio[:-1] - found.log_delta_ratio[1:], np.nan)
    centre = found.log_delta_ratio - found.log_variance / 4
    half = 0.5 * np.sqrt(found.log_variance)
    return Prediction(
        sizes=sizes,
        activation=activation,
        init=init,
        gain=gain,
        weight_variances=sigma2,
        q=found.q,
        activation_rms=np.sqrt(found.signal),
        chi=np.exp(2 * step),
        log_gain_weight=weight,
        log_gain_slope=slope,
        log_gain_block=step - weight - slope,
        log_delta_ratio=found.log_delta_ratio,
        lower=centre - half,
        upper=centre + half,
    )


def _sum_from(steps: Array) -> Array:
    """Return sum of steps[l:] for l = 0..len(steps), the last 0."""
    return np.append(np.cumsum(steps[::-1])[::-1], 0.0)


def _log_variance(moments: list[gaussian.Moments], widths: Array, weight_share: Array) -> Array:
    """Return the variance of ln(||delta_l||^2 / ||delta_L||^2), l = 1..L, to order 1/width.

    Let x_l = ln(q_l of one net / q_l predicted), a_l and b_l the responses of ln E phi^2 and ln E
    phi'^2 to it, s_l the weights' share in q_{l+1}. To first order that net has x_{l+1} = s_l (a_l
    x_l + eps_l) and steps ln chi_l + b_l x_l + eta_l, where eps_l and eta_l are the relative errors
    of the means over n_l units of phi^2 and (g phi')^2. So x_l adds T_l x_l to the sum of the steps
    from l on, T_l = b_l + s_l a_l T_{l+1}.
    """
    steps = len(moments)
    total_response, own = np.zeros(steps + 1), np.zeros(steps)
    for l in range(steps - 1, -1, -1):  # noqa: E741
        m, passed_on = moments[l], weight_share[l] * total_response[l + 1]
        own[l] = (
            m.step_variance + 2 * passed_on * m.covariance + passed_on**2 * m.signal_variance
        ) / widths[l]
        total_response[l] = m.slope_response + passed_on * m.signal_response
    variance = _sum_from(own)
    forward = 0.0  # Var x_l, from the layers before l; the first preactivations have none
    for l in range(1, steps):  # noqa: E741
        m = moments[l - 1]
        forward = weight_share[l - 1] ** 2 * (
            m.signal_response**2 * forward + m.signal_variance / widths[l - 1]
        )
        variance[l] += total_response[l] ** 2 * forward
    return variance
