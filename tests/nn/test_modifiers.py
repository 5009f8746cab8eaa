"""Skip connections, norms and dropout: gradients against finite differences and PyTorch."""

import itertools

import numpy as np
import pytest

from gradlab.errors import ArgumentError
from gradlab.nn import losses, modifiers
from gradlab.nn.mlp import MLP

BLOCKS = [
    {"norm": norm, "residual": residual, "dropout": dropout}
    for norm, residual, dropout in itertools.product(
        (None, "batch", "layer"), (None, 1.0, 0.3), (0.0, 0.4)
    )
    if norm or residual or dropout
]
SIZES = [4, 5, 5, 6, 6, 3]
B = 7


def made(options, activation="tanh", **more):
    model = MLP(SIZES, activation, seed=3, dtype="float64", **options, **more)
    rng = np.random.default_rng(
        9
    )  # scales, shifts and biases away from 1 and 0, where mistakes hide
    split = model.weights.flat.size
    model.parameters[split:] += rng.normal(scale=0.3, size=model.parameters.size - split)
    return model, rng.normal(size=(B, SIZES[0])), rng.integers(0, SIZES[-1], B)


def step(model, x, y):
    """One forward and backward pass; the workspace, and the loss."""
    criterion, work = losses.get("cross_entropy"), model.workspace(len(x))
    work.batch[...] = x
    model.draw_masks(work, 5)
    logits = model.forward(work)
    target = np.broadcast_to(y, logits.shape[:-1])
    criterion.gradient(logits, target, work.deltas[-1])
    model.backward(work)
    return work, criterion.value(logits, target).mean(axis=-1)


@pytest.mark.parametrize("options", BLOCKS, ids=str)
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_gradients_agree_with_finite_differences(options, activation):
    model, x, y = made(options, activation)
    step(model, x, y)
    gradients, h = model.gradients.copy(), 1e-6
    numeric = np.empty_like(gradients)
    for k in range(model.parameters.size):
        value = model.parameters[k]
        model.parameters[k] = value + h
        above = step(model, x, y)[1]
        model.parameters[k] = value - h
        below = step(model, x, y)[1]
        model.parameters[k] = value
        numeric[k] = (above - below) / (2 * h)
    np.testing.assert_allclose(gradients, numeric, rtol=1e-6, atol=1e-8)


class Twin:
    """The same net of PyTorch's own parts, with the same parameters and dropout masks."""

    def __init__(self, torch, model, options):
        self.torch, self.options, self.skips = torch, options, model.skips
        self.leaves = []

        def leaf(array):
            tensor = torch.tensor(np.array(array), requires_grad=True)
            self.leaves.append(tensor)
            return tensor

        self.weights = [leaf(w) for w in model.weights]
        self.biases = [leaf(b) for b in model.biases]
        self.scales = [leaf(s) for s in model.scales]
        self.shifts = [leaf(s) for s in model.shifts]
        self.means = [torch.tensor(np.array(m)[0]) for m in model.running_means]
        self.variances = [torch.tensor(np.array(v)[0]) for v in model.running_variances]

    def __call__(self, x, masks, training):
        functional = self.torch.nn.functional
        h, stream = self.torch.tensor(x), None
        for k, skip in enumerate(self.skips):
            z = h @ self.weights[k] + self.biases[k]
            stream = stream + (self.options["residual"] or 1) * z if skip else z
            n = stream
            if self.options["norm"] == "layer":
                n = functional.layer_norm(n, n.shape[-1:], self.scales[k][0], self.shifts[k][0])
            elif self.options["norm"] == "batch":
                arguments = (
                    n,
                    self.means[k],
                    self.variances[k],
                    self.scales[k][0],
                    self.shifts[k][0],
                )
                n = functional.batch_norm(*arguments, training=training)
            h = self.torch.tanh(n)
            if training:
                h = h * self.torch.tensor(np.array(masks[k]))
        return h @ self.weights[-1] + self.biases[-1]


