import numpy as np
import pytest

from experiments import memoization
from gradlab.nn import paths
from tests.experiments.pages import check_page


@pytest.fixture(scope="module")
def result():
    return memoization.run(quick=True)


def test_both_ways_and_the_engine_agree(result):
    np.testing.assert_allclose(result.values["paths"], result.values["backprop"], rtol=1e-12)
    np.testing.assert_allclose(result.values["backprop"], result.backprop_of_engine, rtol=1e-12)


@pytest.mark.parametrize("way", ["paths", "backprop"])
def test_the_counts_are_the_formulas(result, way):
    expected = [memoization.formula(way, int(depth), memoization.WIDTH) for depth in result.depths]
    np.testing.assert_array_equal(result.multiplications[way], expected)


def test_the_number_of_paths_is_the_product_of_the_later_widths():
    for depth in (3, 5, 8):
        sizes = [4] * depth + [1]
        each = 2 * (depth - 2) + 3
        assert memoization.formula("paths", depth, 4) / each * 4 == paths.count([4, *sizes], 2) * 4
        assert memoization.formula("paths", depth, 4) / each == np.prod([4.0] * (depth - 2))


def test_enumerating_grows_by_the_width_and_backpropagation_by_a_constant(result):
    counts = result.multiplications
    assert (counts["paths"][1:] / counts["paths"][:-1] > memoization.WIDTH).all()
    assert len(set(np.diff(counts["backprop"]))) == 1


def test_the_page(result):
    page = check_page(memoization, result)
    assert f"{result.ratio:,.0f} times" in page.answer
