"""What does it save to compute each shared factor once?

Two ways to the same derivative, both in plain Python: one multiplies out every path from the first
layer to the loss, the other is backpropagation, which computes each factor once and keeps it.
Counted, timed, and weighed.
"""

from __future__ import annotations

import itertools
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

import gradlab
from experiments._draw import powers
from gradlab.report.article import Article, Section, write_article
from gradlab.report.pictures.draw import MEASURED, PREDICTED

TITLE = "Memoization: why backpropagation is fast"
QUESTION = "What does it save to compute each shared factor once?"
ORDER = 6.0
SECONDS = 5

WIDTH = 4
LONG_ENOUGH = 1.0  # seconds: where enumerating stops
YEAR = 365.25 * 24 * 3600
MOST_COUNTED = 2e6  # multiplications; counting one takes ten times as long as doing it


class Counted(float):
    """A float that counts the multiplications it takes part in; its products and sums count on."""

    __slots__ = ()
    multiplications = 0

    def __mul__(self, other: float) -> Counted:
        """Multiply, and count it."""
        Counted.multiplications += 1
        return Counted(float(self) * float(other))

    def __add__(self, other: float) -> Counted:
        """Add: not counted."""
        return Counted(float(self) + float(other))

    __rmul__, __radd__ = __mul__, __add__


@dataclass(frozen=True)
class Chain:
    """What the derivative is made of: the loss's slope, and each layer's weights and slopes.

    `weights[k]` is W^(k+2) as nested lists, `slopes[k]` phi'(z^(k+1)).
    """

    start: float
    weights: list[list[list[float]]]
    slopes: list[list[float]]
    x: float

    def counted(self) -> Chain:
        """The same numbers, which count their multiplications."""
        return Chain(
            Counted(self.start),
            [[[Counted(weight) for weight in row] for row in layer] for layer in self.weights],
            [[Counted(slope) for slope in layer] for layer in self.slopes],
            Counted(self.x),
        )


@dataclass(frozen=True)
class Result:
    """Both ways by depth: multiplications, seconds, bytes at the peak, and the derivative.

    NaN: not counted or not weighed, because that would take minutes.
    """

    depths: np.ndarray
    multiplications: dict[str, np.ndarray]
    seconds: dict[str, np.ndarray]
    peak: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    backprop_of_engine: np.ndarray

    @property
    def ratio(self) -> float:
        """Time of the paths over time of backpropagation, at the greatest depth."""
        return float(self.seconds["paths"][-1] / self.seconds["backprop"][-1])


def by_paths(chain: Chain) -> float:
    """dL/dw^1_11 as the sum over all paths."""
    total = 0.0
    for units in itertools.product(*(range(len(slopes)) for slopes in chain.slopes[1:])):
        product, above = chain.start, 0
        for k in range(len(units) - 1, -1, -1):  # from the loss down
            below = units[k]
            product = product * chain.weights[k + 1][below][above] * chain.slopes[k + 1][below]
            above = below
        product = product * chain.weights[0][0][above] * chain.slopes[0][0] * chain.x
        total += product
    return total


def by_backprop(chain: Chain) -> float:
    """The same derivative from deltas, each computed once; they give all others as well."""
    memory = [[chain.start]]  # the deltas of every layer, the last layer's first
    for weights, slopes in zip(reversed(chain.weights), reversed(chain.slopes), strict=True):
        deltas = memory[-1]
        memory.append(
            [
                sum(delta * weight for delta, weight in zip(deltas, row, strict=True)) * slope
                for row, slope in zip(weights, slopes, strict=True)
            ]
        )
    return memory[-1][0] * chain.x


def formula(way: str, depth: int, width: int) -> float:
    """Multiplications for `depth` weight layers, `width` hidden units and one output.

    Paths: n^(L-2) paths of 2 (L-2) + 3 multiplications each. Backpropagation: n (n + 1) for each
    hidden layer below the last, 2 n for that one, and 1.
    """
    if way == "paths":
        return float(width) ** (depth - 2) * (2 * (depth - 2) + 3)
    return float((depth - 2) * width * (width + 1) + 2 * width + 1)


