"""`LayerStack`: one array per layer, neighbours of equal shape side by side in memory.

A net of 20 equal layers is measured in one NumPy call instead of 20: a reduction over `(20, B, n)`
costs little more than one over `(B, n)`, because at these sizes the price of a call dominates
(benchmarks/ prints the figures).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np

Array = np.ndarray
Shape = tuple[int, ...]

CACHED = 1 << 15  # entries of four arrays that fit into a core's second-level cache together


class LayerStack(Sequence[Array]):
    """A read-only sequence of per-layer arrays over one flat buffer.

    Parameters
    ----------
    shapes : sequence of tuple of int
        One shape a layer, first layer first.
    dtype : dtype
        Of every layer.
    buffer : ndarray, optional
        A flat array of exactly the total size to lay the views over; a fresh one of zeros by
        default.

    Attributes
    ----------
    flat : ndarray (total,)
        The buffer, so that an update of all layers is one pass.
    groups : tuple of (slice, ndarray)
        `(layers, array)`: each run of neighbours of equal shape as one array `(layers, *shape)`.
    """

    def __init__(
        self, shapes: Sequence[Shape], dtype: np.typing.DTypeLike, buffer: Array | None = None
    ):
        sizes = [math.prod(shape) for shape in shapes]
        self.flat = np.zeros(sum(sizes), dtype) if buffer is None else buffer
        self._views: list[Array] = []
        groups = []
        start = 0
        for shape, members in itertools.groupby(
            range(len(shapes)), key=lambda layer: shapes[layer]
        ):
            layers = list(members)
            stop = start + len(layers) * sizes[layers[0]]
            array = self.flat[start:stop].reshape(len(layers), *shape)
            groups.append((slice(layers[0], layers[-1] + 1), array))
            self._views.extend(array)
            start = stop
        self.groups = tuple(groups)

    @functools.cached_property
    def flats(self) -> tuple[tuple[slice, Array], ...]:
        """The groups, cut to about CACHED entries each.

        Every layer's matrix is one row: `(layers, *lead, entries)`.

        Several arrays measured side by side, part by part, are read from memory once and then met
        in the cache.
        """
        parts = []
        for here, array in self.groups:
            rows = array.reshape(*array.shape[:-2], -1)
            few = max(1, CACHED * len(rows) // max(1, rows.size))
            parts += [
                (slice(here.start + k, min(here.start + k + few, here.stop)), rows[k : k + few])
                for k in range(0, len(rows), few)
            ]
        return tuple(parts)

    def together(self, layers: slice) -> Array:
        """Return neighbours of equal shape as one array `(layers, *shape)`.

        They must lie in one group.
        """
        for here, array in self.groups:
            if here.start <= layers.start and layers.stop <= here.stop:
                return array[layers.start - here.start : layers.stop - here.start]
        raise ValueError(f"layers {layers.start} to {layers.stop - 1} are not of one shape")

    @overload
    def __getitem__(self, layer: int) -> Array: ...
    @overload
    def __getitem__(self, layer: slice) -> list[Array]: ...
    def __getitem__(self, layer: int | slice) -> Array | list[Array]:
        """Return the array of one layer, or a list of them."""
        return self._views[layer]

    def __len__(self) -> int:
        return len(self._views)

    def __iter__(self) -> Iterator[Array]:
        return iter(self._views)


def groups(arrays: Sequence[Array]) -> Sequence[tuple[slice, Array]]:
    """Return `(layers, stacked)` pairs.

    They are those of a LayerStack, or one layer a pair for any other sequence.
    """
    if isinstance(arrays, LayerStack):
        return arrays.groups
    return [
        (slice(layer, layer + 1), np.asarray(array)[None]) for layer, array in enumerate(arrays)
    ]
