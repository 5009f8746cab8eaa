"""Trainings drawn at random, each with its label: held-out cases without end.

A family says what is planted, within which ranges, and what a diagnosis must and may say of it; the
proofs then throw out those in which the fault did not come about (see `proofs.py`), by a
measurement that knows no rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.corpus.corpus import Case

Draw = Callable[[np.random.Generator], dict[str, Any]]

STILL = ("GL301", "GL302", "GL402")  # what follows where nothing moves any more
THROWN = (
    "GL101",
    "GL102",
    "GL103",
    "GL301",
    "GL303",
    "GL401",
    "GL402",
)  # and where the weights are thrown about
BLOWN = ("GL001", "GL101", "GL103", "GL201", "GL203", "GL303", "GL304", "GL401", "GL402")
RATES = {  # at which small nets usually learn
    "sgd": (0.02, 0.08),
    "momentum": (0.003, 0.01),
    "nesterov": (0.003, 0.01),
    "adam": (5e-4, 3e-3),
    "adamw": (5e-4, 3e-3),
    "rmsprop": (3e-4, 1e-3),
    "adagrad": (0.01, 0.03),
}
ADAPTIVE = ("adam", "adamw", "rmsprop", "adagrad")
SMOOTH = ("tanh", "elu", "gelu")


def draw(seed: int, count: int) -> list[Case]:
    """Return `count` cases: three healthy ones to every two faulty, of all families in turn."""
    rng = np.random.default_rng(seed)
    cases = []
    for number in range(count):
        fault = "" if number % 5 < 3 else FAULTS[(number // 5 * 2 + number % 5 - 3) % len(FAULTS)]
        details = FAMILIES[fault](rng)
        name = f"{seed}-{number} {fault or 'healthy'}"
        cases.append(_case(name, fault, seed=int(rng.integers(10_000)), **details))
    return cases


def _case(name: str, fault: str, **details: Any) -> Case:
    own = {key: details.pop(key) for key in tuple(details) if key in Case.__dataclass_fields__}
    training = {"learning_rate": 0.05, "batch_size": 32, "iterations": 200} | details
    return Case(name, "drawn", fault, training=training, **own)


def _one(rng: np.random.Generator, *choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw evenly in the logarithm, to three digits."""
    return float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")


