"""What mean field theory predicts of a fully connected net at initialization.

Layer l = 1..L maps sizes[l-1] to sizes[l] units; hidden layers apply phi, the output layer is linear, and
delta_L = dLoss/dlogits. Weights are independent with Var W_l = sigma_l^2 / fan_in, biases with variance sigma_b^2.
With q_l the variance of z_l, q_1 = sigma_1^2 q_0 + sigma_b^2 and z ~ N(0, 1), for wide layers

    q_{l+1} = sigma_{l+1}^2 E[phi(sqrt(q_l) z)^2] + sigma_b^2
    chi_l   = sigma_{l+1}^2 E[phi'(sqrt(q_l) z)^2]              E ||delta_l||^2 = chi_l E ||delta_{l+1}||^2

The last holds for norms over all units, whatever the widths: each of the n_l entries of delta_{l+1} W_{l+1}^T has the
mean square ||delta_{l+1}||^2 Var W_{l+1}, and n_l Var W_{l+1} = sigma_{l+1}^2, since n_l is the fan_in of W_{l+1}.

Sources: Poole et al. 2016 (eq. 3), Schoenholz et al. 2017 (eqs. 3, 7, 11); fluctuations after Hanin & Nica 2018.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab import activations
from gradlab.errors import ArgumentError, above_zero, one_of, whole
from gradlab.theory import gaussian
from gradlab.theory import modifiers as _layered_theory

Array = np.ndarray

# sigma_w^2 = fan_in Var W of each initializer, normal or uniform.
_SIGMA2 = {
    "glorot": lambda fan_in, fan_out: 2 * fan_in / (fan_in + fan_out),  # Glorot & Bengio 2010, eq. 16
    "he": lambda fan_in, fan_out: 2.0,  # He et al. 2015, eq. 10
    "lecun": lambda fan_in, fan_out: 1.0,  # LeCun et al. 1998, section 4.6
    "orthogonal": lambda fan_in, fan_out: fan_in / max(fan_in, fan_out),  # Saxe et al. 2014
    "pytorch_linear": lambda fan_in, fan_out: 1 / 3,
}
_PLAIN = ("orthogonal", "pytorch_linear")
INITIALIZERS = (
    *(f"{scheme}_{shape}" for scheme in _SIGMA2 if scheme not in _PLAIN for shape in ("normal", "uniform")),
    *_PLAIN,
)


def weight_variance(init: str, fan_in: int, fan_out: int, gain: float = 1.0) -> float:
    """Return sigma_w^2 = fan_in Var W of an initializer.

    Parameters
    ----------
    init : str
        Glorot, He or LeCun, "_normal" or "_uniform"; "orthogonal", of which mean field theory knows the same; or
        "pytorch_linear": U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
    fan_in, fan_out : int
        Units read and units written.
    gain : float
        Multiplies the standard deviation.

    Raises
    ------
    ArgumentError
        An unknown init, a fan below 1, a gain that is not above 0.

    Examples
    --------
    >>> round(weight_variance("glorot_normal", 64, 10), 4)
    1.7297
    """
    one_of("init", init, INITIALIZERS)
    whole("fan_in", fan_in, 1)
    whole("fan_out", fan_out, 1)
    above_zero("gain", gain)
    scheme = init if init in _PLAIN else init.split("_")[0]
    return gain * gain * _SIGMA2[scheme](fan_in, fan_out)


@dataclass(frozen=True)
class Prediction:
    """A net at initialization; every array is (L,), layer l = 1..L at index l - 1.

    The step from l + 1 to l stands in row l, so that the last row of `chi`, `log_gain_weight` and `log_gain_slope` is
    NaN, as in a Run. Norms are over all units and examples; logarithms are natural.
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
    """ln(||delta_l|| / ||delta_L||) in the limit of wide layers: half the sum of ln chi over l..L-1."""
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
    kappa = 3 E phi'^4 / (E phi'^2)^2 - 1 (linear 2, relu 5; Hanin & Nica 2018 for relu). v is beta plus what the
    fluctuation of q_m from net to net adds through chi(q_m), to first order in 1/width: nothing for linear and relu, an
    eighth more width for tanh, a sixth for selu. The examples of a batch fluctuate apart, so that a batch's norm
    scatters less and about a higher mean: relu at depth 20, width 64, batch 64 on digits 0.00 +- 0.39, one example
    -0.35 +- 0.65. The band is void where the map of q is unstable: gelu and silu with He's init.

    Examples
    --------
    >>> prediction = predict([64] + [64] * 20 + [10], "sigmoid", "glorot_normal")
    >>> round(float(prediction.log_delta_ratio[0]), 2)
    -28.71
    """
    sizes, phi = _check_sizes(sizes), activations.get(activation)
    above_zero("q_input", q_input)
    _check_not_negative("bias_variance", bias_variance)
    fans = list(itertools.pairwise(sizes))
    sigma2 = np.array([weight_variance(init, fan_in, fan_out, gain) for fan_in, fan_out in fans])
    if norm is not None or residual is not None or dropout:
        net = _layered(sizes, norm, residual, dropout, bias_variance, q_input, input_correlation)
        return _predict_layered(sizes, activation, init, gain, sigma2, net)
    q, moments = np.empty(len(fans)), []
    q[0] = sigma2[0] * q_input + bias_variance
    for layer in range(len(fans) - 1):
        moments.append(gaussian.moments(phi, q[layer]))
        q[layer + 1] = sigma2[layer + 1] * moments[-1].signal + bias_variance
    log_gain_weight = np.append(0.5 * np.log(sigma2[1:]), np.nan)
    log_gain_slope = np.append([0.5 * math.log(m.slope) for m in moments], np.nan)
    log_delta_ratio = _sum_from(log_gain_weight[:-1] + log_gain_slope[:-1])
    widths = np.array(sizes[1:-1], dtype=float)
    beta = _sum_from(np.array([m.step_variance for m in moments]) / widths)
    half_width = 0.5 * np.sqrt(_log_variance(moments, widths, 1 - bias_variance / q[1:]))
    return Prediction(
        sizes=sizes, activation=activation, init=init, gain=gain, weight_variances=sigma2, q=q,
        activation_rms=np.sqrt([*(m.signal for m in moments), q[-1]]),
        chi=np.exp(2 * (log_gain_weight + log_gain_slope)),
        log_gain_weight=log_gain_weight, log_gain_slope=log_gain_slope,
        log_gain_block=np.append(np.zeros(len(moments)), np.nan), log_delta_ratio=log_delta_ratio,
        lower=log_delta_ratio - beta / 4 - half_width, upper=log_delta_ratio - beta / 4 + half_width,
    )  # fmt: skip


def _layered(
    sizes: tuple[int, ...], norm: str | None, residual: float | None, dropout: float, bias_variance: float,
    q_input: float, input_correlation: float,
) -> _layered_theory.Layered:  # fmt: skip
    if norm is not None:
        one_of("norm", norm, ("batch", "layer"))
    if residual is not None:
        above_zero("residual", residual)
    _require(0 <= dropout < 1, "dropout", dropout, "at least 0 and below 1")
    _require(0 <= input_correlation < 1, "input_correlation", input_correlation, "at least 0 and below 1")
    _require(bias_variance == 0, "bias_variance", bias_variance, "0 in a net with a norm, skip connections or dropout")
    hidden = sizes[1:-1]
    skips = [residual is not None and k > 0 and n == hidden[k - 1] for k, n in enumerate(hidden)]
    return _layered_theory.Layered(norm, residual or 1.0, skips, dropout, q_input, input_correlation)


def _predict_layered(
    sizes: tuple[int, ...], activation: str, init: str, gain: float, sigma2: Array, net: _layered_theory.Layered
) -> Prediction:
    """Predict a net with blocks; the band is that of the branches' fluctuations, its ends as in `predict`."""
    found = _layered_theory.profile(activations.get(activation), sigma2, sizes[1:-1], net)
    weight = np.append(0.5 * np.log(sigma2[1:]), np.nan)
    slope = np.append([0.5 * math.log(m.slope) for m in found.moments], np.nan)
    step = np.append(found.log_delta_ratio[:-1] - found.log_delta_ratio[1:], np.nan)
    centre, half = found.log_delta_ratio - found.log_variance / 4, 0.5 * np.sqrt(found.log_variance)
    return Prediction(
        sizes=sizes, activation=activation, init=init, gain=gain, weight_variances=sigma2, q=found.q,
        activation_rms=np.sqrt(found.signal), chi=np.exp(2 * step), log_gain_weight=weight, log_gain_slope=slope,
        log_gain_block=step - weight - slope, log_delta_ratio=found.log_delta_ratio,
        lower=centre - half, upper=centre + half,
    )  # fmt: skip


