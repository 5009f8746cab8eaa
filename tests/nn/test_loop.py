"""The loop: batches, what the observer gets, seeds, and a second look that changes nothing."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradlab.nn import losses
from gradlab.nn.loop import BatchOrder, Trainer
from gradlab.nn.mlp import MLP
from gradlab.nn.optimizers import SGD
from tests.helpers import batches, make_data, train_plainly


class Silent:
    """An observer that looks at nothing."""

    def observe(self, step):
        return False

    def revisit(self, step):
        raise AssertionError("nobody asked for it")


def trainer(model, data, loss="cross_entropy", learning_rate=0.1, batch_size=5):
    return Trainer(
        model, data.x_train, data.y_train, losses.get(loss), SGD(learning_rate), batch_size
    )


@given(
    examples=st.integers(1, 12),
    seed=st.integers(0, 50),
    stacked=st.booleans(),
    share=st.floats(0, 1),
)
def test_every_example_is_seen_once_an_epoch(examples, seed, stacked, share):
    batch_size = max(1, round(share * examples))
    order = BatchOrder(examples, batch_size, [seed, seed + 1] if stacked else [seed], stacked)
    taken = [order.take() for _ in range(3 * examples)]
    assert {batch.shape for batch in taken} == {(2, batch_size) if stacked else (batch_size,)}
    seen = np.concatenate(taken, axis=-1)
    for k in range(3 * batch_size):
        epoch = np.sort(seen[..., k * examples : (k + 1) * examples], axis=-1)
        np.testing.assert_array_equal(epoch, np.broadcast_to(np.arange(examples), epoch.shape))


def test_the_order_of_a_seed_does_not_depend_on_its_neighbours():
    stacked = BatchOrder(7, 3, [5, 6], stacked=True)
    alone = batches(6, 7, 3, 10)
    np.testing.assert_array_equal([stacked.take()[1] for _ in range(10)], alone)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_training_equals_the_plain_trainer(activation, loss):
    data = make_data(regression=loss == "squared_error")
    model = MLP([3, 4, 4, 3], activation=activation, seed=2, dtype="float64")
    expected = train_plainly(
        model.weights,
        model.biases,
        data,
        activation=activation,
        loss=loss,
        learning_rate=0.3,
        batch_size=5,
        iterations=40,
        seed=2,
    ).weights[-1]
    trainer(model, data, loss, 0.3).fit(40, Silent())
    for ours, plain in zip(model.weights, expected, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-10, atol=1e-12)


@settings(max_examples=25)
@given(
    hidden=st.lists(st.sampled_from([1, 2, 5, 16, 64]), max_size=3),
    batch_size=st.sampled_from([1, 3, 16]),
    dtype=st.sampled_from(["float32", "float64"]),
    activation=st.sampled_from(["sigmoid", "relu"]),
    loss=st.sampled_from(["cross_entropy", "squared_error"]),
)
def test_replicate_k_trains_bitwise_as_seed_plus_k_alone(
    hidden, batch_size, dtype, activation, loss
):
    data = make_data(20, 6, 3, regression=loss == "squared_error")
    sizes = [6, *hidden, 3]
    stacked = MLP(sizes, activation=activation, seed=4, replicates=3, dtype=dtype)
    trainer(stacked, data, loss, batch_size=batch_size).fit(12, Silent())
    for k in range(3):
        alone = MLP(sizes, activation=activation, seed=4 + k, dtype=dtype)
        trainer(alone, data, loss, batch_size=batch_size).fit(12, Silent())
        for part in ("weights", "biases"):
            for ours, one in zip(getattr(stacked, part), getattr(alone, part), strict=True):
                np.testing.assert_array_equal(ours[k], one)


class Watcher:
    """Keeps copies of what it is told; asks for a second look after the iterations named."""

    def __init__(self, again=()):
        self.again, self.told, self.second = again, [], {}

    @staticmethod
    def copies(step):
        return {
            "before": step.weights_before.flat.copy(),
            "z": step.work.preactivations.flat.copy(),
            "delta": step.work.deltas.flat.copy(),
            "slope": step.work.slopes.flat.copy(),
            "back": step.work.backs.flat.copy(),
            "batch": step.work.batch.copy(),
            "gradients": step.model.gradients.copy(),
        }

    def observe(self, step):
        self.told.append(
            self.copies(step)
            | {"after": step.model.weights.flat.copy(), "iteration": step.iteration}
        )
        return step.iteration in self.again

    def revisit(self, step):
        self.second[step.iteration] = self.copies(step)


@pytest.mark.parametrize("replicates", [None, 2])
def test_a_second_look_shows_the_iteration_before_exactly_and_changes_nothing(replicates):
    data, watcher = make_data(), Watcher(again=(0, 1, 4, 5, 9))
    models = [MLP([3, 4, 4, 3], seed=1, replicates=replicates) for _ in range(2)]
    trainer(models[0], data).fit(10, watcher)
    trainer(models[1], data).fit(10, Silent())
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)
    assert sorted(watcher.second) == [0, 3, 4, 8]  # nothing comes before iteration 0
    for iteration, seen in watcher.second.items():
        for name, array in seen.items():
            np.testing.assert_array_equal(array, watcher.told[iteration][name], err_msg=name)


def test_each_step_starts_where_the_last_one_ended():
    data, watcher = make_data(), Watcher()
    trainer(MLP([3, 4, 3], seed=1), data).fit(6, watcher)
    assert [one["iteration"] for one in watcher.told] == list(range(6))
    for one, following in itertools.pairwise(watcher.told):
        np.testing.assert_array_equal(one["after"], following["before"])


@pytest.mark.parametrize(
    ("iterations", "every", "due"), [(7, 3, [0, 3, 6]), (6, 3, [0, 3, 5]), (1, 50, [0]), (0, 1, [])]
)
def test_validation_is_due_at_its_cadence_and_at_the_last_iteration(iterations, every, due):
    data, when = make_data(), []

    class Noting(Silent):
        def observe(self, step):
            if step.validation is not None:
                when.append(step.iteration)
            return False

    ran = trainer(MLP([3, 3]), data).fit(
        iterations, Noting(), lambda model: (np.zeros(()), np.zeros(())), every
    )
    assert when == due
    assert ran == iterations


def test_a_net_stops_only_when_no_replicate_is_left():
    data = make_data()
    model = MLP([3, 4, 3], seed=0, replicates=2)
    model.weights[0][0] = np.nan
    assert trainer(model, data).fit(5, Silent()) == 5
    model.weights[0][1] = np.nan
    assert trainer(model, data).fit(5, Silent()) == 1
