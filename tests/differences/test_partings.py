"""Where two records part: at the limit of rounding and one step beyond, in the order of a pass."""

import numpy as np
import pytest

import gradlab
from gradlab.diagnosis import Diagnosis
from gradlab.differences import pair as pairs
from gradlab.differences.compared import COMPARED, PHASES
from tests.rules.runs import make_run

FLOAT32, BFLOAT16 = 2.0**-23, 2.0**-7


def shares(at, value, iterations=60, layers=4):
    """Return ones (T, 1, L) with another value from one iteration and layer on."""
    grid = np.ones((iterations, 1, layers))
    time, layer = at
    grid[time:, :, layer] = value
    return grid


def unjudged(run):
    """Say nothing of a run: these tests look at records alone, and verdicts take time."""
    return Diagnosis(run.name, (), {})


def diff(a, b, **options):
    return gradlab.diff(a, b, judge=unjudged, **options)


def parting(a, b, **options):
    return diff(a, b, **options).parting


@pytest.mark.parametrize(
    ("dtype", "epsilon", "units", "parts"),
    [
        ("float32", FLOAT32, 64, False),
        ("float32", FLOAT32, 65, True),
        ("bfloat16", BFLOAT16, 4, False),
        ("bfloat16", BFLOAT16, 5, True),
        ("float16", 2.0**-10, 4, False),
        ("float16", 2.0**-10, 5, True),
        ("float64", 2.0**-52, 64, False),
        ("float64", 2.0**-52, 65, True),
    ],
)
def test_a_difference_counts_from_one_unit_beyond_the_limit(dtype, epsilon, units, parts):
    config = {"dtype": dtype}
    a = make_run(config=config)
    b = make_run(config=config, activation_rms=shares((7, 2), 1 - units * epsilon))
    found = parting(a, b)
    assert (found is not None) == parts


@pytest.mark.parametrize(
    ("dtypes", "parts"),
    [
        (("float32", "float32"), True),
        (("float32", "bfloat16"), False),
        (("bfloat16", "float64"), False),
    ],
)
def test_two_precisions_are_compared_in_the_coarser_one(dtypes, parts):
    a = make_run(config={"dtype": dtypes[0]})
    b = make_run(config={"dtype": dtypes[1]}, activation_rms=shares((7, 2), 1 - BFLOAT16))
    assert (parting(a, b) is not None) == parts


@pytest.mark.parametrize(
    ("key", "word"),
    [("precision", "bf16-mixed"), ("autocast", "torch.bfloat16"), ("precision", "bfloat16")],
)
def test_the_precision_that_a_trainer_names_counts(key, word):
    a = make_run(config={"dtype": "float32"})
    b = make_run(
        config={"dtype": "float32", key: word}, activation_rms=shares((7, 2), 1 - BFLOAT16)
    )
    assert parting(a, b) is None
    assert parting(a, b, rounding="float32").iteration == (7, 7)


@pytest.mark.parametrize(
    ("columns", "steps", "phase"),
    [
        ({"weight_norm": 8 * shares((7, 1), 1.1)}, {}, "weights"),
        ({"activation_rms": shares((7, 1), 1.1)}, {}, "forward"),
        ({}, {"loss": np.where(np.arange(60) < 7, 1.0, 2.0)[:, None]}, "loss"),
        ({"delta_norm": shares((7, 1), 1.1)}, {}, "backward"),
        ({"update_norm": 0.01 * shares((7, 1), 1.1)}, {}, "update"),
    ],
)
def test_the_phase_of_the_iteration_is_named(columns, steps, phase):
    a = make_run(steps={"loss": np.ones((60, 1))}, replicates=1)
    b = make_run(steps={"loss": np.ones((60, 1))} | steps, replicates=1, **columns)
    found = parting(a, b)
    assert (found.phase, found.iteration) == (phase, (7, 7))


def test_of_one_iteration_the_phase_that_comes_first_is_named():
    everything = {
        "weight_norm": 8 * shares((7, 3), 1.1),
        "activation_rms": shares((7, 0), 1.1),
        "delta_norm": shares((7, 0), 1.1),
        "update_norm": 0.01 * shares((7, 0), 1.1),
    }
    found = diff(make_run(), make_run(**everything)).partings
    assert [each.phase for each in found] == ["weights", "forward", "backward", "update"]


@pytest.mark.parametrize(("column", "layer"), [("activation_rms", 2), ("delta_norm", 4)])
def test_the_layer_that_the_pass_meets_first_is_named(column, layer):
    b = make_run(**{column: np.array([1.0, 1.5, 1.5, 1.5])})
    found = parting(make_run(), b)
    assert found.layers == (layer, layer)
    assert found.iteration == (0, 0)


