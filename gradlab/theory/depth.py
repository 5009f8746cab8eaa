"""How deep a plain net can be: where the signal settles, and the gradient's factor there."""

from __future__ import annotations

import math

from gradlab import activations
from gradlab.ranges import VARIANCE, VARIANCE_OR_0, Range
from gradlab.theory import gaussian

DEEPEST = Range(1, 100_000, whole=True)


def fixed_point(
    activation: str, sigma_w2: float, bias_variance: float = 0.0
) -> tuple[float, float]:
    """Return (q*, chi(q*)) of an endlessly deep net.

    q* is where the variance of z settles, chi(q*) the factor of a layer on the squared gradient
    there.

    chi < 1 means that gradients vanish at depth, with a depth scale of -1 / ln chi layers
    (Schoenholz et al. 2017, eq. 11); chi > 1 that they explode. q* is 0 or infinity where the
    variance dies out or grows for ever.

    Parameters
    ----------
    activation : str
    sigma_w2 : float
        Var W times fan_in, above 0. The map starts at q_1 = sigma_w2 + bias_variance, so at inputs
        of mean square 1.
    bias_variance : float
    """
    phi = activations.get(activation)
    sigma_w2 = VARIANCE.check("sigma_w2", sigma_w2)
    bias_variance = VARIANCE_OR_0.check("bias_variance", bias_variance)

    def signal_and_slope(q: float) -> tuple[float, float]:
        signal, slope = gaussian.expectations(phi, q)
        return sigma_w2 * signal, sigma_w2 * slope

    def excess(q: float) -> float:
        return (signal_and_slope(q)[0] + bias_variance) / q - 1

    start = sigma_w2 + bias_variance
    direction = excess(start)
    if abs(direction) < 1e-12:  # every q is kept: linear nets at sigma_w2 = 1, relu at 2
        return start, signal_and_slope(start)[1]
    step = 2.0 if direction > 0 else 0.5
    near, far = start, start * step
    # Nearer 0 is rounding: softplus at sigma_w2 = 2 grows for ever.
    while excess(far) * direction > -1e-11:
        near, far = far, far * step
        if not 1e-12 < far < 1e12:
            limit = math.inf if step > 1 else 0.0
            return limit, signal_and_slope(limit)[1]
    for _ in range(50):  # bisection in ln q
        middle = math.sqrt(near * far)
        near, far = (middle, far) if excess(middle) * direction > 0 else (near, middle)
    return near, signal_and_slope(near)[1]


def critical_gain(activation: str, init_variance: float = 1.0) -> float:
    """Return the smallest gain for which chi(q*) reaches 1, without biases.

    Gradients then keep their size at any depth.

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
    init_variance = VARIANCE.check("init_variance", init_variance)
    low = 2.0**-6
    while fixed_point(activation, (2 * low) ** 2)[1] < 1:
        low *= 2
    high = 2 * low
    for _ in range(40):  # bisection in ln sigma_w
        middle = math.sqrt(low * high)
        low, high = (middle, high) if fixed_point(activation, middle**2)[1] < 1 else (low, middle)
    return high / math.sqrt(init_variance)


def depth_below(
    activation: str, sigma_w2: float, threshold: float, *, deepest: int = 1000
) -> int | None:
    """Return the first depth at which the gradient's ratio is predicted below `threshold`.

    The ratio is ||delta_1|| / ||delta_L||; None where no depth up to `deepest` is.

    All layers share sigma_w2, biases are 0, inputs have mean square 1 (q_1 = sigma_w2).

    Parameters
    ----------
    activation : str
    sigma_w2 : float
        Var W times fan_in, above 0.
    threshold : float
        Between 0 and 1.
    deepest : int
        None is returned where no depth up to this one falls below: tanh at sigma_w2 = 1 shrinks as
        L^-1/2 only. At most 100,000, since the depths are computed one by one.

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
    sigma_w2 = VARIANCE.check("sigma_w2", sigma_w2)
    deepest = int(DEEPEST.check("deepest", deepest))
    threshold = Range(0, 1, open_least=True, open_most=True).check("threshold", threshold)
    q, log_ratio, log_threshold = sigma_w2, 0.0, math.log(threshold)
    for depth in range(2, deepest + 1):
        signal, slope = gaussian.expectations(phi, q)
        chi = sigma_w2 * slope
        log_ratio += 0.5 * math.log(chi) if chi > 0 else -math.inf  # 1/2 ln chi(q_l)
        if log_ratio < log_threshold:
            return depth
        q = sigma_w2 * signal
    return None
