"""What counts as rounding between two records of the same mathematics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradlab.errors import one_of
from gradlab.run import Run

EPSILONS: Mapping[str, float] = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
}
"""The distance from 1 to the next number of each type."""

UNITS, HALF_UNITS = 64, 4
"""How many of these distances a norm may differ by. Two float32 runs of a transformer of 6 blocks
that add up the same numbers in another order stay within 2; sums over 10,000 numbers may differ by
about sqrt(10,000) / 2 = 50. Half precision multiplies with float32 sums: float32 against bfloat16
begins within 1. docs/live.md has the measurement."""

VECTORS = 8.0
"""Biases and scales are sums over few numbers that cancel: they may differ by so much more."""

WORDS = {"bf16": "bfloat16", "16": "float16", "fp16": "float16", "half": "float16"}
"""How trainers call the precision of a training."""


@dataclass(frozen=True)
class Rounding:
    """By how much numbers may differ and still be the same.

    Attributes
    ----------
    dtype : str
        The coarser one of the two runs' number types.
    epsilon : float
        The distance from 1 to the next number of that type.
    units : int
        How many of these a norm may differ by.
    """

    dtype: str
    epsilon: float
    units: int

    @property
    def relative(self) -> float:
        """The largest relative difference of two norms that counts as rounding."""
        return self.units * self.epsilon


def rounding_of(a: Run, b: Run, dtype: str | None = None) -> Rounding:
    """Return the rounding of the coarser of two runs, or that of `dtype`.

    Raises
    ------
    ArgumentError
        `dtype` is no number type that is known.
    """
    if dtype is not None:
        one_of("rounding", dtype, EPSILONS)
    names = [dtype] if dtype is not None else [number_type(run.config) for run in (a, b)]
    coarser = max(names, key=lambda name: EPSILONS[name])
    half = EPSILONS[coarser] > EPSILONS["float32"]
    return Rounding(coarser, EPSILONS[coarser], HALF_UNITS if half else UNITS)


def number_type(config: Mapping[str, Any]) -> str:
    """Return the coarsest number type that a configuration names; float32 where it names none.

    `dtype` is the weights'; `precision` and `autocast` what a trainer multiplies in.
    """
    named = [str(config.get(key, "")) for key in ("dtype", "precision", "autocast")]
    words = [name.removeprefix("torch.").removesuffix("-mixed").removesuffix("-true")
             for name in named]  # fmt: skip
    known = [WORDS.get(word, word) for word in words]
    types = [word for word in known if word in EPSILONS]
    return max(types, key=lambda name: EPSILONS[name], default="float32")
