"""A steady training step allocates nothing that grows with the net: its buffers are made once."""

import tracemalloc

import pytest

import gradlab
from gradlab.nn import losses, optimizers
from gradlab.nn.loop import Trainer

BATCH = 64


class Peaks:
    """Notes how far memory rises within each step."""

    def __init__(self):
        self.risen = []

    def observe(self, step):
        current, peak = tracemalloc.get_traced_memory()
        self.risen.append(peak - current)
        tracemalloc.reset_peak()
        return False

    def revisit(self, step):
        raise AssertionError("nothing broke")


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("replicates", [None, 4])
def test_a_steady_step_allocates_less_than_one_layer(optimizer, replicates):
    data = gradlab.datasets.digits(seed=0)
    model = gradlab.MLP(
        [64] + [64] * 10 + [10], activation="tanh", init="glorot_normal", replicates=replicates
    )
    updater = optimizers.create(optimizer, 0.01)
    trainer = Trainer(
        model, data.x_train, data.y_train, losses.get("cross_entropy"), updater, BATCH
    )
    trainer.fit(5, Peaks())
    peaks = Peaks()
    tracemalloc.start()
    try:
        trainer.fit(30, peaks)
    finally:
        tracemalloc.stop()
    one_layer = (replicates or 1) * 64 * (64 + BATCH) * 4  # bytes: its weights and what it answers
    steady = sorted(peaks.risen[5:])
    assert steady[len(steady) // 2] < one_layer