def run(*, quick: bool = False) -> Result:
    """Double the work until the paths take a second (a fiftieth of that if `quick`)."""
    limit = LONG_ENOUGH / 50 if quick else LONG_ENOUGH
    columns: dict[str, dict[str, list]] = {
        name: {"paths": [], "backprop": []} for name in ("count", "s", "peak", "value")
    }
    depths, engine = [], []
    for depth in range(3, 40):
        chain, reference = _chain(depth)
        for name, way in (("paths", by_paths), ("backprop", by_backprop)):
            value, seconds = _timed(way, chain, 1 if name == "paths" and depth > 6 else 5)
            columns["value"][name].append(value)
            columns["s"][name].append(seconds)
            columns["count"][name].append(
                _count(way, chain) if formula(name, depth, WIDTH) < MOST_COUNTED else np.nan
            )
            columns["peak"][name].append(
                _peak(way, chain) if name == "backprop" or depth <= 7 else np.nan
            )
        depths.append(depth)
        engine.append(reference)
        if columns["s"]["paths"][-1] > limit:
            break
    arrays = {
        key: {name: np.array(each) for name, each in ways.items()} for key, ways in columns.items()
    }
    return Result(
        np.array(depths),
        arrays["count"],
        arrays["s"],
        arrays["peak"],
        arrays["value"],
        np.array(engine, float),
    )


def _chain(depth: int) -> tuple[Chain, float]:
    """A sigmoid net's numbers for one example, and the engine's derivative by w^1_11."""
    model = gradlab.MLP([WIDTH] * depth + [1], "sigmoid", gain=2.0, seed=1, dtype="float64")
    work = model.workspace(1)
    work.batch[...] = np.linspace(-1, 1, WIDTH)
    model.forward(work)
    work.deltas[-1][...] = 1.0
    model.backward(work)
    slopes = [slope[0].tolist() for slope in work.slopes]
    chain = Chain(
        1.0, [weight.tolist() for weight in model.weights[1:]], slopes, float(work.batch[0, 0])
    )
    return chain, float(model.weight_gradients[0][0, 0])


def _timed(way: Callable[[Chain], float], chain: Chain, repeats: int) -> tuple[float, float]:
    times, value = [], 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        value = way(chain)
        times.append(time.perf_counter() - start)
    return value, statistics.median(times)


def _count(way: Callable[[Chain], float], chain: Chain) -> int:
    """Multiplications, counted by the numbers themselves."""
    counted, before = chain.counted(), Counted.multiplications
    way(counted)
    return Counted.multiplications - before


def _peak(way: Callable[[Chain], float], chain: Chain) -> float:
    """Bytes allocated at the peak, above those there at the start."""
    held = [
        [number + 0.5] for number in range(1000)
    ]  # uses up CPython's free lists: what comes now is new memory
    tracemalloc.start()
    way(chain)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del held
    return float(peak)


