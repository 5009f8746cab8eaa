"""`train`: every column against a plain re-run, runs that break, and wrong arguments."""

import numpy as np
import pytest

import gradlab
from gradlab.datasets import Data
from gradlab.errors import ArgumentError, DataError, RunError
from gradlab.nn import losses, optimizers
from gradlab.nn.loop import Trainer
from gradlab.nn.mlp import MLP
from gradlab.nn.optimizers import SGD
from gradlab.run import LOG_GAINS, STATISTICS
from gradlab.statistics import LAYER_STATISTICS
from gradlab.training import train
from tests.helpers import make_data, train_plainly

# What a plain training has no use for, or has at other iterations only.
NOT_HERE = {"second_moment_rms", "log_gain_block", "outside_update_norm", "time_gain"}
CADENCES = {each.name: each.cadence for each in LAYER_STATISTICS if each.name not in NOT_HERE}
ALWAYS = [name for name, cadence in CADENCES.items() if cadence == "always"]
COSTLY = [name for name, cadence in CADENCES.items() if cadence == "costly"]


def compare_with_plain(
    replicates, activation, loss, *, every, iterations, dtype="float64", sizes=(3, 4, 4, 3)
):
    data = make_data(regression=loss == "squared_error")
    model = MLP(
        list(sizes), activation=activation, gain=1.3, seed=2, replicates=replicates, dtype=dtype
    )
    start = [w.copy() for w in model.weights], [b.copy() for b in model.biases]
    run = train(
        model,
        data,
        loss=loss,
        learning_rate=0.2,
        batch_size=5,
        iterations=iterations,
        every=every,
        validate_every=2,
    )
    plain = []
    for k in range(replicates or 1):
        weights, biases = ([a if replicates is None else a[k] for a in part] for part in start)
        plain.append(
            train_plainly(
                weights,
                biases,
                data,
                activation=activation,
                loss=loss,
                learning_rate=0.2,
                batch_size=5,
                iterations=iterations,
                seed=2 + k,
                validate_every=2,
            )
        )
    return run, plain


