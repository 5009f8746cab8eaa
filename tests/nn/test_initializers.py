"""Initializers: the variance of what they draw, and its shape."""

import numpy as np
import pytest

from gradlab.errors import ArgumentError
from gradlab.nn import initializers

VARIANCE = {"glorot": 2 / (400 + 300), "he": 2 / 400, "lecun": 1 / 400}


@pytest.mark.parametrize("gain", [1.0, 2.0])
@pytest.mark.parametrize("init", initializers.INITIALIZERS)
def test_variance_is_the_published_one_times_gain_squared(init, gain):
    w = initializers.draw(init, 400, 300, gain, np.random.default_rng(0))
    expected = VARIANCE[init.split("_")[0]] * gain**2
    assert w.shape == (400, 300)
    # the sample variance of n draws deviates by sqrt((kurtosis - 1) / n), at most sqrt(2 / n); five of them
    assert abs(w.var() / expected - 1) < 5 * np.sqrt(2 / w.size)
    assert abs(w.mean()) < 5 * np.sqrt(expected / w.size)


@pytest.mark.parametrize("init", initializers.INITIALIZERS)
def test_the_distribution_is_the_one_named(init):
    w = initializers.draw(init, 400, 300, 1.0, np.random.default_rng(1))
    kurtosis = ((w - w.mean()) ** 4).mean() / w.var() ** 2
    assert kurtosis == pytest.approx(3.0 if init.endswith("normal") else 1.8, abs=0.1)
    if init.endswith("uniform"):
        assert abs(w).max() <= np.sqrt(3 * VARIANCE[init.split("_")[0]])


def test_an_unknown_init_is_named():
    with pytest.raises(ArgumentError, match=r"init='xavier'.*glorot_normal"):
        initializers.check("xavier")
