"""Every measure against its one-line definition, also where float32 squares fail."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradlab import measures, sums
from gradlab.run import tables

# Numbers whose squares stay inside the range of their type: there the plain definition is the
# oracle.
TAME = {
    np.float32: st.floats(-1e3, 1e3, width=32).filter(lambda v: v == 0 or abs(v) > 1e-3),
    np.float64: st.floats(-1e3, 1e3).filter(lambda v: v == 0 or abs(v) > 1e-3),
}
SHAPES = hnp.array_shapes(min_dims=2, max_dims=4, max_side=4)


@st.composite
def tame(draw, shapes=SHAPES):
    dtype = draw(st.sampled_from(sorted(TAME, key=str)))
    return draw(hnp.arrays(dtype, draw(shapes), elements=TAME[dtype]))


@st.composite
def tame_pairs(draw):
    one = draw(tame())
    return one, draw(hnp.arrays(one.dtype, one.shape, elements=TAME[one.dtype.type]))


def per_matrix(function, *arrays) -> np.ndarray:
    """Apply a definition to each matrix over the leading axes, in float64."""
    lead = arrays[0].shape[:-2]
    values = [function(*(a[i].astype(np.float64) for a in arrays)) for i in np.ndindex(*lead)]
    return np.reshape(values, lead)


@given(tame())
def test_reductions_are_their_definitions(x):
    np.testing.assert_allclose(
        measures.norm(x), per_matrix(lambda m: math.sqrt((m**2).sum()), x), rtol=1e-6
    )
    np.testing.assert_array_equal(measures.largest(x), per_matrix(lambda m: abs(m).max(), x))
    # Sums are taken in x's own dtype.
    rounding = 10 * float(np.finfo(x.dtype).eps) * max(1.0, float(abs(x).max()))
    np.testing.assert_allclose(measures.mean(x), per_matrix(np.mean, x), atol=rounding)
    spread = per_matrix(lambda m: math.sqrt(((m - m.mean()) ** 2).mean()), x)
    np.testing.assert_allclose(measures.deviation(x), spread, rtol=1e-6, atol=rounding)
    np.testing.assert_array_equal(measures.nonfinite_count(x), np.zeros(x.shape[:-2]))
    for value in (measures.norm(x), measures.largest(x), measures.mean(x), measures.deviation(x)):
        assert value.dtype == np.float64
        assert value.shape == x.shape[:-2]


@given(tame())
def test_row_norms_are_the_norms_of_the_rows_and_of_the_whole(x):
    rows, whole = measures.row_norms(x)
    np.testing.assert_allclose(rows, np.sqrt((x.astype(np.float64) ** 2).sum(axis=-1)), rtol=1e-6)
    np.testing.assert_allclose(whole, measures.norm(x), rtol=1e-6)


@given(tame_pairs())
def test_inner_product_and_cosine_are_their_definitions(pair):
    x, y = pair
    products = per_matrix(lambda a, b: (a * b).sum(), x, y)
    scale = measures.norm(x) * measures.norm(y)
    assert (abs(measures.inner(x, y) - products) <= 1e-6 * scale + 1e-300).all()
    cosine = measures.cosine(x, y, measures.norm(x), measures.norm(y))
    np.testing.assert_array_equal(np.isnan(cosine), scale == 0)
    defined = scale > 0
    np.testing.assert_allclose(cosine[defined], products[defined] / scale[defined], atol=2e-6)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 2, 3), (7, 3, 2), (5, 2, 4, 3), (3, 300, 200), (40, 64, 64)])
@pytest.mark.parametrize("size", [1e-31, 1e-20, 1.0, 1e18, 1e30])
def test_an_update_measured_in_one_pass_is_measured_as_by_each_measure(dtype, shape, size):
    rng = np.random.default_rng(0)
    gradient, before = (rng.normal(size=shape).astype(dtype) * dtype(size) for _ in range(2))
    after, update = (before - dtype(0.1) * gradient).astype(dtype), np.empty(shape, dtype)
    one_pass = measures.of_update(gradient, before, after, update)
    np.testing.assert_array_equal(update, after - before)
    g, b, u = (array.astype(np.float64) for array in (gradient, before, update))
    axes = (-2, -1)
    expected = (
        np.sqrt((g**2).sum(axes)),
        np.sqrt((b**2).sum(axes)),
        np.sqrt((u**2).sum(axes)),
        (g * u).sum(axes),
    )
    for value, wide in zip(one_pass, expected, strict=True):
        assert value.dtype == np.float64
        np.testing.assert_allclose(value, wide, rtol=1e-5)


EXTREMES = [
    (np.float32, 1e-31),
    (np.float32, 1e30),
    (np.float32, 1e-45),
    (np.float32, 1e-38),
    (np.float32, 3e38),
    (np.float32, 1e-23),
    (np.float32, 1e-9),
    (np.float32, 1e14),
    (np.float32, 1e15),
    (np.float32, 1e19),
    (np.float64, 1e-200),
    (np.float64, 1e200),
    (np.float64, 5e-324),
    (np.float64, 1e307),
    (np.float64, 1e-154),
]


@pytest.mark.filterwarnings("ignore:overflow")  # of the first, fast try
@pytest.mark.parametrize(("dtype", "size"), EXTREMES)
def test_norms_hold_where_squares_do_not(dtype, size):
    pattern = np.array([[1, -1, 0], [1, 1, 0]])
    x = np.stack([np.ones((2, 3)), pattern * 1.0]).astype(dtype)
    x[1] = pattern * dtype(size)
    value = float(dtype(size))
    np.testing.assert_allclose(measures.norm(x), [math.sqrt(6), 2 * value], rtol=1e-6)
    rows, whole = measures.row_norms(x)
    np.testing.assert_allclose(rows[1], [math.sqrt(2) * value] * 2, rtol=1e-6)
    np.testing.assert_allclose(whole, [math.sqrt(6), 2 * value], rtol=1e-6)


@given(
    hnp.arrays(
        np.float32, (2, 5, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
    )
)
def test_norms_of_any_float32_matrix_equal_those_in_float64(x):
    wide = np.sqrt(
        (x.astype(np.float64) ** 2).sum(axis=(1, 2))
    )  # 1e-45 and 3e38 squared are ordinary float64
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(measures.norm(x), wide, rtol=2e-6)
        np.testing.assert_allclose(measures.row_norms(x)[1], wide, rtol=2e-6)


def test_half_precision_is_measured_wide():
    """10,000 squares of 0.04: a float16 sum of them stops growing at a tenth of the way."""
    x = np.full((1, 100, 100), 0.2, np.float16)
    np.testing.assert_allclose(measures.norm(x), 20.0, rtol=1e-3)
    rows, whole = measures.row_norms(x)
    np.testing.assert_allclose(rows, np.full((1, 100), 2.0), rtol=1e-3)
    np.testing.assert_allclose(whole, 20.0, rtol=1e-3)
    np.testing.assert_allclose(measures.inner(x, x), 400.0, rtol=1e-3)
    np.testing.assert_allclose(
        measures.cosine(x, -x, measures.norm(x), measures.norm(x)), -1.0, rtol=1e-3
    )


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zeros_and_non_finite_entries(dtype):
    x = np.zeros((5, 2, 2), dtype)
    x[1, 0, 0], x[2, 0, 0], x[3, 0] = np.inf, np.nan, [np.inf, np.nan]
    x[4] = -np.inf
    expected = [0.0, np.inf, np.nan, np.nan, np.inf]
    np.testing.assert_array_equal(measures.norm(x), expected)
    rows, whole = measures.row_norms(x)
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(rows[:, 0], expected)
    np.testing.assert_array_equal(rows[:4, 1], np.zeros(4))
    np.testing.assert_array_equal(measures.largest(x), expected)
    np.testing.assert_array_equal(measures.nonfinite_count(x), [0, 1, 1, 2, 4])


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("size", [1e-31, 1e-20, 1.0, 1e18, 1e30])
def test_cosine_and_inner_product_of_float32_extremes(size):
    x = np.array([[[1.0, 2.0], [0.0, -1.0]]], np.float32) * np.float32(size)
    y = np.array([[[2.0, 1.0], [3.0, 0.0]]], np.float32) * np.float32(size)
    norms = measures.norm(x), measures.norm(y)
    np.testing.assert_allclose(measures.cosine(x, y, *norms), 4 / math.sqrt(6 * 14), rtol=1e-6)
    np.testing.assert_allclose(measures.inner(x, y), 4 * size**2, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_an_inner_product_with_infinity_or_nan_is_not_finite():
    x = np.array([[[np.inf, 1.0]], [[np.nan, 1.0]], [[0.0, 1.0]]], np.float32)
    value = measures.inner(x, np.ones((3, 1, 2), np.float32))
    np.testing.assert_array_equal(value, [np.inf, np.nan, 1.0])


@pytest.mark.parametrize(
    ("norms", "expected"),
    [
        ([3.0, 4.0], 5.0),
        ([3e200, 4e200], 5e200),
        ([3e-200, 4e-200], 5e-200),
        ([0.0, 0.0], 0.0),
        ([], 0.0),
        ([math.inf, 1.0], math.inf),
        ([math.nan, 1.0], math.nan),
    ],
)
def test_total_norm(norms, expected):
    np.testing.assert_allclose(measures.total_norm(np.array(norms)), expected, rtol=1e-14)


@st.composite
def slopes(draw):
    elements = st.sampled_from([0.0, -0.0, 0.0099, 0.01, 0.0101, -0.0099, 0.5, 1.0])
    return draw(hnp.arrays(np.float64, draw(SHAPES), elements=elements))


@given(slopes())
def test_dead_and_saturated_fractions_are_their_definitions(x):
    dead = per_matrix(lambda m: np.mean([(unit == 0).all() for unit in m.T]), x)
    np.testing.assert_allclose(measures.dead_fraction(x), dead, rtol=1e-15)
    for bound in (1.0, 0.25):
        saturated = per_matrix(
            lambda m, bound=bound: np.mean([abs(v) < 0.01 * bound for v in m.flat]), x
        )
        np.testing.assert_allclose(measures.saturated_fraction(x, bound), saturated, rtol=1e-15)


def test_saturation_starts_below_one_percent_of_the_bound():
    at, below = 0.01 * 0.25, np.nextafter(0.01 * 0.25, 0)
    assert measures.saturated_fraction(np.array([[at, below, -below, -at]]), 0.25) == 0.5


def test_a_unit_is_dead_only_where_every_example_says_so():
    slope = np.array([[0.0, 0.0, 1e-45, np.nan], [0.0, 1.0, 0.0, 0.0]], np.float32)
    assert measures.dead_fraction(slope) == 0.25


@given(tame(hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=4)))
def test_unit_similarity_is_the_largest_cosine_of_two_columns(w):
    def definition(m):
        def cosine(a, b):
            if not a.any() and not b.any():
                return 1.0
            return a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) if a.any() and b.any() else 0.0

        return max(cosine(m[:, i], m[:, j]) for i in range(m.shape[1]) for j in range(i))

    np.testing.assert_allclose(measures.unit_similarity(w), per_matrix(definition, w), atol=3e-6)


@pytest.mark.parametrize("size", [1e-44, 1e-31, 1e30])
def test_unit_similarity_of_float32_extremes(size):
    w = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], np.float32) * np.float32(size)
    np.testing.assert_allclose(measures.unit_similarity(w), 1.0, rtol=1e-6)
    np.testing.assert_allclose(measures.unit_similarity(w[:, 1:]), 0.0, atol=1e-6)


def test_unit_similarity_of_one_unit_and_of_opposite_ones():
    assert np.isnan(measures.unit_similarity(np.ones((4, 1))))
    np.testing.assert_allclose(measures.unit_similarity(np.array([[1.0, -1.0], [2.0, -2.0]])), -1.0)


@pytest.mark.parametrize(
    ("dtype", "weight", "step", "lost"),
    [
        (np.float32, 1.0, 1e-9, 1.0),
        (np.float32, 1.0, 2.0**-24, 1.0),  # half a unit in the last place rounds to even
        (np.float32, 1.0, 2.0**-23, 0.0),
        (np.float64, 1.0, 1e-9, 0.0),
        (
            np.float16,
            2.5,
            1e-3 / 2,
            1.0,
        ),  # as bfloat16's 2.5 -> 2.499 in the lecture: spacing 2^-9 at 2.5
        (np.float16, 2.5, 2e-3, 0.0),
    ],
)
def test_an_update_is_lost_where_rounding_swallows_it(dtype, weight, step, lost):
    before = np.full((3, 4), weight, dtype)
    after = before + np.full((3, 4), step, dtype)
    assert measures.lost_fraction(after - before, np.full((3, 4), 7.0, dtype)) == lost


def test_an_entry_without_a_gradient_is_not_lost():
    update, gradient = np.array([[0.0, 0.0, 0.1, 0.0]]), np.array([[0.0, 1.0, 1.0, np.nan]])
    np.testing.assert_allclose(measures.lost_fraction(update, gradient), 2 / 3)
    assert measures.lost_fraction(np.zeros((2, 2)), np.zeros((2, 2))) == 0


@settings(max_examples=60)
@given(
    n_low=st.integers(1, 5),
    n_high=st.integers(1, 5),
    batch=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    exponent=st.integers(-90, 90),
)
def test_log_gains_add_up_and_each_is_its_formula(n_low, n_high, batch, seed, exponent):
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(n_low, n_high)) * 10.0 ** rng.integers(-3, 3)
    delta, slope = (
        rng.normal(size=(batch, n_high)) * 10.0**exponent,
        rng.uniform(0.01, 1, (batch, n_low)),
    )
    u = delta @ w.T
    lower = u * slope

    gains = measures.log_gains(
        weight_norm=measures.norm(w),
        fan_out=n_high,
        back=measures.norm(u),
        slope=measures.norm(slope) / math.sqrt(slope.size),
        upper=measures.norm(delta),
        lower=measures.norm(lower),
    )
    np.testing.assert_allclose(
        sum(gains.values()), math.log(np.linalg.norm(lower) / np.linalg.norm(delta)), atol=1e-10
    )
    a = math.log(np.linalg.norm(w) / math.sqrt(n_high))
    c = 0.5 * math.log((slope**2).mean())
    expected = {
        "log_gain_weight": a,
        "log_gain_alignment": math.log(np.linalg.norm(u) / np.linalg.norm(delta)) - a,
        "log_gain_slope": c,
        "log_gain_slope_alignment": math.log(np.linalg.norm(lower) / np.linalg.norm(u)) - c,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(gains[name], value, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("broken", ["weight_norm", "back", "slope", "upper", "lower"])
@pytest.mark.parametrize("value", [0.0, math.inf, math.nan])
def test_a_gain_without_a_logarithm_is_nan_in_all_four_terms(broken, value):
    given_norms = dict.fromkeys(("weight_norm", "back", "slope", "upper", "lower"), np.array(1.0))
    gains = measures.log_gains(fan_out=np.array(4.0), **(given_norms | {broken: np.array(value)}))
    assert all(np.isnan(term) for term in gains.values())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("exponent", [-30, -23, -20, -4, 0, 4, 10, 19, 30])
def test_quick_sums_are_taken_again_where_their_format_fails(dtype, exponent):
    """Whatever the quick sums became, norms and products are those of Python's exact fractions."""
    with np.errstate(all="ignore"):
        x = (np.array([[3.0, -4.0, 0.0], [1.0, 2.0, -2.0]]) * 10.0**exponent).astype(dtype)
        y = x[::-1].copy()
        squares, quick = np.vecdot(x, x), np.vecdot(x, y)
        exact = [
            [Fraction(float(entry)) if np.isfinite(entry) else None for entry in row] for row in x
        ]
        whole = [row for row in exact if None not in row]
        for row, found in zip(whole, sums.roots(squares, x)[: len(whole)], strict=True):
            assert found == pytest.approx(root_of(sum(entry**2 for entry in row)), rel=1e-3)
        if len(whole) == 2:
            expected = sum(a * b for a, b in zip(*exact, strict=True))
            np.testing.assert_allclose(sums.products(quick, x, y), float(expected), rtol=1e-3)