@pytest.mark.parametrize("replicates", [None, 2])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_every_column_of_three_iterations_equals_the_definitions(replicates, activation, loss):
    run, plain = compare_with_plain(replicates, activation, loss, every=1, iterations=3)
    assert run.shape == (3, replicates or 1, 3)
    for name in STATISTICS:
        expected = np.array([[one.signals[t][name] for one in plain] for t in range(3)], object)
        recorded = expected != np.array(None)
        np.testing.assert_array_equal(run.recorded(name), recorded, err_msg=name)
        values = expected[recorded].astype(float)
        np.testing.assert_allclose(run[name][recorded], values, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("replicates", [None, 2])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_steps_equal_the_definitions(replicates, loss):
    run, plain = compare_with_plain(replicates, "tanh", loss, every=None, iterations=4)
    for name in (
        "loss",
        "learning_rate",
        "grad_norm",
        "expected_decrease",
        "validation_loss",
        "validation_accuracy",
    ):
        expected = [[one.steps[t].get(name, np.nan) for one in plain] for t in range(4)]
        np.testing.assert_allclose(run.step(name), expected, rtol=1e-9, err_msg=name)
    assert run.steps["nonfinite_phase"].isna().all()
    assert run.steps["iteration"].tolist() == [t for t in range(4) for _ in plain]
    assert run.steps["replicate"].tolist() == [k for _ in range(4) for k in range(len(plain))]
    due = [True, False, True, True]  # every second one, and the last
    np.testing.assert_array_equal(~np.isnan(run.step("validation_loss")[:, 0]), due)


@pytest.mark.parametrize("replicates", [None, 2])
def test_all_weights_of_a_small_net_are_followed_to_the_end(replicates):
    run, plain = compare_with_plain(replicates, "tanh", "cross_entropy", every=None, iterations=13)
    table = run.weights
    n_weights = 3 * 4 + 4 * 4 + 4 * 3
    assert len(table) == 14 * len(plain) * n_weights
    assert table["iteration"].max() == 13
    for k, one in enumerate(plain):
        mine = table[table["replicate"] == k].sort_values(["iteration", "layer", "row", "column"])
        expected = np.concatenate([w.ravel() for weights in one.weights for w in weights])
        np.testing.assert_allclose(mine["value"], expected, rtol=1e-9, atol=1e-12)


def test_a_float32_training_is_measured_to_float32_precision():
    run, plain = compare_with_plain(
        2, "tanh", "cross_entropy", every=1, iterations=3, dtype="float32"
    )
    for name in (
        "delta_norm",
        "grad_norm",
        "weight_norm",
        "per_example_grad_norm",
        "activation_rms",
        *LOG_GAINS[:1],
    ):
        expected = np.array([[one.signals[t][name] for one in plain] for t in range(3)], float)
        np.testing.assert_allclose(run[name], expected, rtol=2e-5, atol=2e-6, err_msg=name)


def test_log_gains_add_up_to_the_measured_ratio():
    model = MLP([3] + [8] * 6 + [3], activation="sigmoid", seed=0, replicates=3, dtype="float64")
    run = train(model, make_data(), learning_rate=1.0, batch_size=5, iterations=60)
    total = sum(run[name] for name in LOG_GAINS)[..., :-1]
    ratio = np.log(run["delta_norm"][..., :-1] / run["delta_norm"][..., 1:])
    np.testing.assert_allclose(total, ratio, rtol=0, atol=1e-10)


def test_a_vanished_float32_signal_keeps_its_size():
    """17 sigmoid layers at gain 0.001: squares of delta underflow float32, delta does not."""
    runs = {}
    for dtype in ("float32", "float64"):
        model = MLP([3] + [4] * 9 + [3], activation="sigmoid", gain=1e-3, seed=0, dtype=dtype)
        runs[dtype] = train(model, make_data(), batch_size=5, iterations=2)
    delta = runs["float64"]["delta_norm"][0, 0]
    assert delta[0] < 1e-23
    np.testing.assert_allclose(runs["float32"]["delta_norm"][0, 0], delta, rtol=1e-4)
    np.testing.assert_allclose(
        runs["float32"]["grad_norm"][0, 0], runs["float64"]["grad_norm"][0, 0], rtol=1e-4
    )


def recorded_iterations(run, name) -> list[int]:
    return np.flatnonzero(run.recorded(name).any(axis=(1, 2))).tolist()


@pytest.mark.parametrize(
    ("every", "costly"),
    [
        (None, [*range(10), 10, 20, 30, 34]),
        (1, list(range(35))),
        (7, [0, 7, 14, 21, 28, 34]),
        (100, [0, 34]),
    ],
)
def test_cadence(every, costly):
    run = train(MLP([3, 4, 4, 3], seed=0), make_data(), batch_size=5, iterations=35, every=every)
    for name in ALWAYS:
        assert recorded_iterations(run, name) == list(range(35)), name
    for name in COSTLY:
        expected = [t for t in costly if t > 0] if name == "update_cosine" else costly
        assert recorded_iterations(run, name) == expected, name
    assert "second_moment_rms" not in run
    assert not run.recorded("second_moment_rms").any()


class Breaking(SGD):
    """Plain descent that makes weights of given replicates far too large at given iterations."""

    plan: dict[int, int | None]  # iteration -> replicate, None where there is no such axis
    model: MLP
    value = 1e30

    def __init__(self, learning_rate):
        super().__init__(learning_rate)
        self.iteration = 0

    def step(self, parameters, gradients):
        super().step(parameters, gradients)
        if self.iteration in self.plan:
            for weight in self.model.weights:
                weight[... if self.plan[self.iteration] is None else self.plan[self.iteration]] = (
                    self.value
                )
        self.iteration += 1


def breaking(model, plan, value=1e30):
    return type("Planned", (Breaking,), {"plan": plan, "model": model, "value": value})


@pytest.mark.parametrize("broken", [1, 5, 10, 11, 13, 20, 21, 27])
def test_the_last_finite_iteration_is_recorded_in_full(broken, monkeypatch):
    """Weights of 1e30 after update `broken - 1` overflow in the next forward pass."""
    runs = []
    for every in (None, 1):
        model = MLP([3, 4, 4, 3], activation="relu", seed=0)
        monkeypatch.setitem(optimizers.OPTIMIZERS, "sgd", breaking(model, {broken - 1: None}))
        runs.append(train(model, make_data(), batch_size=5, iterations=40, every=every))
    run, full = runs
    assert run.iterations == broken + 1
    assert run.provenance["status"].startswith(f"stopped at iteration {broken}")
    assert run.step("loss").shape == (broken + 1, 1)
    assert run.steps["nonfinite_phase"].tolist()[-1] == "forward"
    assert not run["nonfinite_count"][:broken].any()
    for name in COSTLY:
        np.testing.assert_array_equal(
            run.recorded(name)[broken - 1], full.recorded(name)[broken - 1], err_msg=name
        )
        np.testing.assert_array_equal(run[name][broken - 1], full[name][broken - 1], err_msg=name)


def test_each_replicate_has_its_own_last_finite_iteration_and_the_others_train_on(monkeypatch):
    plan = {12: 0, 26: 2}
    data = make_data()
    models = [
        MLP([3, 4, 4, 3], activation="tanh", seed=0, replicates=3, dtype="float64")
        for _ in range(2)
    ]
    monkeypatch.setitem(optimizers.OPTIMIZERS, "sgd", breaking(models[0], plan, np.nan))
    run = train(models[0], data, batch_size=5, iterations=40)
    # weights of NaN come out of update 12, so iteration 12 is the first that is not finite
    np.testing.assert_array_equal(
        (run["nonfinite_count"] > 0).any(axis=2).argmax(axis=0), [12, 0, 26]
    )
    costly = recorded_iterations(run, "dead_fraction")
    assert costly == [*range(10), 10, 11, 20, 25, 30, 39]
    assert run.steps.query("replicate == 0")["nonfinite_phase"].tolist()[12:14] == [
        "update",
        "forward",
    ]

    class Silent:
        def observe(self, step):
            return False

        def revisit(self, step):
            raise AssertionError

    optimizer = breaking(models[1], plan, np.nan)(0.03)
    Trainer(models[1], data.x_train, data.y_train, losses.get("cross_entropy"), optimizer, 5).fit(
        40, Silent()
    )
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)