def test_a_bias_is_named_only_where_no_matrix_parts():
    plain = make_run(layers=4, vectors=["hidden1.bias"])
    both = make_run(layers=4, vectors=["hidden1.bias"], weight_norm=[8, 9, 8, 9])
    alone = make_run(layers=4, vectors=["hidden1.bias"], weight_norm=[8, 8, 8, 9])
    assert parting(plain, both).layers == (2, 2)
    assert parting(plain, alone).place == "hidden1.bias"


@pytest.mark.parametrize(("units", "parts"), [(8 * 64, False), (8 * 64 + 1, True)])
def test_a_bias_may_differ_by_eight_times_as_much(units, parts):
    scale = np.array([1, 1, 1, 1 - units * FLOAT32])
    plain = make_run(layers=4, vectors=["hidden1.bias"])
    other = make_run(layers=4, vectors=["hidden1.bias"], weight_norm=8 * scale)
    assert (parting(plain, other) is not None) == parts


@pytest.mark.parametrize(("size", "parts"), [(3e-6, False), (9e-6, True)])
def test_a_bias_whose_gradient_is_rounding_is_left_out(size, parts):
    """64 units of float32 are 7.6e-6 of the largest gradient, which is 1 here."""
    gradient = np.array([1, 1, 1, size])
    runs = [
        make_run(layers=4, vectors=["key.bias"], grad_norm=gradient, weight_norm=[8, 8, 8, weight])
        for weight in (1e-3, 2e-3)
    ]
    assert (parting(*runs) is not None) == parts


@pytest.mark.parametrize(("change", "parts"), [(0.9 * FLOAT32, False), (3 * FLOAT32, True)])
def test_a_gradient_that_is_rounding_beside_the_largest_one_does_not_count(change, parts):
    """Layer 1 holds `change` of the gradient in one run, and nothing in the other."""
    runs = [make_run(delta_norm=[size, 1, 1, 1]) for size in (1e-20, change)]
    # 1 epsilon of the largest, and 64 epsilons of itself
    assert (parting(*runs) is not None) == parts


@pytest.mark.parametrize(("change", "parts"), [(7 * FLOAT32, False), (9 * FLOAT32, True)])
def test_an_update_may_differ_by_the_rounding_of_the_weights(change, parts):
    """The weights' norm is 8: an update is known up to 8 epsilons."""
    runs = [
        make_run(update_norm=size, config={"dtype": "float32"}) for size in (1e-9, 1e-9 + change)
    ]
    assert (parting(*runs) is not None) == parts


def test_a_nan_in_one_run_alone_parts_them():
    b = make_run(20, delta_norm=np.where(np.arange(20) < 12, 1.0, np.nan)[:, None, None])
    found = parting(make_run(20), b)
    assert found.iteration == (12, 12)
    assert found.to_dict()["values"] == [1.0, "nan"]
    assert found.to_dict()["difference"] == "inf"


def test_a_nan_in_both_runs_parts_nothing():
    a, b = (make_run(20, delta_norm=np.nan) for _ in range(2))
    assert diff(a, b).same


def test_what_one_run_did_not_record_parts_nothing():
    b = make_run(delta_norm=5.0, recorded={"delta_norm": False})
    assert parting(make_run(), b) is None


@pytest.mark.parametrize(
    ("size", "gradual"), [(0.9 * FLOAT32**0.5, True), (1.1 * FLOAT32**0.5, False)]
)
def test_a_difference_grew_out_of_rounding_while_half_of_the_digits_agree(size, gradual):
    b = make_run(delta_norm=shares((7, 2), 1 - size))
    found = parting(make_run(), b)
    assert found.gradual == gradual
    assert ("grown out of rounding" in found.meaning) == gradual


def test_what_is_there_at_the_first_iteration_has_not_grown():
    assert not parting(make_run(), make_run(delta_norm=1 + 1e-4)).gradual


def test_a_learning_rate_has_no_rounding_to_grow():
    rates = np.where(np.arange(60) < 7, 0.1, 0.1 * (1 + 1e-5))[:, None]
    a, b = (make_run(steps={"learning_rate": rate}) for rate in (0.1, rates))
    assert not parting(a, b).gradual


@pytest.mark.parametrize("numbers", [8, 40, 100_000])
def test_pieces_of_any_length_give_the_same_partings(monkeypatch, numbers):
    monkeypatch.setattr(pairs, "NUMBERS", numbers)
    b = make_run(
        activation_rms=shares((31, 2), 1.5), weight_norm=8 * shares((50, 0), 1.5), replicates=2
    )
    found = diff(make_run(), b).partings
    assert [(each.statistic, each.iteration[0]) for each in found] == [
        ("activation_rms", 31),
        ("weight_norm", 50),
    ]


def test_every_phase_that_is_compared_is_one_of_an_iteration():
    places = [PHASES.index(each.phase) for each in COMPARED]
    assert places == sorted(places)
    assert set(places) == set(range(len(PHASES)))
