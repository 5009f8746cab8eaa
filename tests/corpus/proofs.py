"""Each label proved by a measurement that knows neither the rules nor the recorder.

A proof looks at weights, biases and data of seed 0 alone, by a forward pass written here in
float64.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np

from tests.corpus.corpus import Evidence, train

Array = np.ndarray

LEARNED = 0.95  # of what guessing costs

PHI = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "tanh": np.tanh,
    "sigmoid": lambda z: 0.5 * (1 + np.tanh(z / 2)),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "gelu": lambda z: z * np.vectorize(lambda t: 0.5 * (1 + math.erf(t / math.sqrt(2))))(z),
    "selu": lambda z: (
        1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0)))
    ),
}


def forward(evidence: Evidence, weights: list[Array], biases: list[Array], x: Array) -> list[Array]:
    """Return h_1 .. h_L for inputs x; the last layer is linear."""
    phi = PHI[evidence.run.config["activation"]]
    hidden = [x]
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
        z = hidden[-1] @ weight + bias
        hidden.append(phi(z) if number < len(weights) else z)
    return hidden[1:]


def loss(evidence: Evidence, logits: Array, y: Array) -> float:
    """The mean loss by its definition; of weighted classes, every class counts alike."""
    kind = evidence.run.config["loss"]
    if kind == "cross_entropy":
        shifted = logits - logits.max(axis=1, keepdims=True)
        each = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), y]
    elif kind == "binary_cross_entropy":
        z = logits[:, 0]
        each = np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))
    else:
        off = np.abs(logits - y.reshape(logits.shape))
        each = {
            "squared_error": off**2,
            "mean_absolute_error": off,
            "huber": np.where(off < 1, off**2 / 2, off - 0.5),
        }[kind]
    if evidence.case.training.get("class_weights") == "balanced":
        return float(np.mean([np.mean(each[y == label]) for label in np.unique(y)]))
    return float(np.mean(each))


def guessing(evidence: Evidence) -> float:
    """The least loss of any answer that is the same for all examples."""
    y = evidence.data.y_train
    if evidence.data.task == "classification":
        shares = np.bincount(y) / len(y)
        if evidence.case.training.get("class_weights") == "balanced":
            shares = np.full(len(shares), 1 / len(shares))
        return float(-np.sum(shares * np.log(shares)))
    constants = [*np.quantile(y, np.linspace(0, 1, 201)), y.mean()]
    return min(loss(evidence, np.full((len(y), 1), constant), y) for constant in constants)


def reach(evidence: Evidence) -> float:
    """How far a change of the first preactivations reaches, by finite differences.

    ||d logits|| for random d z_1 of unit length, over ||d logits|| for d z_L of unit length (1):
    root mean square over 20 examples and 20 directions.
    """
    _, weights, biases = evidence.snapshots[0]
    phi, rng = PHI[evidence.run.config["activation"]], np.random.default_rng(0)
    x = evidence.data.x_train[:20]
    z = x @ weights[0] + biases[0]
    h = 1e-4 * np.sqrt(np.mean(z**2))
    squares = []
    for _ in range(20):
        direction = rng.normal(size=z.shape)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        ends = []
        for step in (h, -h):
            hidden = phi(z + step * direction)
            for weight, bias in zip(weights[1:-1], biases[1:-1], strict=True):
                hidden = phi(hidden @ weight + bias)
            ends.append(hidden @ weights[-1] + biases[-1])
        squares.append(np.mean(np.sum(((ends[0] - ends[1]) / (2 * h)) ** 2, axis=1)))
    # A random direction of n is sqrt(n_1 / n_L) times less likely to matter than one of the n_L
    # logits.
    return float(np.sqrt(np.mean(squares) * z.shape[1] / weights[-1].shape[1]))


def healthy(evidence: Evidence) -> None:
    """Every seed has learned something; with a rate meant to be tiny, it is finite."""
    assert np.isfinite(evidence.answers).all()
    if "GL402" in evidence.case.acceptable:
        return
    losses = [loss(evidence, answers, evidence.data.y_train) for answers in evidence.answers]
    shares = np.round(np.array(losses) / guessing(evidence), 3)
    assert (shares < LEARNED).all(), f"a seed's loss is {shares.max()} of guessing's"


def vanishing(evidence: Evidence) -> None:
    assert reach(evidence) < 1e-2


def exploding(evidence: Evidence) -> None:
    assert reach(evidence) > 1e2


def non_finite(evidence: Evidence) -> None:
    _, weights, _ = evidence.snapshots[0]
    broken = [number for number, weight in enumerate(weights, 1) if not np.isfinite(weight).all()]
    assert broken == [evidence.case.layer]


def dead(evidence: Evidence) -> None:
    _, weights, biases = evidence.snapshots[-1]
    hidden = forward(evidence, weights, biases, evidence.data.x_train)
    silent = [(h <= 0).all(axis=0).mean() for h in hidden[:-1]]
    assert silent[evidence.case.layer - 1] > 0.9
    assert max(silent[: evidence.case.layer - 1], default=0) < 0.5


def saturated(evidence: Evidence) -> None:
    _, weights, biases = evidence.snapshots[-1]
    hidden = forward(evidence, weights, biases, evidence.data.x_train)[evidence.case.layer - 1]
    if evidence.run.config["activation"] == "sigmoid":
        hidden = 2 * hidden - 1
    assert (np.abs(hidden) > 0.995).mean() > 0.6  # tanh' = 1 - tanh^2 < 0.01


def lost(evidence: Evidence) -> None:
    (_, before, _), (_, after, _) = evidence.snapshots[0], evidence.snapshots[-1]
    assert min(float((a == b).mean()) for a, b in zip(before, after, strict=True)) > 0.5
    assert loss(evidence, _logits(evidence, 0), evidence.data.y_train) > 1


def frozen(evidence: Evidence) -> None:
    (_, before, _), (_, after, _) = evidence.snapshots[0], evidence.snapshots[-1]
    same = [
        number
        for number, (a, b) in enumerate(zip(before, after, strict=True), 1)
        if np.array_equal(a, b)
    ]
    assert same == [evidence.case.layer]


def stale(evidence: Evidence) -> None:
    """The last bias moved farther than one batch's gradients can carry it.

    |softmax - target| is at most sqrt(2).
    """
    training = evidence.case.training
    assert training.get("optimizer", "sgd") == "sgd"
    assert evidence.run.config["loss"] == "cross_entropy"
    moved = [
        np.linalg.norm(later[-1] - earlier[-1])
        / ((t - s) * training["learning_rate"] * math.sqrt(2))
        for (s, _, earlier), (t, _, later) in itertools.pairwise(evidence.snapshots)
        if t > s
    ]
    assert max(moved) > 1


def diverging(evidence: Evidence) -> None:
    """The weights are ten times as long at the end, and the loss is above its start."""
    first, last = (np.concatenate([w.ravel() for w in evidence.snapshots[k][1]]) for k in (0, -1))
    if np.isfinite(last).all():
        assert np.linalg.norm(last) > 10 * np.linalg.norm(first)
        assert _full_loss(evidence, -1) > _full_loss(evidence, 0)


def large(evidence: Evidence) -> None:
    """Between two snapshots, ten updates apart, a layer's weights moved more than their length."""
    moved = [
        max(
            np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in zip(one[1], other[1], strict=True)
        )
        for one, other in zip(evidence.snapshots, evidence.snapshots[1:], strict=False)
    ]
    assert max(moved) > 1