def phases(run) -> list:
    return [
        None if phase != phase else phase for phase in run.steps["nonfinite_phase"].astype(object)
    ]


def constant_data(x: float, y, classes=False) -> Data:
    rows = np.full((4, 1), x)
    target = np.full(4, y, np.int64) if classes else np.full(4, float(y))
    return Data("constant", rows, target, rows, target)


@pytest.mark.parametrize(
    ("phase", "sizes", "weight", "second", "x", "y", "loss", "learning_rate"),
    [
        # z_2 = 1e20 * 1e20 is beyond float32
        ("forward", [1, 1, 1], 1e20, 1e20, 1.0, 0.0, "squared_error", 1e-3),
        # z = 1 and delta = 2e25 are ordinary, (1 - 1e25)^2 is not
        ("loss", [1, 1], 1.0, 1.0, 1.0, 1e25, "squared_error", 1e-3),
        # z_4 = 1e-30 * 1e15^4 = 1e30, and delta_1 = u through three weights of 1e15 is beyond; the
        # last column's sign makes the softmax certain, and wrong
        ("backward", [1, 1, 1, 1, 2], 1e15, -1e15, 1e-30, 1, "cross_entropy", 1e-30),
        # a gradient of 2e12, 1e30 times over
        ("update", [1, 1], 1.0, 1.0, 1e6, 0.0, "squared_error", 1e30),
    ],
)
def test_the_phase_of_the_first_non_finite_number(
    phase, sizes, weight, second, x, y, loss, learning_rate
):
    model = MLP(sizes, activation="identity", seed=0)
    model.weights.flat[:] = weight
    model.weights[-1][:, 1:] = second
    run = train(
        model,
        constant_data(x, y, loss == "cross_entropy"),
        loss=loss,
        learning_rate=learning_rate,
        batch_size=2,
        iterations=1,
    )
    assert phases(run) == [phase]
    assert np.isfinite(run.step("loss")).all() == (phase in ("backward", "update"))
    assert (run["nonfinite_count"].sum() > 0) == (phase != "loss")


