"""Reads the labelled corpus and trains its cases."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

import gradlab
from gradlab import datasets
from gradlab.comparison.networks import Network
from gradlab.datasets import Data
from gradlab.nn import optimizers

Array = np.ndarray

CASES = Path(__file__).with_name("cases.toml")
SEEDS, SNAPSHOT_EVERY = 3, 10


@dataclass(frozen=True)
class Case:
    """One training and what a diagnosis must, may and must not say of it; see cases.toml."""

    name: str
    split: str
    fault: str = ""
    network: str = "relu"
    depth: int = 3
    width: int = 32
    data: str = "digits"
    examples: int = 1000
    plant: str = ""
    required: tuple[str, ...] = ()
    acceptable: tuple[str, ...] = ()
    root: tuple[str, ...] = ()
    layer: int = 0
    seed: int = 0
    dtype: str = "float32"
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        return not self.fault

    @property
    def roots(self) -> tuple[str, ...]:
        return self.root or self.required


@dataclass
class Evidence:
    """A finished training, with what the proofs look at.

    Attributes
    ----------
    snapshots : list of (iteration, weights, biases)
        Of seed 0, every 10th iteration, the first and the last.
    answers : ndarray (S, n, outputs)
        What the trained nets of all seeds say of the training examples, in evaluation.
    """

    case: Case
    run: gradlab.Run
    data: Data
    snapshots: list[tuple[int, list[Array], list[Array]]]
    answers: Array


def load(split: str | None = None) -> list[Case]:
    """Return the cases of one split, or all."""
    own = {each.name for each in fields(Case)} - {"training"}
    cases = []
    for row in tomllib.loads(CASES.read_text(encoding="utf-8"))["cases"]:
        known = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in row.items()
            if key in own
        }
        training = {"learning_rate": 0.05, "batch_size": 32, "iterations": 200}
        training |= {key: value for key, value in row.items() if key not in own}
        cases.append(Case(**known, training=training))
    return [case for case in cases if split in (None, case.split)]


def make_model(case: Case, data: Data, replicates: int) -> gradlab.MLP:
    """Build a case's network, nothing planted in it."""
    outputs = 1 if case.training.get("loss") == "binary_cross_entropy" else data.n_outputs
    network = Network.parse(case.network)
    return gradlab.MLP(
        [data.n_features, *[case.width] * case.depth, outputs],
        network.activation,
        init=network.init,
        gain=network.gain,
        norm=network.norm,
        residual=network.residual,
        dropout=network.dropout,
        seed=case.seed,
        replicates=replicates,
        dtype=case.dtype,
    )


def train(case: Case) -> Evidence:
    """Train a case's seeds at once, with its fault planted."""
    data = plant_in_data(case, make_data(case))
    model = make_model(case, data, SEEDS)
    plant_in_model(case, model)
    snapshots = [snapshot(0, model)]

    def keep(step) -> None:
        if (step.iteration + 1) % SNAPSHOT_EVERY == 0:
            snapshots.append(snapshot(step.iteration + 1, step.model))

    with Tampering(case, model):
        run = gradlab.train(
            model,
            data,
            name=case.name,
            on_step=keep,
            validate_every=10,
            # faults are planted, and the verdict is asked for at the end
            **({"on_finding": None} | case.training),
        )
    snapshots.append(snapshot(run.iterations, model))
    with np.errstate(all="ignore"):
        answers = np.asarray(model.predict(data.x_train), np.float64)
    return Evidence(case, run, data, snapshots, answers)


def snapshot(iteration: int, model) -> tuple[int, list[Array], list[Array]]:
    parts = [
        [np.array(array[0], np.float64) for array in stack]
        for stack in (model.weights, model.biases)
    ]
    return iteration, *parts