def root_of(square: Fraction) -> float:
    """The root of a fraction that may be too small or too large to be a float."""
    if not square:
        return 0.0
    shift = (square.denominator.bit_length() - square.numerator.bit_length()) // 2
    return math.ldexp(math.sqrt(square * Fraction(4) ** shift), -shift)


def test_the_same_sums_are_safe_or_not_at_the_limits():
    low, high = sums.safe_range(np.dtype(np.float32))
    safe = np.array([np.nextafter(low, 1), np.nextafter(high, 0)])
    assert sums.where_unsafe(safe, np.dtype(np.float32)) is None
    for value in (low, high, 0.0, np.nan, np.inf):
        found = sums.where_unsafe(np.array([1.0, value]), np.dtype(np.float32))
        assert found is not None
        assert found.tolist() == [False, True]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_histogram_counts_each_power_of_two_once(dtype):
    powers = np.array([-149, -140, -126, -1, 0, 1, 127], float)
    x = np.concatenate(
        [2.0**powers, -(2.0 ** powers[1:]) * 1.5, [0.0, 0.0, np.nan, np.inf]]
    ).astype(dtype)
    counts = measures.power_histogram(x[None, None, :])[0]
    assert counts.shape == (measures.BINS,)
    assert counts.sum() == len(x) - 2
    assert counts[0] == 2
    found = {
        int(bin - 1 + measures.LOWEST_EXPONENT): int(counts[bin])
        for bin in np.flatnonzero(counts)[1:]
    }
    assert found == {-149: 1} | dict.fromkeys(powers[1:].astype(int).tolist(), 2)


def test_a_histogram_of_layers_and_seeds_is_that_of_each():
    x = np.random.default_rng(0).normal(size=(3, 2, 4, 5)) ** 9
    whole = measures.power_histogram(x)
    for place in np.ndindex(3, 2):
        expected = np.bincount(
            np.floor(np.log2(np.abs(x[place]))).astype(int).ravel() + 150, minlength=measures.BINS
        )
        np.testing.assert_array_equal(whole[place], expected)


def test_what_a_histogram_of_float64_cannot_tell_apart_lies_in_its_ends():
    counts = measures.power_histogram(np.array([[5e-324, 1e300]]))
    assert counts[1] == counts[-1] == 1
    assert tables.LOWEST_EXPONENT == measures.LOWEST_EXPONENT
