"""What the workers train, one thread each: gradlab's nets, their matrix products alone, PyTorch's.

Every function returns `steps(count)`. The peers import what they need when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

import gradlab
from benchmarks._workers import Steps
from gradlab.nn import losses, optimizers
from gradlab.nn.loop import Step, Trainer
from gradlab.recorder import Recorder
from gradlab.training.description import layers
from gradlab.training.observer import RecordingObserver

RATE = 0.01


class Silent:
    """An observer that wants to know nothing."""

    def observe(self, step: Step) -> bool:
        """Take nothing in."""
        return False

    def revisit(self, step: Step) -> None:
        """Never called."""


def sizes(depth: int, width: int) -> list[int]:
    """Return the units of a net of `depth` hidden layers on the digits."""
    return [64] + [width] * depth + [10]


def repeated(step: Callable[[], object]) -> Steps:
    """Make many steps of one."""

    def steps(count: int) -> None:
        for _ in range(count):
            step()

    return steps


def trainer(
    depth: int, width: int, batch: int, replicates: int | None = None, activation: str = "tanh"
) -> Trainer:
    """Return gradlab's bare training: SGD, float32."""
    data = gradlab.datasets.digits(seed=0)
    model = gradlab.MLP(
        sizes(depth, width), activation=activation, init="glorot_normal", replicates=replicates
    )
    sgd = optimizers.create("sgd", RATE)
    return Trainer(model, data.x_train, data.y_train, losses.get("cross_entropy"), sgd, batch)


def bare(
    depth: int, width: int, batch: int, replicates: int | None = None, activation: str = "tanh"
) -> Steps:
    """Gradlab's steps with nobody looking."""
    training = trainer(depth, width, batch, replicates, activation)
    return lambda count: training.fit(count, Silent())


def recorded(
    depth: int,
    width: int,
    batch: int,
    replicates: int | None,
    every: int | None,
    activation: str = "tanh",
) -> Steps:
    """Steps that are recorded, at the default cadence or in full at every `every`-th iteration."""
    training = trainer(depth, width, batch, replicates, activation)
    observer = RecordingObserver(
        Recorder(layers(training.model), replicates=replicates, every=every), None
    )
    return lambda count: training.fit(count, observer)


def sums(depth: int, width: int, batch: int, replicates: int | None = None) -> Steps:
    """Only the sums of squares behind norms and gains: the least that recording costs."""
    training = trainer(depth, width, batch, replicates)
    work, model = training._work, training.model
    flat = [
        [part for _, part in stack.flats]
        for stack in (model.weight_gradients, model.weights, work.slopes, work.backs)
    ]
    rows = [part for stack in (work.activations, work.deltas) for _, part in stack.groups]

    def step() -> None:
        for g, w in zip(*flat[:2], strict=True):
            change = g - w
            for x, y in ((g, g), (w, w), (change, change), (g, change)):
                np.vecdot(x, y)
        for x in (*flat[2], *flat[3], *rows):
            np.vecdot(x, x)

    return repeated(step)


def grid(
    activations: list[str], depths: list[int], width: int, batch: int, replicates: int
) -> Steps:
    """A step of every net of a grid, with nobody looking."""
    nets = [bare(depth, width, batch, replicates, phi) for phi in activations for depth in depths]
    return lambda count: [net(count) for net in nets]


def torch_grid(
    activations: list[str], depths: list[int], width: int, batch: int, replicates: int
) -> Steps:
    """The same of batched products in PyTorch."""
    nets = [
        torch_bmm(depth, width, batch, replicates, phi) for phi in activations for depth in depths
    ]
    return lambda count: [net(count) for net in nets]


def products(depth: int, width: int, batch: int, replicates: int | None = None) -> Steps:
    """Do the matrix products of one step, and nothing else.

    Forward h W, backward h^T delta for every layer and delta W^T for every layer but the first;
    each with buffers of its own, as in training: A^T A would take another, faster routine.
    """
    lead = () if replicates is None else (replicates,)
    rng = np.random.default_rng(0)
    units = sizes(depth, width)

    def made(*shape: int) -> np.ndarray:
        return rng.normal(size=(*lead, *shape)).astype(np.float32)

    weights = [made(n, m) for n, m in pairwise(units)]
    inputs, deltas = [made(batch, n) for n in units[:-1]], [made(batch, m) for m in units[1:]]
    outputs, gradients = (
        [np.empty_like(delta) for delta in deltas],
        [np.empty_like(w) for w in weights],
    )
    backs = [np.empty_like(h) for h in inputs]
    calls = [(h, w, out) for h, w, out in zip(inputs, weights, outputs, strict=True)]
    calls += [(h.swapaxes(-1, -2), d, g) for h, d, g in zip(inputs, deltas, gradients, strict=True)]
    calls += [
        (d, w.swapaxes(-1, -2), b)
        for d, w, b in zip(deltas[1:], weights[1:], backs[1:], strict=True)
    ]

    def step() -> None:
        for a, b, out in calls:
            np.matmul(a, b, out=out)

    return repeated(step)


