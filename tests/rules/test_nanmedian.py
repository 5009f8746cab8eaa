"""The median of windows is NumPy's."""

import warnings

import numpy as np
import pytest

from gradlab.rules.windows import nanmedian


def numpys(values):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmedian(values, axis=0)


@pytest.mark.parametrize("shape", [(1,), (7,), (4, 3), (5, 2, 3), (50, 4, 6), (2, 1, 1)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_it_is_numpys_to_the_last_bit(shape, kind):
    random = np.random.default_rng(0)
    for share in (0.0, 0.3, 0.9, 1.0):
        values = random.normal(size=shape).astype(kind)
        values[random.random(shape) < share] = np.nan
        values[random.random(shape) < 0.1] = np.inf
        values[random.random(shape) < 0.1] = -np.inf
        found, expected = nanmedian(values), numpys(values)
        np.testing.assert_array_equal(found, expected)
        assert np.asarray(found).dtype == np.asarray(expected).dtype


def test_of_nothing_it_is_nan():
    assert np.isnan(nanmedian(np.zeros((0, 2, 3)))).all()
