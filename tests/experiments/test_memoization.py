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
def test_what_was_counted_is_the_formula(result, way):
    expected = np.array(
        [memoization.formula(way, int(depth), memoization.WIDTH) for depth in result.depths]
    )
    counted = np.isfinite(result.multiplications[way])
    assert counted.sum() >= 3
    np.testing.assert_array_equal(result.multiplications[way][counted], expected[counted])


def test_a_number_that_counts_misses_no_multiplication():
    before = memoization.Counted.multiplications
    x = memoization.Counted(3.0)
    total = sum([x * 2.0, 2.0 * x, (x + 1.0) * x]) * 2
    assert total == 48.0
    assert memoization.Counted.multiplications - before == 4


def test_memory_grows_by_the_deltas_kept(result):
    """A layer's list holds 4 pointers of 8 bytes and 4 floats of 24.

    A list's own head takes 40 to 56 bytes.
    """
    growth = np.polyfit(result.depths, result.peak["backprop"], 1)[0]
    assert 4 * (8 + 24) <= growth <= 2 * 4 * (8 + 24)
    paths = result.peak["paths"][np.isfinite(result.peak["paths"])]
    assert abs(paths[-1] - paths[0]) < growth * (len(paths) - 1)


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