def _whole(rng: np.random.Generator, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


def healthy(rng: np.random.Generator) -> dict[str, Any]:
    """A net and a rate that usually learn, with options of every kind."""
    activation = _one(
        rng,
        "relu",
        "relu",
        "tanh",
        "tanh",
        "gelu",
        "elu",
        "silu",
        "leaky_relu",
        "selu:lecun_normal",
    )
    data = _one(
        rng,
        "digits",
        "digits",
        "digits",
        "wine",
        "iris",
        "breast cancer",
        "moons",
        "noisy line",
        "sine",
    )
    block = _one(rng, "", "", "", ":norm=layer", ":norm=batch", ":residual=0.3", ":dropout=0.2")
    depth = _whole(
        rng, 2 if "residual" in block else 1, 5 if activation in ("gelu", "silu") else 12
    )
    optimizer = _one(rng, "sgd", "sgd", *RATES)
    rate = _between(rng, *RATES[optimizer]) * (0.5 if depth > 6 else 1.0)
    details: dict[str, Any] = {
        "network": activation + block,
        "data": data,
        "depth": depth,
        "width": _whole(rng, 16, 72),
        "optimizer": optimizer,
        "learning_rate": rate,
        "batch_size": _one(rng, 16, 32, 64),
        "iterations": 300,
        "dtype": _one(rng, "float32", "float32", "float64"),
    }
    small = data in ("wine", "iris", "breast cancer") or optimizer in ADAPTIVE
    if data in ("noisy line", "sine"):
        details["loss"] = _one(rng, "squared_error", "huber")
    elif rng.random() < 0.15:
        details["label_smoothing"] = 0.1
    key, value = _one(
        rng,
        ("", 0),
        ("", 0),
        ("l2", 0.001),
        ("clip", "norm:most=1"),
        ("schedule", "cosine:warmup=20"),
        ("schedule", "constant:warmup=60"),
        ("schedule", "step:every=100:factor=0.5"),
    )
    return details | ({key: value} if key else {}) | ({"acceptable": ("GL403",)} if small else {})


def vanishing(rng: np.random.Generator) -> dict[str, Any]:
    network, least = _one(
        rng,
        ("sigmoid", 7),
        ("sigmoid:he_normal", 9),
        ("tanh:gain=0.5", 12),
        ("elu:gain=0.5", 14),
        ("relu:gain=0.6", 16),
    )
    optimizer = _one(rng, "sgd", "momentum", "adam") if network.startswith("sigmoid") else "sgd"
    return {
        "network": network,
        "depth": _whole(rng, least, least + 10),
        "width": _whole(rng, 24, 64),
        "layer": 1,
        "optimizer": optimizer,
        "learning_rate": _between(rng, *RATES[optimizer]),
        "required": ("GL101",),
        "acceptable": (*STILL, "GL201", "GL306"),
    }


def exploding(rng: np.random.Generator) -> dict[str, Any]:
    network = f"{_one(rng, 'relu', 'leaky_relu', 'elu', 'identity')}:gain={_between(rng, 2, 3)}"
    rate = _one(rng, 0.05, 0.01, 1e-11)
    return {
        "network": network,
        "depth": _whole(rng, 10, 18),
        "width": _whole(rng, 24, 64),
        "learning_rate": rate,
        "required": ("GL102",),
        "acceptable": (*BLOWN, *STILL),
    }


def non_finite(rng: np.random.Generator) -> dict[str, Any]:
    depth = _whole(rng, 1, 6)
    layer = _whole(rng, 1, depth + 1)
    return {
        "network": _one(rng, "relu", *SMOOTH),
        "depth": depth,
        "plant": f"{_one(rng, 'nan', 'inf')} {layer}",
        "layer": layer,
        "required": ("GL001",),
        "acceptable": ("GL203", "GL402"),
    }


def dead(rng: np.random.Generator) -> dict[str, Any]:
    depth = _whole(rng, 3, 7)
    layer = _whole(rng, 1, depth)
    optimizer = _one(rng, "sgd", "momentum", "adam")
    return {
        "depth": depth,
        "plant": f"bias {layer} -{_whole(rng, 30, 60)}",
        "layer": layer,
        "optimizer": optimizer,
        "learning_rate": _between(rng, *RATES[optimizer]),
        "width": _whole(rng, 24, 64),
        "required": ("GL201",),
        "acceptable": ("GL101", *STILL, "GL306"),
    }


def saturated(rng: np.random.Generator) -> dict[str, Any]:
    depth = _whole(rng, 2, 5)
    layer = _whole(rng, 1, depth)
    inputs = rng.random() < 0.5
    plant = f"inputs {_whole(rng, 300, 2000)}" if inputs else f"bias {layer} {_whole(rng, 6, 12)}"
    return {
        "network": "tanh",
        "depth": depth,
        "plant": plant,
        "layer": 1 if inputs else layer,
        "learning_rate": 0.01,
        "required": ("GL202",),
        "acceptable": ("GL101", "GL103", *STILL, "GL403"),
    }


def lost(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "network": _one(rng, "relu", *SMOOTH),
        "depth": _whole(rng, 2, 5),
        "learning_rate": _between(rng, 1e-10, 6e-10),
        "required": ("GL301",),
        "acceptable": STILL,
    }


def frozen(rng: np.random.Generator) -> dict[str, Any]:
    depth = _whole(rng, 2, 6)
    layer = _whole(rng, 1, depth + 1)
    optimizer = _one(rng, "sgd", "momentum", "adam")
    return {
        "network": _one(rng, "relu", *SMOOTH),
        "depth": depth,
        "plant": f"freeze {layer}",
        "layer": layer,
        "optimizer": optimizer,
        "learning_rate": _between(rng, *RATES[optimizer]),
        "required": ("GL302",),
        "acceptable": ("GL403",) if optimizer == "adam" else (),
    }


def stale(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "network": _one(rng, "relu", *SMOOTH),
        "depth": _whole(rng, 2, 6),
        "plant": "stale",
        "learning_rate": _between(rng, 0.01, 0.1),
        "required": ("GL104",),
        "acceptable": (*THROWN, *STILL, "GL001", "GL101", "GL201", "GL202", "GL203", "GL403"),
    }


def diverging(rng: np.random.Generator) -> dict[str, Any]:
    depth = _whole(rng, 0, 1)
    return {
        "network": "identity",
        "data": _one(rng, "exact line", "noisy line"),
        "loss": "squared_error",
        "depth": depth,
        "learning_rate": _between(rng, *((0.65, 1.0) if depth else (1.6, 4.0))),
        "batch_size": 800,
        "iterations": 50,
        "required": ("GL303",),
        "acceptable": ("GL001", "GL102", "GL103", "GL203", "GL304", "GL401", "GL402"),
    }


def large(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "network": _one(rng, "tanh", "relu", "elu"),
        "depth": _whole(rng, 2, 4),
        "optimizer": _one(rng, "adam", "rmsprop"),
        "learning_rate": _between(rng, 0.3, 0.6),
        "required": ("GL304",),
        "acceptable": (*THROWN, "GL001", "GL201", "GL202", "GL203"),
    }


def symmetric(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "network": _one(rng, *SMOOTH),
        "depth": _whole(rng, 2, 4),
        "plant": f"constant {_between(rng, 0.02, 0.1)}",
        "layer": 1,
        "required": ("GL305",),
        "acceptable": ("GL101", "GL202", *STILL),
    }


def stalled(rng: np.random.Generator) -> dict[str, Any]:
    optimizer, epsilon = _one(rng, "adam", "adamw", "rmsprop"), _whole(rng, 5, 50)
    return {
        "network": _one(rng, "relu", *SMOOTH),
        "depth": _whole(rng, 2, 4),
        "optimizer": f"{optimizer}:epsilon={epsilon}",
        "learning_rate": _between(rng, 0.001, 0.003),
        "required": ("GL306",),
        "acceptable": ("GL302", "GL402"),
    }


def spike(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "network": _one(rng, "tanh", "elu"),
        "data": "noisy line",
        "loss": "squared_error",
        "depth": _whole(rng, 1, 2),
        "learning_rate": _between(rng, 0.002, 0.006),
        "plant": f"outlier {_whole(rng, 600, 1500)}",
        "iterations": 300,
        "required": ("GL103",),
        "acceptable": ("GL202", "GL304", "GL401", "GL402", "GL403"),
    }


def unstable(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "network": "tanh",
        "depth": _whole(rng, 2, 5),
        "width": _whole(rng, 32, 64),
        "root": ("GL304", "GL401"),
        "learning_rate": _between(rng, 2.0, 5.0),
        "required": ("GL401",),
        "acceptable": (*THROWN, "GL202", "GL304"),
    }


def uninformative(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "network": _one(rng, "relu", *SMOOTH),
        "data": "unrelated",
        "depth": _whole(rng, 1, 3),
        "learning_rate": 0.02,
        "required": ("GL402",),
        "acceptable": ("GL403",),
    }


def overfitted(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "network": _one(rng, "relu", *SMOOTH),
        "data": "few noisy labels",
        "depth": 2,
        "width": _whole(rng, 48, 64),
        "optimizer": "adam",
        "learning_rate": _between(rng, 0.003, 0.006),
        "iterations": 600,
        "batch_size": 30,
        "required": ("GL403",),
    }


FAMILIES: dict[str, Draw] = {
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
FAULTS = tuple(fault for fault in FAMILIES if fault)
