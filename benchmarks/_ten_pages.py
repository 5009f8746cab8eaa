"""Ten pages of real trainings, one of each kind of answer; `benchmarks.pages` looks at them.

Each maker trains some seconds at most and returns its page. The faults are those of real code: a
softmax by hand, a loss of numbers that were never standardized, weights drawn too large.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import gradlab

Maker = Callable[[Path], Path]


def _page(subject: Any, folder: Path, kind: str, **options: Any) -> Path:
    return gradlab.write_report(subject, folder / f"{kind}.html", **options)


def nan(folder: Path) -> Path:
    """A softmax written by hand, whose exponential overflows as the weights grow."""
    from benchmarks._ten_models import train_transformer

    run = train_transformer("softmax by hand", blocks=4, fault="overflow", out=folder / "nan")
    return _page(run, folder, "nan")


def vanishing(folder: Path) -> Path:
    """Twenty sigmoid layers."""
    model = gradlab.MLP([64] + [48] * 20 + [10], "sigmoid", replicates=4, seed=0)
    data = gradlab.datasets.digits()
    run = gradlab.train(model, data, name="sigmoid 20", iterations=300, learning_rate=0.1)
    return _page(run, folder, "vanishing")


def exploding(folder: Path) -> Path:
    """Sixteen layers of ReLU whose weights were drawn twice too large."""
    model = gradlab.MLP([64] + [64] * 16 + [10], "relu", gain=2.0, replicates=4, seed=0)
    data = gradlab.datasets.digits()
    run = gradlab.train(model, data, name="gain 2", iterations=200, learning_rate=1e-5)
    return _page(run, folder, "exploding")


def dead(folder: Path) -> Path:
    """Biases that start so low that most units never answer."""
    from benchmarks._ten_models import train_classifier

    run = train_classifier("low biases", fault="bias", out=folder / "dead")
    return _page(run, folder, "dead")


def output(folder: Path) -> Path:
    """A softmax before a loss that takes one itself."""
    from benchmarks._ten_models import train_classifier

    run = train_classifier("softmax twice", fault="softmax", out=folder / "output")
    return _page(run, folder, "output")


def healthy(folder: Path) -> Path:
    """A classifier in half precision: a loss scale, clipping, warm-up and decay of the rate."""
    from benchmarks._ten_models import train_classifier

    run = train_classifier("half precision", fault="", out=folder / "healthy")
    return _page(run, folder, "healthy")


def gpt(folder: Path) -> Path:
    """Twenty-four blocks without norms, the upper ones three times too large into the stream."""
    from benchmarks._ten_models import train_transformer

    run = train_transformer("gpt 24", blocks=24, fault="gain", out=folder / "gpt")
    return _page(run, folder, "gpt")


def gpt_healthy(folder: Path) -> Path:
    """The same without a fault; an eleventh page."""
    from benchmarks._ten_models import train_transformer

    run = train_transformer("gpt 24 healthy", blocks=24, fault="", out=folder / "gpt-healthy")
    return _page(run, folder, "gpt_healthy")


def two(folder: Path) -> Path:
    """The same training by two learning rates."""
    data = gradlab.datasets.digits()
    runs = []
    for name, rate in (("rate 0.03", 0.03), ("rate 1", 1.0)):
        model = gradlab.MLP([64] + [64] * 6 + [10], "relu", replicates=2, seed=0)
        runs.append(gradlab.train(model, data, name=name, learning_rate=rate, iterations=150))
    return _page(runs, folder, "two", difference=gradlab.diff(*runs))


def sweep(folder: Path) -> Path:
    """Networks by depths, learning rates and initializations."""
    result = gradlab.compare(
        ["sigmoid", "relu"], [2, 12], width=24, seeds=2, iterations=80, jobs=1,
        runs=folder / "sweep",
        sweep={"learning_rate": [0.01, 0.1, 1.0], "init": ["he_normal", "orthogonal"]},
    )  # fmt: skip
    return _page(result, folder, "sweep")


def table(folder: Path) -> Path:
    """A table of one's own: the target is a price in dollars, never standardized."""
    random = np.random.default_rng(0)
    path = folder / "prices.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["rooms", "area", "year", "price"])
        for _ in range(400):
            rooms, area = random.integers(1, 7), random.normal(90, 30)
            year = random.integers(1900, 2020)
            price = 40_000 * rooms + 2_500 * area + 300 * (year - 1900) + random.normal(0, 9_000)
            writer.writerow([rooms, f"{area:.1f}", year, f"{price:.0f}"])
    data = gradlab.datasets.from_file(path)
    model = gradlab.MLP([data.n_features, 32, 32, 1], "relu", replicates=4, seed=0)
    run = gradlab.train(model, data, name="prices", iterations=200, learning_rate=0.03)
    return _page(run, folder, "table")


PAGES: dict[str, Maker] = {
    "nan": nan,
    "vanishing": vanishing,
    "exploding": exploding,
    "dead": dead,
    "output": output,
    "healthy": healthy,
    "gpt": gpt,
    "gpt_healthy": gpt_healthy,
    "two": two,
    "sweep": sweep,
    "table": table,
}