def torch_eager(depth: int, width: int, batch: int) -> Steps:
    """Train the same net as an `nn.Sequential` in PyTorch's eager mode."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    data, units = gradlab.datasets.digits(seed=0), sizes(depth, width)
    layers = [part for n, m in pairwise(units) for part in (nn.Linear(n, m), nn.Tanh())]
    model = nn.Sequential(*layers[:-1])
    optimizer, criterion = torch.optim.SGD(model.parameters(), lr=RATE), nn.CrossEntropyLoss()
    x = torch.tensor(data.x_train[:batch], dtype=torch.float32)
    y = torch.tensor(data.y_train[:batch], dtype=torch.int64)

    def step() -> None:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()

    return repeated(step)


def torch_bmm(
    depth: int, width: int, batch: int, replicates: int, activation: str = "tanh"
) -> Steps:
    """Train `replicates` nets at once, as batched products under PyTorch's autograd."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    data, units = gradlab.datasets.digits(seed=0), sizes(depth, width)
    pairs = list(pairwise(units))
    weights = [
        (torch.randn(replicates, n, m) * (2 / (n + m)) ** 0.5).requires_grad_() for n, m in pairs
    ]
    biases = [torch.zeros(replicates, 1, m, requires_grad=True) for _, m in pairs]
    x = (
        torch.tensor(data.x_train[:batch], dtype=torch.float32)
        .expand(replicates, -1, -1)
        .contiguous()
    )
    y = torch.tensor(data.y_train[:batch], dtype=torch.int64).repeat(replicates)
    optimizer, phi = torch.optim.SGD([*weights, *biases], lr=RATE), getattr(torch, activation)

    def step() -> None:
        optimizer.zero_grad()
        h = x
        for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            z = torch.baddbmm(bias, h, weight)
            h = phi(z) if k < len(weights) - 1 else z
        loss = (
            torch.nn.functional.cross_entropy(h.reshape(-1, h.shape[-1]), y, reduction="sum")
            / batch
        )
        loss.backward()
        optimizer.step()

    return repeated(step)


def jax_jit(depth: int, width: int, batch: int) -> Steps:
    """Train the same net in JAX, one compiled call a step."""
    import jax

    parameters, update = _jax(depth, width, batch)
    compiled, state = jax.jit(update, donate_argnums=0), [parameters]

    def steps(count: int) -> None:
        for _ in range(count):
            state[0] = compiled(state[0])
        jax.block_until_ready(state[0])

    return steps


def jax_scan(depth: int, width: int, batch: int) -> Steps:
    """Train the same net in JAX, twenty steps a call: nothing could look at a single one."""
    import jax

    parameters, update = _jax(depth, width, batch)
    together = 20
    compiled = jax.jit(lambda p: jax.lax.scan(lambda q, _: (update(q), None), p, None, together)[0])
    state = [parameters]

    def steps(count: int) -> None:
        for _ in range(-(-count // together)):
            state[0] = compiled(state[0])
        jax.block_until_ready(state[0])

    return steps


def _jax(depth: int, width: int, batch: int):
    import jax
    import jax.numpy as jnp

    data, rng = gradlab.datasets.digits(seed=0), np.random.default_rng(0)
    pairs = list(pairwise(sizes(depth, width)))
    parameters = [
        (
            jnp.asarray(rng.normal(0, (2 / (n + m)) ** 0.5, (n, m)), "float32"),
            jnp.zeros(m, "float32"),
        )
        for n, m in pairs
    ]
    x, y = jnp.asarray(data.x_train[:batch], "float32"), jnp.asarray(data.y_train[:batch])

    def loss(weights):
        h = x
        for w, b in weights[:-1]:
            h = jnp.tanh(h @ w + b)
        logits = h @ weights[-1][0] + weights[-1][1]
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1).mean()

    def update(weights):
        return jax.tree.map(lambda p, g: p - RATE * g, weights, jax.grad(loss)(weights))

    return parameters, update


def scikit_learn(depth: int, width: int, batch: int) -> Steps:
    """Train the same net with scikit-learn's `MLPClassifier.partial_fit`, a batch a call."""
    from sklearn.neural_network import MLPClassifier

    data = gradlab.datasets.digits(seed=0)
    model = MLPClassifier(
        [width] * depth,
        activation="tanh",
        solver="sgd",
        learning_rate_init=RATE,
        momentum=0.0,
        nesterovs_momentum=False,
        alpha=0.0,
        batch_size=batch,
        random_state=0,
    )
    x, y = data.x_train[:batch].astype(np.float32), data.y_train[:batch]
    model.partial_fit(x, y, classes=np.arange(10))
    return repeated(lambda: model.partial_fit(x, y))
