"""Each statistic has one value, whether NumPy measures it in main memory or PyTorch on a device."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gradlab import measures  # noqa: E402
from gradlab.adapters.torch.measure import arrays, statistics  # noqa: E402
from gradlab.adapters.torch.measure.pool import share_of_dead  # noqa: E402

DTYPES = (np.float32, np.float64)
SCALES = (1.0, 1e-30, 1e25, 0.0)  # squares of the second and third leave float32's range


@pytest.fixture(autouse=True)
def overflow_is_data():
    with np.errstate(all="ignore"):
        yield


def stack(dtype, scale, seed=0, shape=(3, 5, 4)):
    values = np.random.default_rng(seed).standard_normal(shape)
    values.flat[7] = 0.0
    return (values * scale).astype(dtype)


PAIRS = [
    (measures.norm, statistics.whole_norms),
    (lambda x: measures.row_norms(x)[0], statistics.row_norms),
    (measures.largest, statistics.largest),
    (measures.nonfinite_count, statistics.nonfinite_count),
    (measures.unit_similarity, statistics.unit_similarity),
    (measures.dead_fraction, lambda x: share_of_dead(x.any(dim=1))),
    (
        lambda x: measures.saturated_fraction(x, 0.5),
        lambda x: statistics.saturated_fraction(x, 0.5),
    ),
    (measures.deviation, lambda x: statistics.deviation(x, x.mean(dim=(1, 2)))),
]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda each: getattr(each, "__name__", "f"))
def test_numpy_and_pytorch_give_the_same_number(ours, theirs, dtype, scale):
    x = stack(dtype, scale)
    expected = np.asarray(ours(x), np.float64)
    found = theirs(torch.from_numpy(x.copy())).double().numpy()
    assert found == pytest.approx(expected, rel=2e-6 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_agree(dtype, scale):
    x, y = stack(dtype, scale), stack(dtype, 1.0, seed=1)
    found = statistics.inner(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    assert found == pytest.approx(measures.inner(x, y), rel=2e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_share_of_lost_updates_agrees(dtype):
    update, gradient = stack(dtype, 1.0), stack(dtype, 1.0, seed=1)
    update[0], update[1, :3], gradient[2, 1] = 0, 0, 0
    lost, wanted = statistics.lost(torch.from_numpy(update), torch.from_numpy(gradient))
    assert (lost / wanted).numpy() == pytest.approx(measures.lost_fraction(update, gradient))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_fast_sums_of_main_memory_are_the_exact_ones(dtype, scale):
    x = (
        stack(dtype, scale, shape=(3, 1, 9000)).reshape(3, 9000)
        if scale
        else np.zeros((3, 9000), dtype)
    )
    assert arrays.norms(x) == pytest.approx(measures.norm(x[:, None]), rel=1e-6)
    assert arrays.bad(arrays.norms(x), x).tolist() == [0, 0, 0]


def test_numbers_that_are_not_finite_are_counted_alike():
    x = stack(np.float32, 1.0)
    x[0, 0, :2], x[2, 1, 1] = np.nan, np.inf
    expected = measures.nonfinite_count(x).tolist()
    assert expected == [2, 0, 1]
    assert statistics.nonfinite_count(torch.from_numpy(x)).tolist() == expected
    flat = x.reshape(3, -1)
    assert arrays.bad(arrays.norms(flat), flat).tolist() == expected