@pytest.mark.parametrize("options", BLOCKS, ids=str)
def test_training_and_evaluation_agree_with_pytorch(options):
    torch = pytest.importorskip("torch")
    model, x, y = made(options)
    twin = Twin(torch, model, options)
    work, loss = step(model, x, y)
    theirs = torch.nn.functional.cross_entropy(twin(x, work.modified.masks, True), torch.tensor(y))
    theirs.backward()
    assert loss == pytest.approx(theirs.item(), rel=1e-12)
    ours = itertools.chain(*model.gradient_parts)
    for gradient, leaf in zip(ours, twin.leaves, strict=True):
        np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=1e-9, atol=1e-12)
    model.settle(work)
    with torch.no_grad():
        np.testing.assert_allclose(
            model.predict(x), twin(x, None, False).numpy(), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("options", BLOCKS, ids=str)
def test_replicate_k_is_the_net_of_seed_plus_k(options):
    stacked = MLP(SIZES, seed=3, replicates=2, **options)
    x, y = np.random.default_rng(0).normal(size=(B, 4)), np.arange(B) % 3
    work, loss = step(stacked, x, y)
    stacked.settle(work)
    for k in range(2):
        alone = MLP(SIZES, seed=3 + k, **options)
        work, one = step(alone, x, y)
        alone.settle(work)
        assert loss[k] == one
        for together, single in zip(stacked.gradient_parts, alone.gradient_parts, strict=True):
            for a, b in zip(together, single, strict=True):
                np.testing.assert_array_equal(a[k], b)
        np.testing.assert_allclose(stacked.predict(x)[k], alone.predict(x), rtol=1e-6, atol=1e-7)


def test_a_residual_net_of_branch_zero_point_nothing_passes_the_gradient_whole():
    model, x, y = made({"residual": 1e-12}, activation="identity")
    work, _ = step(model, x, y)
    np.testing.assert_allclose(
        work.modified.stream_deltas[0], work.modified.stream_deltas[1], rtol=1e-9
    )
    assert model.skips == [False, True, False, True]  # 5, 5, 6, 6 units


def test_dropout_keeps_the_mean_and_drops_its_share():
    model = MLP([2, 400, 400, 2], dropout=0.25, replicates=3)
    work = model.workspace(50)
    model.draw_masks(work, 0)
    masks = work.modified.masks[1]
    assert set(np.unique(masks)) == {0, np.float32(1 / 0.75)}
    assert masks.mean() == pytest.approx(1, abs=0.01)
    first = masks.copy()
    model.draw_masks(work, 1)
    assert (masks != first).any()
    model.draw_masks(work, 0)
    np.testing.assert_array_equal(masks, first)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"dropout": 1.0},
            "dropout=1.0 must be a number of at least 0 and below 1",
        ),
        ({"dropout": -0.1}, "dropout=-0.1 must be"),
        ({"dropout": float("nan")}, "dropout=nan must be"),
        ({"dropout": "0.5"}, "dropout='0.5' must be a number"),
        ({"dropout": None}, "dropout=None must be a number"),
        ({"residual": "1"}, "residual='1' must be a finite number above 0"),
        ({"residual": True}, "residual=True must be a finite number above 0"),
        ({"gain": "2"}, "gain='2' must be a number above 0"),
        ({"norm": "group"}, "norm='group' is unknown"),
        ({"residual": 0.0}, "residual=0.0 must be a finite number above 0"),
        ({"residual": float("inf")}, "residual=inf must be"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(options, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        MLP([4, 5, 5, 2], **options)


def test_what_makes_no_sense_in_a_net_of_these_sizes():
    with pytest.raises(
        ArgumentError, match=r"residual=1.0 needs two neighbouring hidden layers.*\[5, 6\]"
    ):
        MLP([4, 5, 6, 2], residual=1.0)
    with pytest.raises(ArgumentError, match="norm='layer' makes a layer of one unit 0"):
        MLP([4, 1, 2], norm="layer")
    for options in ({"norm": "batch"}, {"dropout": 0.5}):
        with pytest.raises(ArgumentError, match="acts on hidden layers, and the net has none"):
            MLP([4, 2], **options)
    assert MLP([4, 5, 5, 2], dropout=0.999).modifiers.dropout == 0.999


def test_running_statistics_follow_the_batches():
    model, x, y = made({"norm": "batch"})
    work, _ = step(model, x, y)
    model.settle(work)
    z = x @ model.weights[0] + model.biases[0]
    np.testing.assert_allclose(model.running_means[0][0], modifiers.RUNNING * z.mean(axis=0))
    np.testing.assert_allclose(
        model.running_variances[0][0], 0.9 + modifiers.RUNNING * z.var(axis=0, ddof=1)
    )
