"""The variance of the weights that each initializer draws."""

from __future__ import annotations

from gradlab.errors import one_of
from gradlab.ranges import GAIN, SIZE

# sigma_w^2 = fan_in Var W of each initializer, normal or uniform.
_SIGMA2 = {
    # Glorot & Bengio 2010, eq. 16.
    "glorot": lambda fan_in, fan_out: 2 * fan_in / (fan_in + fan_out),
    "he": lambda fan_in, fan_out: 2.0,  # He et al. 2015, eq. 10
    "lecun": lambda fan_in, fan_out: 1.0,  # LeCun et al. 1998, section 4.6
    "orthogonal": lambda fan_in, fan_out: fan_in / max(fan_in, fan_out),  # Saxe et al. 2014
    "pytorch_linear": lambda fan_in, fan_out: 1 / 3,
}
_PLAIN = ("orthogonal", "pytorch_linear")
INITIALIZERS = (
    *(
        f"{scheme}_{shape}"
        for scheme in _SIGMA2
        if scheme not in _PLAIN
        for shape in ("normal", "uniform")
    ),
    *_PLAIN,
)


def weight_variance(init: str, fan_in: int, fan_out: int, gain: float = 1.0) -> float:
    """Return sigma_w^2 = fan_in Var W of an initializer.

    Parameters
    ----------
    init : str
        Glorot, He or LeCun, "_normal" or "_uniform"; "orthogonal", of which mean field theory knows
        the same; or "pytorch_linear": U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
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
    fan_in = int(SIZE.check("fan_in", fan_in))
    fan_out = int(SIZE.check("fan_out", fan_out))
    gain = GAIN.check("gain", gain)
    scheme = init if init in _PLAIN else init.split("_")[0]
    return gain * gain * _SIGMA2[scheme](fan_in, fan_out)
