"""Which single weights are followed: all of a small net, a seeded sample of a larger one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlab.layerstack import LayerStack

Array = np.ndarray


class Trajectories:
    """Reads the values of the weights that are followed.

    Parameters
    ----------
    layers : list of dict
        `fan_in` and `fan_out` of each matrix.
    count : int
        How many weights to follow.
    """

    def __init__(self, layers: Sequence[dict[str, Any]], replicates: int, count: int, seed: int):
        total = sum(layer["fan_in"] * layer["fan_out"] for layer in layers)
        self._all, self._replicates = total <= count, replicates
        chosen = range(total) if self._all else _sample(layers, count, seed)
        positions = np.array([_position(layers, flat) for flat in chosen], np.int32).reshape(-1, 3)
        self._layer, self._row, self._column = positions.T
        self._flat: Array | None = None

    def __len__(self) -> int:
        return len(self._layer)

    @property
    def positions(self) -> Array:
        """(layer from 1, row, column) of each weight that is followed, (W, 3)."""
        return np.stack([self._layer + 1, self._row, self._column], axis=1)

    def due(self, costly: bool) -> bool:
        """Whether values are kept: of a small net always, else with the costly statistics."""
        return bool(len(self)) and (self._all or costly)

    def values(self, weights: Sequence[Array]) -> Array:
        """Return the values that these weights have where they are followed, (S, W), float64."""
        if isinstance(weights, LayerStack):  # one look into the buffer that holds all layers
            return weights.flat[self._places(weights)].astype(np.float64)
        values = np.empty((self._replicates, len(self)))
        places = zip(self._layer, self._row, self._column, strict=True)
        for number, (layer, row, column) in enumerate(places):
            values[:, number] = weights[layer][..., row, column]
        return values

    def _places(self, weights: LayerStack) -> Array:
        """Return where each weight lies in the buffer, (S, W)."""
        if self._flat is None:
            numbers = LayerStack([weight.shape for weight in weights], np.intp)
            numbers.flat[:] = np.arange(numbers.flat.size)
            self._flat = self.values(list(numbers)).astype(np.intp)
        return self._flat


def _sample(layers: Sequence[dict[str, Any]], count: int, seed: int) -> list[int]:
    """Choose `count` weights at random, spread evenly over the layers, both ends included."""
    rng = np.random.default_rng(seed)
    sizes = np.array([layer["fan_in"] * layer["fan_out"] for layer in layers])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    spread = np.linspace(0, len(layers) - 1, count).round().astype(int)
    shares = np.bincount(spread, minlength=len(layers))
    picked = [
        start + rng.choice(size, min(share, size), replace=False)
        for start, size, share in zip(starts, sizes, shares, strict=True)
    ]
    return sorted(int(flat) for flat in np.concatenate(picked))


def _position(layers: Sequence[dict[str, Any]], flat: int) -> tuple[int, int, int]:
    """Return (layer from 0, row, column) of the weight with number `flat` in the net."""
    for number, layer in enumerate(layers):
        size = layer["fan_in"] * layer["fan_out"]
        if flat < size:
            return number, flat // layer["fan_out"], flat % layer["fan_out"]
        flat -= size
    raise IndexError(flat)