def _sum_from(steps: Array) -> Array:
    """Return sum of steps[l:] for l = 0..len(steps), the last 0."""
    return np.append(np.cumsum(steps[::-1])[::-1], 0.0)


def _log_variance(moments: list[gaussian.Moments], widths: Array, weight_share: Array) -> Array:
    """Return the variance of ln(||delta_l||^2 / ||delta_L||^2) for l = 1..L, to first order in 1/width.

    Let x_l = ln(q_l of one net / q_l predicted), a_l and b_l the responses of ln E phi^2 and ln E phi'^2 to it, s_l the
    weights' share in q_{l+1}. To first order that net has x_{l+1} = s_l (a_l x_l + eps_l) and steps
    ln chi_l + b_l x_l + eta_l, where eps_l and eta_l are the relative errors of the means over n_l units of phi^2 and
    (g phi')^2. So x_l adds T_l x_l to the sum of the steps from l on, T_l = b_l + s_l a_l T_{l+1}.
    """
    steps = len(moments)
    total_response, own = np.zeros(steps + 1), np.zeros(steps)
    for l in range(steps - 1, -1, -1):  # noqa: E741
        m, passed_on = moments[l], weight_share[l] * total_response[l + 1]
        own[l] = (m.step_variance + 2 * passed_on * m.covariance + passed_on**2 * m.signal_variance) / widths[l]
        total_response[l] = m.slope_response + passed_on * m.signal_response
    variance = _sum_from(own)
    forward = 0.0  # Var x_l, from the layers before l; the first preactivations have none
    for l in range(1, steps):  # noqa: E741
        m = moments[l - 1]
        forward = weight_share[l - 1] ** 2 * (m.signal_response**2 * forward + m.signal_variance / widths[l - 1])
        variance[l] += total_response[l] ** 2 * forward
    return variance