def test_a_run_whose_loss_alone_breaks_keeps_its_last_finite_iteration(monkeypatch):
    """The output is z = 1e25: it is finite, and so is delta, but its square, the loss, is not."""
    model = MLP([1, 1], activation="identity", seed=0)
    model.weights.flat[:] = 0.5
    monkeypatch.setitem(optimizers.OPTIMIZERS, "sgd", breaking(model, {13: None}, 1e25))
    run = train(
        model,
        constant_data(1.0, 1.0),
        loss="squared_error",
        batch_size=2,
        iterations=15,
        learning_rate=1e-9,
    )
    assert phases(run)[13:] == [None, "loss"]
    assert run.recorded("grad_max")[13].all()


def test_the_default_digits_training_learns():
    run = train(
        gradlab.MLP([64, 16, 10], seed=0, replicates=2),
        gradlab.datasets.digits(seed=0),
        iterations=300,
    )
    assert run.provenance["status"] == "complete"
    assert (run.step("validation_accuracy")[-1] > 0.85).all()
    assert (run.step("loss")[-20:].mean(axis=0) < 0.5 * run.config["baseline_loss"]).all()


def test_a_larger_net_has_a_seeded_sample_of_its_weights_followed():
    def weights(**options):
        model = MLP([3] + [8] * 4 + [3], seed=0, replicates=2)
        run = train(model, make_data(), batch_size=5, iterations=12, **options)
        return run.weights, model

    table, model = weights()
    assert len(table[["layer", "row", "column"]].drop_duplicates()) == 50
    assert set(table["layer"]) == {1, 2, 3, 4, 5}
    assert sorted(set(table["iteration"])) == [
        *range(11),
        11,
        12,
    ]  # the cadence of costly statistics, and what came out
    last = table[table["iteration"] == 12]
    ours = [
        model.weights[k - 1][r, i, j]
        for r, k, i, j in last[["replicate", "layer", "row", "column"]].to_numpy()
    ]
    np.testing.assert_array_equal(last["value"], np.array(ours, float))
    assert table.equals(weights()[0])
    assert len(weights(weights=7)[0][["layer", "row", "column"]].drop_duplicates()) == 7
    assert weights(weights=0)[0].empty


def test_zero_iterations_are_a_run():
    run = train(MLP([3, 3]), make_data(), batch_size=5, iterations=0)
    assert run.shape == (0, 1, 1)
    assert run["grad_norm"].shape == (0, 1, 1)
    assert run.steps.empty
    assert run.to_frame().empty
    assert run.weights.empty
    assert run.columns == ()
    assert run.provenance["status"] == "complete"


def test_the_model_is_trained_in_place_and_the_data_are_left_alone():
    data, model = make_data(), MLP([3, 3], seed=0)
    before = model.parameters.copy(), data.x_train.copy(), data.y_train.copy()
    train(model, data, batch_size=5, iterations=2)
    assert (model.parameters != before[0]).any()
    np.testing.assert_array_equal(data.x_train, before[1])
    np.testing.assert_array_equal(data.y_train, before[2])