def make_data(case: Case) -> Data:
    """Return the named data set, small."""
    rng = np.random.default_rng(7 + case.seed)
    n, seed = case.examples, case.seed
    if case.data == "digits":
        full = datasets.digits(seed=seed)
        return Data("digits", full.x_train[:n], full.y_train[:n], full.x_test, full.y_test)
    if case.data in ("exact line", "noisy line"):
        return datasets.linear(1000, noise=0.0 if case.data == "exact line" else 0.5, seed=seed)
    if case.data == "course function":
        return datasets.course_function(1000, noise=0.1, seed=seed)
    if case.data == "circles":
        return datasets.circles(1000, noise=0.05, seed=seed)
    if case.data == "far blobs":
        return datasets.blobs(600, classes=3, features=8, spread=0.3, seed=seed)
    if case.data == "noisy labels":
        return datasets.blobs(1000, classes=3, features=4, spread=6.0, seed=seed)
    if case.data == "imbalanced":
        return datasets.blobs(1000, classes=2, features=4, spread=3.0, shares=(95, 5), seed=seed)
    if case.data == "random labels":
        return datasets.split(
            case.data, rng.normal(size=(250, 20)), rng.integers(0, 5, 250), seed=seed
        )
    if case.data == "unrelated":
        return datasets.split(
            case.data, rng.normal(size=(5000, 10)), rng.integers(0, 4, 5000), seed=seed
        )
    if case.data == "moons":  # two half circles that reach into each other
        angle, upper = rng.uniform(0, np.pi, 800), np.arange(800) % 2 == 0
        x = np.where(
            upper, [np.cos(angle), np.sin(angle)], [1 - np.cos(angle), 0.5 - np.sin(angle)]
        ).T
        return datasets.split(
            case.data, x + rng.normal(0, 0.1, x.shape), upper.astype(int), seed=seed
        )
    if case.data == "sine":
        x = rng.uniform(-1, 1, (800, 1))
        return datasets.split(
            case.data, x, np.sin(5 * x[:, 0]) + rng.normal(0, 0.1, 800), seed=seed
        )
    if (name := case.data.replace(" ", "_")) in datasets.BUNDLED:
        return datasets.bundled(name, seed=seed)
    if case.data == "few noisy labels":
        x = rng.normal(size=(120, 10))
        flipped = rng.random(120) < 0.35
        return datasets.split(
            case.data, x, ((x[:, 0] > 0) ^ flipped).astype(int), seed=seed, test_fraction=0.5
        )
    if case.data == "few noisy points":
        x = np.sort(rng.uniform(-1, 1, (60, 1)), axis=0)
        return datasets.split(
            case.data, x, x[:, 0] ** 2 + rng.normal(0, 0.6, 60), seed=seed, test_fraction=0.6
        )
    raise ValueError(f"unknown data {case.data!r} in case {case.name!r}")


def plant_in_data(case: Case, data: Data) -> Data:
    word, *numbers = case.plant.split() or [""]
    if word == "inputs":  # as if nobody had standardized them
        scale = float(numbers[0])
        return Data(data.name, data.x_train * scale, data.y_train, data.x_test * scale, data.y_test)
    if word == "outlier":  # one target in other units
        y = data.y_train.copy()
        y[0] *= float(numbers[0]) / abs(y[0])
        return Data(data.name, data.x_train, y, data.x_test, data.y_test)
    return data


def plant_in_model(case: Case, model) -> None:
    word, *numbers = case.plant.split() or [""]
    if word in ("nan", "inf"):
        model.weights[int(numbers[0]) - 1][..., 0, 0] = float(word)
    elif word == "bias":
        model.biases[int(numbers[0]) - 1][...] = float(numbers[1])
    elif word == "constant":
        for weight in model.weights[:-1]:
            weight[...] = float(numbers[0])


class Tampering:
    """While it is entered, optimizers do what the case plants in them.

    `freeze N` puts the weights of layer N back after every update; `stale` never empties the
    gradients: each one is added to those before it, in place, as in a loop that forgot zero_grad.
    """

    def __init__(self, case: Case, model):
        self._word, *numbers = case.plant.split() or [""]
        self._layer = int(numbers[0]) - 1 if self._word == "freeze" else 0
        self._model, self._create = model, optimizers.create

    def __enter__(self) -> None:
        if self._word in ("freeze", "stale"):
            optimizers.create = self._tampered

    def _tampered(self, *arguments):
        optimizer = self._create(*arguments)
        step, held = optimizer.step, []
        frozen, kept = self._model.weights[self._layer], self._model.weights[self._layer].copy()

        def update(parameters, gradients) -> None:
            if self._word == "stale":
                gradients += held.pop() if held else 0
                held.append(gradients.copy())
            step(parameters, gradients)
            if self._word == "freeze":
                frozen[...] = kept

        optimizer.step = update
        return optimizer

    def __exit__(self, *details: object) -> None:
        optimizers.create = self._create