def fixed_point(activation: str, sigma_w2: float, bias_variance: float = 0.0) -> tuple[float, float]:
    """Return (q*, chi(q*)): where the variance of z settles in an endlessly deep net, and the factor a layer there.

    chi < 1 means that gradients vanish at depth, with a depth scale of -1 / ln chi layers (Schoenholz et al. 2017,
    eq. 11); chi > 1 that they explode. q* is 0 or infinity where the variance dies out or grows for ever.

    Parameters
    ----------
    activation : str
    sigma_w2 : float
        Var W times fan_in, above 0. The map starts at q_1 = sigma_w2 + bias_variance, so at inputs of mean square 1.
    bias_variance : float
    """
    phi = activations.get(activation)
    above_zero("sigma_w2", sigma_w2)
    _check_not_negative("bias_variance", bias_variance)

    def signal_and_slope(q: float) -> tuple[float, float]:
        h2, s2 = gaussian.squares(phi, q)
        return sigma_w2 * float(gaussian.nodes()[1] @ h2), sigma_w2 * float(gaussian.nodes()[1] @ s2)

    def excess(q: float) -> float:
        return (signal_and_slope(q)[0] + bias_variance) / q - 1

    start = sigma_w2 + bias_variance
    direction = excess(start)
    if abs(direction) < 1e-12:  # every q is kept: linear nets at sigma_w2 = 1, relu at 2
        return start, signal_and_slope(start)[1]
    step = 2.0 if direction > 0 else 0.5
    near, far = start, start * step
    while excess(far) * direction > -1e-11:  # nearer 0 is rounding: softplus at sigma_w2 = 2 grows for ever
        near, far = far, far * step
        if not 1e-12 < far < 1e12:
            limit = math.inf if step > 1 else 0.0
            return limit, signal_and_slope(limit)[1]
    for _ in range(50):  # bisection in ln q
        middle = math.sqrt(near * far)
        near, far = (middle, far) if excess(middle) * direction > 0 else (near, middle)
    return near, signal_and_slope(near)[1]


def critical_gain(activation: str, init_variance: float = 1.0) -> float:
    """Return the smallest gain for which chi(q*) reaches 1, without biases: gradients keep their size at depth.

    Parameters
    ----------
    activation : str
    init_variance : float
        sigma_w^2 of the initializer at gain 1, such as `weight_variance("he_normal", 64, 64)`.

    Raises
    ------
    ArgumentError
        An unknown activation, an init_variance that is not above 0.

    Examples
    --------
    >>> round(critical_gain("relu"), 6)
    1.414214
    """
    activations.get(activation)
    above_zero("init_variance", init_variance)
    low = 2.0**-6
    while fixed_point(activation, (2 * low) ** 2)[1] < 1:
        low *= 2
    high = 2 * low
    for _ in range(40):  # bisection in ln sigma_w
        middle = math.sqrt(low * high)
        low, high = (middle, high) if fixed_point(activation, middle**2)[1] < 1 else (low, middle)
    return high / math.sqrt(init_variance)