def symmetric(evidence: Evidence) -> None:
    for _, weights, _ in (evidence.snapshots[0], evidence.snapshots[-1]):
        units = weights[0] / np.linalg.norm(weights[0], axis=0)
        assert (units.T @ units).min() > 0.999


def stalled(evidence: Evidence) -> None:
    """The same training with epsilon 1e-8 learns; this one does not."""
    case = evidence.case
    usual = case.training["optimizer"].split(":")[0]
    cured = train(dataclasses.replace(case, training=case.training | {"optimizer": usual}))
    assert _full_loss(cured, -1) < 0.5 * _full_loss(evidence, -1)


def spike(evidence: Evidence) -> None:
    """The planted example's residual is a hundred times the others', and so is its gradient."""
    residual = np.abs(_logits(evidence, -1)[:, 0] - evidence.data.y_train)
    assert residual.argmax() == 0
    assert residual[0] > 100 * np.median(residual)


def unstable(evidence: Evidence) -> None:
    """On all data, the loss is above 1.4 times the baseline again and again, and comes back."""
    losses = np.array([_full_loss(evidence, k) for k in range(1, len(evidence.snapshots))])
    losses = losses[np.isfinite(losses)]
    guessing = np.log(evidence.data.n_outputs)
    assert (losses > 1.4 * guessing).mean() > 0.2
    assert (np.diff(losses) > 0.2 * guessing).sum() >= 2


def uninformative(evidence: Evidence) -> None:
    """Held-out accuracy is that of guessing, within three deviations."""
    data, (_, weights, biases) = evidence.data, evidence.snapshots[-1]
    right = (
        forward(evidence, weights, biases, data.x_test)[-1].argmax(axis=1) == data.y_test
    ).mean()
    chance = 1 / data.n_outputs
    assert abs(right - chance) < 3 * np.sqrt(chance * (1 - chance) / len(data.y_test)) + 0.02


def overfitted(evidence: Evidence) -> None:
    data = evidence.data
    held_out = [
        loss(evidence, forward(evidence, weights, biases, data.x_test)[-1], data.y_test)
        for _, weights, biases in evidence.snapshots
    ]
    assert held_out[-1] > 1.25 * min(held_out)
    assert _full_loss(evidence, -1) < 0.5 * held_out[-1]


def _logits(evidence: Evidence, which: int) -> Array:
    _, weights, biases = evidence.snapshots[which]
    return forward(evidence, weights, biases, evidence.data.x_train)[-1]


def _full_loss(evidence: Evidence, which: int) -> float:
    with np.errstate(all="ignore"):
        return loss(evidence, _logits(evidence, which), evidence.data.y_train)


PROOFS = {
    "": healthy,
    "vanishing": vanishing,
    "exploding": exploding,
    "non-finite": non_finite,
    "dead": dead,
    "saturated": saturated,
    "lost": lost,
    "frozen": frozen,
    "stale": stale,
    "diverging": diverging,
    "large": large,
    "symmetric": symmetric,
    "stalled": stalled,
    "spike": spike,
    "unstable": unstable,
    "uninformative": uninformative,
    "overfitted": overfitted,
}
