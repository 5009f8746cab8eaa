"""An independent, plain trainer, one seed in float64: what the engine must equal."""

from dataclasses import dataclass, field

import numpy as np

from gradlab.datasets import Data

Array = np.ndarray

# phi, phi' and the largest slope, written from their definitions.
PHI = {
    "identity": (lambda z: z, lambda z: np.ones_like(z), 1.0),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2, 0.25),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2, 1.0),
    "relu": (lambda z: np.where(z > 0, z, 0.0), lambda z: np.where(z > 0, 1.0, 0.0), 1.0),
}


def make_data(
    examples=12, features=3, outputs=3, *, regression=False, held_out=6, scale=1.0, seed=0
) -> Data:
    rng = np.random.default_rng(seed)
    x = scale * rng.normal(size=(examples + held_out, features))
    y = rng.normal(size=(len(x), outputs)) if regression else rng.integers(0, outputs, len(x))
    return Data("made", x[:examples], y[:examples], x[examples:], y[examples:])


def batches(seed: int, examples: int, batch_size: int, count: int) -> list[Array]:
    """Return the examples of the first batches: permutations end to end, cut into batches."""
    rng = np.random.default_rng([seed, 1])
    epochs = [rng.permutation(examples) for _ in range(count * batch_size // examples + 1)]
    order = np.concatenate(epochs)
    return [order[i * batch_size : (i + 1) * batch_size] for i in range(count)]


@dataclass
class Pass:
    """One forward and backward pass; lists are per layer, first layer first."""

    loss: float
    z: list[Array]
    h: list[Array]  # h_0 = the batch, then h_1 .. h_L
    slope: list[Array]  # phi'(z_l); 1 at the linear output
    delta: list[Array]
    u: list[Array]  # delta_{l+1} W_{l+1}^T of the hidden layers
    weight_gradient: list[Array]
    bias_gradient: list[Array]


def plain_loss(logits: Array, y: Array, loss: str) -> float:
    if loss == "squared_error":
        return float(((logits - y.reshape(logits.shape)) ** 2).mean())
    return float(
        np.mean([np.log(np.exp(row - row[k]).sum()) for row, k in zip(logits, y, strict=True)])
    )


def plain_pass(
    weights: list[Array], biases: list[Array], x: Array, y: Array, activation: str, loss: str
) -> Pass:
    phi, slope_of, _ = PHI[activation]
    last = len(weights) - 1
    z, h = [], [x]
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z.append(h[-1] @ w + b)
        h.append(z[-1] if layer == last else phi(z[-1]))
    logits = h[-1]
    if loss == "squared_error":
        delta = [2 * (logits - y.reshape(logits.shape)) / logits.size]
    else:
        softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        delta = [(softmax - np.eye(logits.shape[1])[y]) / len(y)]
    u = []
    for layer in range(last - 1, -1, -1):
        u.insert(0, delta[0] @ weights[layer + 1].T)
        delta.insert(0, u[0] * slope_of(z[layer]))
    return Pass(
        loss=plain_loss(logits, y, loss),
        z=z,
        h=h,
        slope=[slope_of(value) for value in z[:-1]] + [np.ones_like(z[-1])],
        delta=delta,
        u=u,
        weight_gradient=[a.T @ d for a, d in zip(h[:-1], delta, strict=True)],
        bias_gradient=[d.sum(axis=0) for d in delta],
    )


@dataclass
class PlainTraining:
    """Everything that one seed's training went through, iteration by iteration."""

    signals: list[dict[str, list[float]]] = field(
        default_factory=list
    )  # one entry a layer; None = not recorded
    steps: list[dict[str, float]] = field(default_factory=list)
    weights: list[list[Array]] = field(
        default_factory=list
    )  # before update 0 .. T, the last ones came out


def train_plainly(
    weights,
    biases,
    data: Data,
    *,
    activation,
    loss,
    learning_rate,
    batch_size,
    iterations,
    seed,
    validate_every=50,
) -> PlainTraining:
    """Train by SGD from the given parameters, measuring everything by its definition."""
    weights, biases = (
        [np.array(w, float) for w in weights],
        [np.array(b, float).reshape(-1) for b in biases],
    )
    result, last_update = PlainTraining(), None
    for number, batch in enumerate(batches(seed, len(data.x_train), batch_size, iterations)):
        x, y = data.x_train[batch], data.y_train[batch]
        now = plain_pass(weights, biases, x, y, activation, loss)
        singly = [
            plain_pass(weights, biases, x[[i]], y[[i]], activation, loss) for i in range(batch_size)
        ]
        after = [w - learning_rate * g for w, g in zip(weights, now.weight_gradient, strict=True)]
        biases_after = [
            b - learning_rate * g for b, g in zip(biases, now.bias_gradient, strict=True)
        ]
        update = [new - old for new, old in zip(after, weights, strict=True)]
        pairs = [*zip(now.weight_gradient, update, strict=True)]
        pairs += [
            (g, new - old)
            for g, new, old in zip(now.bias_gradient, biases_after, biases, strict=True)
        ]
        step = {
            "loss": now.loss,
            "learning_rate": learning_rate,
            "grad_norm": np.sqrt(
                sum((g**2).sum() for g in now.weight_gradient + now.bias_gradient)
            ),
            "expected_decrease": -sum((g * d).sum() for g, d in pairs),
        }
        if number % validate_every == 0 or number == iterations - 1:
            logits = plain_pass(weights, biases, data.x_test, data.y_test, activation, loss).h[-1]
            step["validation_loss"] = plain_loss(logits, data.y_test, loss)
            if loss == "cross_entropy":
                step["validation_accuracy"] = float((logits.argmax(axis=1) == data.y_test).mean())
        result.signals.append(
            _signals(now, singly, weights, after, update, last_update, PHI[activation][2])
        )
        result.steps.append(step)
        result.weights.append(weights)
        weights, biases, last_update = after, biases_after, update
    result.weights.append(weights)
    return result


def length(x: Array) -> float:
    return float(np.sqrt((np.asarray(x, float) ** 2).sum()))


def rms(x: Array) -> float:
    return float(np.sqrt((np.asarray(x, float) ** 2).mean()))


def _signals(
    now, singly, weights, after, update, last_update, bound
) -> dict[str, list[float | None]]:
    rows: dict[str, list[float | None]] = {}
    layers = range(len(weights))
    hidden = layers[:-1]

    def column(name, value, of=layers):
        rows[name] = [value(layer) if layer in of else None for layer in layers]

    def unit_similarity(layer):
        units = weights[layer].T
        cosines = [a @ b / (length(a) * length(b)) for i, a in enumerate(units) for b in units[:i]]
        return max(cosines) if cosines else None

    column("grad_norm", lambda k: length(now.weight_gradient[k]))
    column("grad_max", lambda k: abs(now.weight_gradient[k]).max())
    column(
        "per_example_grad_norm",
        lambda k: np.mean([length(one.delta[k]) * length(one.h[k]) for one in singly]),
    )
    column("delta_norm", lambda k: length(now.delta[k]))
    column("weight_norm", lambda k: length(weights[k]))
    column("update_norm", lambda k: length(after[k] - weights[k]))
    column("update_ratio", lambda k: length(after[k] - weights[k]) / length(weights[k]))
    column(
        "update_cosine",
        lambda k: (update[k] * last_update[k]).sum() / (length(update[k]) * length(last_update[k])),
        of=layers if last_update else [],
    )
    column(
        "grad_weight_cosine",
        lambda k: (
            (now.weight_gradient[k] * weights[k]).sum()
            / (length(now.weight_gradient[k]) * length(weights[k]))
        ),
    )
    # The loop lets nobody else write to the weights.
    column("outside_update_norm", lambda k: 0.0, of=layers if last_update else [])
    column("activation_mean", lambda k: now.h[k + 1].mean())
    column("activation_std", lambda k: np.sqrt(((now.h[k + 1] - now.h[k + 1].mean()) ** 2).mean()))
    column("activation_rms", lambda k: rms(now.h[k + 1]))
    column("slope_rms", lambda k: rms(now.slope[k]))
    column("dead_fraction", lambda k: np.mean([(unit == 0).all() for unit in now.slope[k].T]))
    column(
        "saturated_fraction",
        lambda k: np.mean(abs(now.slope[k]) < 0.01 * (bound if k in hidden else 1.0)),
    )
    column("unit_similarity", unit_similarity)
    column("second_moment_rms", lambda k: None)
    column("time_gain", lambda k: None)
    column("nonfinite_count", lambda k: 0.0)
    column(
        "lost_fraction", lambda k: ((after[k] == weights[k]) & (now.weight_gradient[k] != 0)).mean()
    )
    n_out = [w.shape[1] for w in weights]
    column(
        "log_gain_weight",
        lambda k: np.log(length(weights[k + 1]) / np.sqrt(n_out[k + 1])),
        of=hidden,
    )
    column(
        "log_gain_alignment",
        lambda k: np.log(length(now.u[k]) / length(now.delta[k + 1])) - rows["log_gain_weight"][k],
        of=hidden,
    )
    column("log_gain_slope", lambda k: 0.5 * np.log((now.slope[k] ** 2).mean()), of=hidden)
    column(
        "log_gain_slope_alignment",
        lambda k: (
            np.log(length(now.u[k] * now.slope[k]) / length(now.u[k])) - rows["log_gain_slope"][k]
        ),
        of=hidden,
    )
    column("log_gain_block", lambda k: None)
    return rows