def depth_below(activation: str, sigma_w2: float, threshold: float, *, deepest: int = 1000) -> int | None:
    """Return the first depth L at which ||delta_1|| / ||delta_L|| is predicted below `threshold`, or None.

    All layers share sigma_w2, biases are 0, inputs have mean square 1 (q_1 = sigma_w2).

    Parameters
    ----------
    activation : str
    sigma_w2 : float
        Var W times fan_in, above 0.
    threshold : float
        Between 0 and 1.
    deepest : int
        None is returned where no depth up to this one falls below: tanh at sigma_w2 = 1 shrinks as L^-1/2 only.

    Raises
    ------
    ArgumentError
        An argument outside its range.

    Examples
    --------
    >>> depth_below("sigmoid", 1.0, 1e-6)
    11
    """
    phi = activations.get(activation)
    above_zero("sigma_w2", sigma_w2)
    whole("deepest", deepest, 1)
    _require(0 < threshold < 1, "threshold", threshold, "between 0 and 1, such as 1e-3")
    q, log_ratio, log_threshold, w = sigma_w2, 0.0, math.log(threshold), gaussian.nodes()[1]
    for depth in range(2, deepest + 1):
        h2, s2 = gaussian.squares(phi, q)
        log_ratio += 0.5 * math.log(sigma_w2 * float(w @ s2))  # 1/2 ln chi(q_l)
        if log_ratio < log_threshold:
            return depth
        q = sigma_w2 * float(w @ h2)
    return None


def dead_at_init(width: int, hidden_layers: int) -> float:
    """Return the probability that some relu layer is silent on ONE input at initialization, which cuts it off.

    1 - (1 - 2^-n)^H for H hidden layers of n units: each unit is silent with probability 1/2 (Lu et al. 2019, eq. 7).

    Raises
    ------
    ArgumentError
        A width or a number of layers below 1.
    """
    whole("width", width, 1)
    whole("hidden_layers", hidden_layers, 1)
    silent = 2.0**-width if width < 1075 else 0.0
    return 1.0 if silent == 1 else -math.expm1(hidden_layers * math.log1p(-silent))


def silent_fraction(activation: str, sizes: Sequence[int], examples: int, *, input_correlation: float = 0.0) -> Array:
    """Return the share of each layer's units expected to be silent (phi' = 0) on all of N examples at initialization.

    Such units are no proof of death: deep layers see nearly parallel inputs, so that a unit off for one is off for all.
    With c the correlation of the layer's inputs, a unit's z_i = sqrt(c) g + sqrt(1-c) e_i, so that
    P = E_g[ Phi(-g sqrt(c / (1-c)))^N ], g ~ N(0, 1); c follows the arc-cosine kernel (Cho & Saul 2009, eq. 6).

    Parameters
    ----------
    activation : str
        Activations other than relu are never silent at initialization: 0.
    sizes : sequence of int
        Units a layer, input first, output last.
    examples : int
        N, 1 or more.
    input_correlation : float
        Mean cosine between two examples' inputs, from 0 up to below 1: 0 for independent features of mean 0, 0.48 for
        the digits.

    Returns
    -------
    ndarray (L,)
        The last, linear layer's is 0. Finite widths and unequal correlations within the data are left out.

    Raises
    ------
    ArgumentError
        An argument outside its range.
    """
    activations.get(activation)
    fractions = np.zeros(len(_check_sizes(sizes)) - 1)
    whole("examples", examples, 1)
    _require(0 <= input_correlation < 1, "input_correlation", input_correlation, "at least 0 and below 1")
    if activation != "relu":
        return fractions
    c, (g, w) = input_correlation, gaussian.nodes()
    for layer in range(len(fractions) - 1):
        off = activations.normal_cdf(-g * math.sqrt(c / (1 - c)))
        fractions[layer] = w @ off**examples
        c = min((math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / math.pi, 1 - 1e-12)
    return fractions


def _check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    if len(sizes) < 2:
        raise ArgumentError(f"sizes={list(sizes)!r} must name at least an input and an output, such as [64, 32, 10]")
    for size in sizes:
        whole("sizes", size, 1)
    return tuple(int(size) for size in sizes)


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise ArgumentError(f"{name}={value!r} must be {allowed}")


def _check_not_negative(name: str, value: float) -> None:
    _require(math.isfinite(value) and value >= 0, name, value, "a finite number of at least 0")