def article(result: Result) -> Article:
    """Lay the result out as a page."""
    deepest = int(result.depths[-1])
    each = result.seconds["paths"][-1] / formula("paths", deepest, WIDTH)
    years = formula("paths", 21, 64) * each / YEAR  # 20 hidden layers and the output's
    bytes_a_layer = float(np.polyfit(result.depths, result.peak["backprop"], 1)[0])
    stored = sum([WIDTH] * (deepest - 1))
    all_paths = result.seconds["paths"][-1]
    took = f"{all_paths:.1f} s" if all_paths >= 1 else f"{1e3 * all_paths:.0f} ms"
    answer = (
        f"At {deepest} layers of {WIDTH} units, all paths take {took} and "
        f"backpropagation {1e6 * result.seconds['backprop'][-1]:.0f} µs: {result.ratio:,.0f} "
        f"times as fast, for {stored} numbers kept."
    )
    code = """
from gradlab.nn import paths

for depth in (5, 10, 20):
    sizes = [64] * depth + [1]
    print(depth, f"{paths.count(sizes, layer=1):.3g} paths")
"""
    sections = [
        Section(
            "Multiplications",
            "A derivative by a weight of the first layer is a sum over paths, and with every "
            f"layer each path splits into {WIDTH}: the count grows by the factor {WIDTH} a layer. "
            "Backpropagation asks each unit once for its delta, writes it down, and uses it for "
            "all paths that go through: its count grows by the same small number a layer. Dots: "
            "counted by the numbers themselves, which keep a tally of each multiplication, as "
            "far as that takes seconds. Lines: the formula.",
            _growth_figure(result, "multiplications", "multiplications"),
            "Two curves over depth on a logarithmic axis; the one of all paths rises steeply, "
            "the other is nearly level.",
            formula=(
                "all paths: n^(L−2) · (2 (L−2) + 3)\nbackpropagation: (L−2) n (n+1) + 2 n + 1\nn "
                "units a layer, L layers of weights, the last with one unit"
            ),
            code=code,
        ),
        Section(
            "Time",
            "The same two programs, both plain Python, timed. The last point of the upper curve "
            "is where it takes more than a second. Each multiplication took about "
            f"{1e9 * each:.0f} ns; for 20 hidden layers of 64 units, the net of page 9, all paths "
            f"would take {years:.0e} years (computed, not waited for).",
            _growth_figure(result, "seconds", "seconds"),
            "The time of all paths rises by about the factor four with each layer; "
            "backpropagation stays in microseconds.",
        ),
        Section(
            "Memory: the price",
            "Enumerating keeps one product at a time. Backpropagation keeps a delta for every "
            f"unit it has asked: {bytes_a_layer:.0f} bytes more with every layer of {WIDTH} units "
            "(a Python number takes 24 bytes and a place in a list 8). That is all the huge "
            "speed-up costs. (Memory was traced up to 7 layers for the paths. Both need the "
            "activations of the forward pass, which are not counted.)",
            _memory_figure(result),
            "Peak memory of both ways over depth: nearly level for the paths, rising with every "
            "layer for backpropagation.",
        ),
    ]
    facts = {
        "ratio": result.ratio,
        "years": years,
        "deepest": deepest,
        "bytes_a_layer": bytes_a_layer,
    }
    return Article("memoization", TITLE, QUESTION, answer, sections, facts)


STYLE = {"paths": ("all paths", PREDICTED), "backprop": ("backpropagation", MEASURED)}


def _growth_figure(result: Result, column: str, label: str) -> go.Figure:
    traces = []
    for way, (name, colour) in STYLE.items():
        y = getattr(result, column)[way]
        line = (
            [formula(way, int(depth), WIDTH) for depth in result.depths]
            if column == "multiplications"
            else y
        )
        traces.append(
            go.Scatter(
                x=result.depths,
                y=y,
                mode="markers",
                showlegend=False,
                marker={"color": colour, "size": 8},
            )
        )
        traces.append(
            go.Scatter(x=result.depths, y=line, mode="lines", name=name, line={"color": colour})
        )
    axis = powers(label)
    return go.Figure(traces, {"xaxis": {"title": "layers", "dtick": 1}, "yaxis": axis})


def _memory_figure(result: Result) -> go.Figure:
    traces = [
        go.Scatter(
            x=result.depths,
            y=result.peak[way],
            mode="lines+markers",
            name=name,
            line={"color": colour},
        )
        for way, (name, colour) in STYLE.items()
    ]
    axis = {"title": "bytes at the peak", "rangemode": "tozero"}
    return go.Figure(
        traces, {"xaxis": {"title": "layers", "dtick": 1}, "yaxis": axis, "height": 320}
    )


def main() -> None:
    """Run the experiment and write its page."""
    print(write_article(article(run()), Path("reports") / "memoization.html"))


if __name__ == "__main__":
    main()
