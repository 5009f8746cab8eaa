"""The first iteration, statistic and layer at which two runs part beyond rounding."""

from __future__ import annotations

import numpy as np

from gradlab.differences.compared import COMPARED, PHASES, Compared
from gradlab.differences.pair import Pair, Piece
from gradlab.differences.parting import Parting
from gradlab.differences.rounding import VECTORS

Array = np.ndarray

SET = ("learning_rate", "examples")  # what is chosen, not computed, and has no rounding to grow
ADDED = ("weight_norm", "update_norm")  # what gradients of nothing but rounding add up to


def partings(pair: Pair) -> tuple[Parting, ...]:
    """Return where each statistic parts, the first one first; empty where none does."""
    searches = [_Search(pair, each) for each in COMPARED]
    for first, stop in pair.spans():
        piece = Piece.of(pair, first, stop)
        for search in searches:
            if search.found is None:
                search.look(piece)
        if all(search.found for search in searches):
            break
    found = [search.found for search in searches if search.found is not None]
    return tuple(sorted(found, key=lambda each: (each.iteration[0], PHASES.index(each.phase))))


class _Search:
    """Looks for where one statistic parts, piece by piece."""

    def __init__(self, pair: Pair, compared: Compared):
        self.found: Parting | None = None
        self._pair, self._compared = pair, compared
        self._first: Array | None = None  # of a statistic that is measured by its first value

    def look(self, piece: Piece) -> None:
        """Look through a piece."""
        a, b, known = piece.both(self._compared.name, self._compared.kind)
        if not known.any():
            return
        with np.errstate(all="ignore"):
            excess = np.abs(a - b) / self._limit(piece, a, b)
        broken = known & (np.isfinite(a) != np.isfinite(b))
        excess[~known | ~np.isfinite(excess)] = 0.0  # among them NaN against NaN, 0 against 0
        excess[broken] = np.inf
        beyond = (excess > 1).any(axis=(1, 2))
        if beyond.any():
            row = int(beyond.argmax())
            self.found = self._parting(piece.first + row, a[row], b[row], excess[row])

    def _limit(self, piece: Piece, a: Array, b: Array) -> Array:
        """Return the largest difference that counts as rounding (T, S, places)."""
        relative, epsilon = self._pair.rounding.relative, self._pair.rounding.epsilon
        limit = relative * np.fmax(np.abs(a), np.abs(b))
        if self._compared.kind == "layer":
            limit = np.where(self._pair.layers.vectors, VECTORS * limit, limit)
        floor = self._compared.floor
        if floor == "largest":
            limit = limit + epsilon * _largest(a, b)
        elif floor == "weights":  # the difference of two numbers that were both rounded
            limit = limit + epsilon * _larger(*piece.both("weight_norm", "layer")[:2])
        elif floor == "first":
            if self._first is None:
                self._first = _larger(a[:1], b[:1])
            limit = limit + relative * self._first
        if self._compared.name in ADDED:
            limit = np.where(self._noise(piece), np.inf, limit)
        return limit

    def _noise(self, piece: Piece) -> Array:
        """Where a bias or scale has nothing but rounding for a gradient, as a key's bias has."""
        a, b, known = piece.both("grad_norm", "layer")
        floor = self._pair.rounding.relative * _largest(a, b)
        return known & ((a < floor) | (b < floor)) & self._pair.layers.vectors

    def _parting(self, iteration: int, a: Array, b: Array, excess: Array) -> Parting:
        """Describe the parting at an iteration; arrays are (S, places)."""
        replicate, place = self._where(excess)
        one, other = float(a[replicate, place]), float(b[replicate, place])
        with np.errstate(all="ignore"):
            difference = float(np.divide(abs(one - other), max(abs(one), abs(other))))
        finite = np.isfinite(difference)
        limit = difference / excess[replicate, place] if finite else self._pair.rounding.relative
        common, layers = self._pair.common(self._compared.kind), None
        if common is not None and self._compared.kind == "layer":
            layers = int(common.rows[0][place]) + 1, int(common.rows[1][place]) + 1
        return Parting(
            statistic=self._compared.name,
            kind=self._compared.kind,
            phase=self._compared.phase,
            iteration=(iteration, iteration - self._pair.offset),
            replicate=replicate,
            place="" if common is None else common.names[place],
            layers=layers,
            values=(one, other),
            difference=difference if finite else np.inf,
            limit=float(limit),
            gradual=iteration > self._pair.span[0] and self._grew(difference),
        )

    def _grew(self, difference: float) -> bool:
        """Whether rounding may have grown to this: half of the digits still agree.

        One unit of a ReLU that rounding has flipped moves a gradient by more than a few units in
        the last place; another batch, or another step, by more than sqrt(epsilon).
        """
        grown = difference <= np.sqrt(self._pair.rounding.epsilon)
        return bool(grown) and self._compared.name not in SET

    def _where(self, excess: Array) -> tuple[int, int]:
        """Return the first seed that parts, and its first layer in the order of the pass.

        A bias or a scale is named only where no matrix parts.
        """
        replicate = int((excess > 1).any(axis=1).argmax())
        places = np.flatnonzero(excess[replicate] > 1)
        if self._compared.kind == "layer":
            matrices = places[~self._pair.layers.vectors[places]]
            places = matrices if len(matrices) else places
        backwards = self._compared.order == "backwards"
        return replicate, int(places[-1] if backwards else places[0])


def _larger(a: Array, b: Array) -> Array:
    """Return the larger absolute value of both; 0 where neither is finite."""
    return np.nan_to_num(np.fmax(np.abs(a), np.abs(b)), nan=0.0, posinf=0.0)


def _largest(a: Array, b: Array) -> Array:
    """Return the largest finite number of both, over the places (T, S, 1)."""
    return _larger(a, b).max(axis=-1, keepdims=True, initial=0.0)