@pytest.mark.parametrize(
    ("sizes", "options", "error", "match"),
    [
        ([4, 3], {}, ArgumentError, "3 features, but the net reads 4"),
        ([3, 2], {}, DataError, "labels 0 to 1"),
        ([3, 3], {"loss": "hinge"}, ArgumentError, "loss='hinge'"),
        ([3, 3], {"loss": "squared_error"}, DataError, "real targets"),
        ([3, 3], {"optimizer": "lion"}, ArgumentError, "optimizer='lion'"),
        ([3, 3], {"learning_rate": 0.0}, ArgumentError, "learning_rate=0.0"),
        (
            [3, 3],
            {"learning_rate": "0.1"},
            ArgumentError,
            "learning_rate='0.1' must be a number above 0",
        ),
        ([3, 3], {"learning_rate": None}, ArgumentError, "learning_rate=None"),
        ([3, 3], {"l2": -1e-9}, ArgumentError, "l2=-1e-09 must be a number of at least 0"),
        ([3, 3], {"l1": float("nan")}, ArgumentError, "l1=nan"),
        ([3, 3], {"batch_size": 0}, ArgumentError, "batch_size=0"),
        ([3, 3], {"batch_size": 13}, ArgumentError, "batch_size=13 must be 1 to 12"),
        ([3, 3], {"iterations": -1}, ArgumentError, "iterations=-1"),
        ([3, 3], {"every": 0}, ArgumentError, "every=0"),
        ([3, 3], {"weights": -1}, ArgumentError, "weights=-1"),
        ([3, 3], {"validate_every": 0}, ArgumentError, "validate_every=0"),
    ],
)
def test_an_argument_that_does_not_fit_is_named_and_costs_nothing(
    sizes, options, error, match, tmp_path
):
    kept = train(MLP([3, 3]), make_data(), batch_size=5, iterations=2, out=tmp_path / "run")
    with pytest.raises(error, match=match):
        train(
            MLP(sizes),
            make_data(),
            **{"batch_size": 5, "out": tmp_path / "run", "overwrite": True, **options},
        )
    assert gradlab.load(tmp_path / "run").to_frame().equals(kept.to_frame())


def test_what_is_no_model_and_no_data_is_said():
    data = make_data()
    with pytest.raises(ArgumentError, match="model is a str and must be a gradlab"):
        train("relu", data)
    with pytest.raises(
        ArgumentError, match="data is a tuple and must be a Data; make one of arrays"
    ):
        train(MLP([3, 3]), (data.x_train, data.y_train))


@pytest.mark.parametrize("batch_size", [1, 12])
def test_a_batch_may_be_one_example_or_all_of_them(batch_size):
    assert train(MLP([3, 3]), make_data(), batch_size=batch_size, iterations=3).iterations == 3


def test_out_records_to_a_folder_and_overwrite_replaces_only_a_run(tmp_path):
    def go(iterations, **options):
        return train(
            MLP([3, 3]),
            make_data(),
            batch_size=5,
            iterations=iterations,
            out=tmp_path / "run",
            **options,
        )

    go(2)
    with pytest.raises(RunError, match="already holds a run"):
        go(3)
    assert gradlab.load(tmp_path / "run").iterations == 2
    go(3, overwrite=True)
    assert gradlab.load(tmp_path / "run").iterations == 3


def test_an_interrupted_training_closes_its_run(tmp_path, monkeypatch):
    class Interrupting(SGD):
        count = 0

        def step(self, parameters, gradients):
            self.count += 1
            if self.count == 5:
                raise KeyboardInterrupt
            super().step(parameters, gradients)

    monkeypatch.setitem(optimizers.OPTIMIZERS, "sgd", Interrupting)
    with pytest.raises(KeyboardInterrupt):
        train(MLP([3, 3]), make_data(), batch_size=5, iterations=20, out=tmp_path / "run")
    run = gradlab.load(tmp_path / "run")
    assert run.iterations == 4
    assert run.provenance["status"] == "interrupted by KeyboardInterrupt"


def test_a_regression_has_no_accuracy_rather_than_nan():
    data = Data("line", np.ones((8, 1)), np.zeros(8), np.ones((4, 1)), np.zeros(4))
    run = train(MLP([1, 1]), data, loss="squared_error", batch_size=4, iterations=3)
    table = run._source.table("steps")
    assert table["validation_accuracy"].null_count == 3
    # On its cadence: the first iteration and the last.
    assert table["validation_loss"].null_count == 1


@pytest.mark.parametrize("argument", ["batch_size", "iterations", "validate_every"])
def test_whole_numbers_are_asked_for_before_anything_is_touched(tmp_path, argument):
    folder = tmp_path / "run"
    train(MLP([3, 3]), make_data(), batch_size=5, iterations=1, out=folder)
    before = (folder / "run.json").read_bytes()
    with pytest.raises(ArgumentError, match=f"{argument}=2.5 must be a whole number"):
        train(
            MLP([3, 3]),
            make_data(),
            **{"batch_size": 5, "out": folder, "overwrite": True, argument: 2.5},
        )
    assert (folder / "run.json").read_bytes() == before
