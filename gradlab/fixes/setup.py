"""`Setup`: everything that decides a training of the built-in engine, as frozen data."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from gradlab.datasets import BUNDLED, Data, bundled, digits
from gradlab.errors import ArgumentError
from gradlab.nn import optimizers
from gradlab.nn.mlp import MLP
from gradlab.options import TrainingOptions
from gradlab.run import Run

Array = np.ndarray

SEEDS = 10  # of the split of a known data set, tried one by one until the data fit the record
NETWORK = ("activation", "init", "gain", "norm", "residual", "dropout")
USUAL = {"gain": 1.0, "norm": None, "residual": None, "dropout": 0.0}


@dataclass(frozen=True)
class Setup:
    """One training of the built-in engine: network, start, data and options.

    Attributes
    ----------
    sizes : tuple of int
    activation, init, gain, norm, residual, dropout, seed, replicates, dtype
        As for `gradlab.MLP`.
    options : TrainingOptions
    inputs, targets : {"as given", "standardized"}
    start : {"as prepared", "drawn"}
        "drawn": the weights are those of `init`, whatever was written over them.
    biases : {"as prepared", "zero"}
    """

    sizes: tuple[int, ...]
    activation: str
    init: str
    gain: float
    seed: int
    replicates: int | None
    dtype: str
    options: TrainingOptions
    norm: str | None = None
    residual: float | None = None
    dropout: float = 0.0
    inputs: str = "as given"
    targets: str = "as given"
    start: str = "as prepared"
    biases: str = "as prepared"

    @classmethod
    def of(cls, run: Run) -> Setup:
        """Read the setup of a recorded run.

        Raises
        ------
        ArgumentError
            The run is not one of the built-in engine.
        """
        config = run.config
        missing = [key for key in ("sizes", "activation", "init", "dtype") if key not in config]
        if missing or config.get("framework"):
            framework = config.get("framework") or "your own loop"
            raise ArgumentError(
                f"run {run.name!r} was trained by {framework}, so that it cannot be trained again "
                "from its record; for PyTorch, use gradlab.adapters.torch.fix(make, train)"
            )
        seeds = int(config.get("seeds", 1))
        network: dict[str, Any] = {name: config.get(name, USUAL.get(name)) for name in NETWORK}
        return cls(
            sizes=tuple(config["sizes"]),
            seed=int(config.get("seed", 0)),
            replicates=seeds,
            dtype=config["dtype"],
            options=_options(config),
            **network,
        )

    @property
    def depth(self) -> int:
        """The number of hidden layers."""
        return len(self.sizes) - 2

    def training(self, **values: Any) -> Setup:
        """Return the setup with other options of the training."""
        return replace(self, options=replace(self.options, **values))

    def model(self) -> MLP:
        """Build the network, its weights drawn."""
        return MLP(
            self.sizes,
            self.activation,
            init=self.init,
            gain=self.gain,
            seed=self.seed,
            replicates=self.replicates,
            dtype=self.dtype,
            norm=self.norm,
            residual=self.residual,
            dropout=self.dropout,
        )

    def data(self, given: Data) -> Data:
        """Return the data as this setup reads them."""
        x = (given.x_train, given.x_test)
        y = (given.y_train, given.y_test)
        if self.inputs == "standardized":
            x = _standardized(*x)
        if self.targets == "standardized":
            y = _standardized(*y)
        return Data(given.name, x[0], y[0], x[1], y[1], given.classes, given.feature_names)

    def settings(self) -> dict[str, Any]:
        """Return every setting by its name."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        options = own.pop("options")
        own |= {each.name: getattr(options, each.name) for each in fields(options)}
        return own

    def diff(self, other: Setup) -> dict[str, tuple[Any, Any]]:
        """Return setting -> (here, there), of the settings that differ."""
        here, there = self.settings(), other.settings()
        return {name: (here[name], there[name]) for name in here if here[name] != there[name]}


def data_of(run: Run) -> Data:
    """Find the data set of a run by its name and fingerprint.

    Raises
    ------
    ArgumentError
        It is none that gradlab can make again.
    """
    name = str(run.config.get("data"))
    wanted = run.provenance.get("data_fingerprint")
    make = digits if name == "digits" else (lambda seed: bundled(name, seed=seed))
    if name == "digits" or name in BUNDLED:
        for seed in range(SEEDS):
            found = make(seed=seed)
            if found.fingerprint == wanted:
                return found
    raise ArgumentError(
        f"data={name!r}, on which run {run.name!r} was trained, cannot be made again from the "
        "record; give them: fix(run, data=...), or gradlab fix RUN --data FILE"
    )


def _options(config: dict[str, Any]) -> TrainingOptions:
    """Return the options of a training from `run.config`."""
    name = config.get("optimizer", "sgd")
    _, usual = optimizers.describe(name)
    changed = [
        f"{key}={config[key]!r}" for key in usual if key in config and config[key] != usual[key]
    ]
    known = {each.name for each in fields(TrainingOptions)} - {"optimizer", "histograms"}
    given = {key: value for key, value in config.items() if key in known}
    return TrainingOptions(optimizer=":".join([name, *changed]), **given)


def _standardized(train: Array, test: Array) -> tuple[Array, Array]:
    """Return both, by mean and deviation of the first; a column that does not vary becomes 0."""
    mean = train.mean(axis=0)
    deviation = train.std(axis=0)
    divisor = np.where(deviation > 0, deviation, np.inf)
    return (train - mean) / divisor, (test - mean) / divisor


def code(setup: Setup, data: Data) -> str:
    """Return the training as Python that can be run.

    Data that gradlab cannot name are left to the reader, as a comment says.
    """
    source = (
        f"gradlab.datasets.{data.name}()"
        if data.name == "digits"
        else f'gradlab.datasets.bundled("{data.name}")'
        if data.name in BUNDLED
        else f"...  # your data {json.dumps(data.name)}"
    )
    lines = ["import gradlab", "", f"data = {source}"]
    lines += [
        f"# {name} standardized: ({key} - {key}_train.mean(0)) / {key}_train.std(0)"
        for name, key in (("inputs", "x"), ("targets", "y"))
        if getattr(setup, name) == "standardized"
    ]
    network = [f"activation={_quoted(setup.activation)}", f"init={_quoted(setup.init)}"]
    network += [
        f"{name}={_quoted(getattr(setup, name))}"
        for name in USUAL
        if getattr(setup, name) != USUAL[name]
    ]
    network += [f"seed={setup.seed}", f"replicates={setup.replicates}"]
    network += [f"dtype={_quoted(setup.dtype)}"] if setup.dtype != "float32" else []
    lines += [f"model = gradlab.MLP({_sizes(setup.sizes)}, {', '.join(network)})"]
    lines += ["model.biases.flat.fill(0)"] if setup.biases == "zero" else []
    options = [
        f"    {each.name}={_quoted(getattr(setup.options, each.name))},"
        for each in fields(setup.options)
        if getattr(setup.options, each.name) != each.default
    ]
    lines += ["run = gradlab.train(", "    model,", "    data,", *options, ")"]
    return "\n".join([*lines, "print(gradlab.diagnose(run))"]) + "\n"


def _sizes(sizes: tuple[int, ...]) -> str:
    """Write sizes as a person does: [64] + [32] * 5 + [10]."""
    hidden = sizes[1:-1]
    if len(hidden) > 3 and len(set(hidden)) == 1:
        return f"[{sizes[0]}] + [{hidden[0]}] * {len(hidden)} + [{sizes[-1]}]"
    return str(list(sizes))


def _quoted(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)
