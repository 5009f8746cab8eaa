"""Numbers wait here, row by row, for their iterations, and leave many iterations at a time.

A number that lies on a device stays there until then: to put it in synchronises nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradlab.adapters.torch.numbers import Number
from gradlab.errors import ArgumentError, shown

Array = np.ndarray
Column = tuple[Array, Array]  # values, and where they were recorded

_FIRST = np.zeros(1, np.intp)  # the place of a number that belongs to the net as a whole

ROWS = 16  # at first; their number grows as needed


@dataclass(frozen=True, eq=False)
class Slot:
    """Where in a row of a table a block of numbers belongs.

    So many names, each at the same places.
    """

    table: Table
    columns: Array
    flat: Array


SLOTS_KEPT = 512


class Table:
    """So many numbers for each name, an iteration a row.

    By parameter, by module, or one of the net as a whole.
    """

    def __init__(self, names: Mapping[str, Number], size: int):
        self.size, self._numbers = size, list(names.values())
        self._columns = {name: column for column, name in enumerate(names)}
        self.values = np.full((ROWS, len(names) * size), np.nan)
        self.known = np.zeros((ROWS, len(names) * size), bool)
        self._slots: dict[tuple[tuple[str, ...], bytes], Slot] = {}

    def slot(self, names: tuple[str, ...], places: Array) -> Slot:
        """Return the slot of `names` at `places` (n,)."""
        key = names, places.tobytes()
        if key not in self._slots:
            if len(self._slots) > SLOTS_KEPT:
                self._slots.clear()  # a mixture of experts, say, meets ever new places
            columns = np.array([self._columns[name] for name in names], np.intp)
            self._slots[key] = Slot(self, columns, (columns[:, None] * self.size + places).ravel())
        return self._slots[key]

    def reserve(self, rows: int) -> None:
        """Have room for so many rows."""
        while rows > len(self.values):
            self.values = np.concatenate([self.values, np.full_like(self.values, np.nan)])
            self.known = np.concatenate([self.known, np.zeros_like(self.known)])

    def store(self, row: int, slot: Slot, values: Array) -> None:
        """Keep `values`, (names, places) or flat, and join them with what is there already."""
        self.reserve(row + 1)
        known, flat = self.known[row], slot.flat
        values = values.reshape(-1)
        there = known[flat]
        if there.any():
            values = self._merged(self.values[row][flat], values, there, slot)
        self.values[row][flat] = values
        known[flat] = True

    def _merged(self, old: Array, new: Array, there: Array, slot: Slot) -> Array:
        parts = [part.reshape(len(slot.columns), -1) for part in (old, new, there)]
        with np.errstate(all="ignore"):
            merged = [
                np.where(t, self._numbers[column].calls(o, n), n)
                for column, o, n, t in zip(slot.columns.tolist(), *parts, strict=True)
            ]
        return np.concatenate(merged)

    def forget(self, first: int, last: int) -> None:
        """Empty the rows from `first` to before `last`."""
        self.values[first:last], self.known[first:last] = np.nan, False

    def take(self, rows: int, used: int) -> dict[str, Column]:
        """Remove the first `rows` of `used` rows and return them by name, (rows, size) each.

        NaN where nothing is.
        """
        taken = self.values[:rows].copy(), self.known[:rows].copy()
        for array in (self.values, self.known):
            array[: used - rows] = array[rows:used]
        self.forget(used - rows, used)
        parts = [array.reshape(rows, len(self._columns), self.size) for array in taken]
        return {
            name: (parts[0][:, column], parts[1][:, column])
            for name, column in self._columns.items()
        }


def single(name: str, value: Any) -> Array | Tensor:
    """Return a number as an array of one entry, or, where it lies on a device, as a tensor.

    Raises
    ------
    ArgumentError
        It is no number, or several.
    """
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ArgumentError(
                f"{name} has shape {tuple(value.shape)}; give a single number, such as the mean "
                "that backward is called on"
            )
        if value.device.type != "cpu":
            return value.detach().clone()
        value = value.item()
    try:
        return np.array([float(value)])
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"{name}={shown(value)} must be a number or a tensor of one") from None


class Ledger:
    """What was measured at which iteration, waiting to be handed over."""

    def __init__(self):
        self.tables: dict[str, Table] = {}
        self._start = self._stop = 0  # iterations that have a row
        self._away: list[tuple[int, Slot, Tensor]] = []  # on other devices
        self._of_net: dict[str, Slot] = {}

    def table(self, name: str, names: Mapping[str, Number], size: int) -> Table:
        """Make a table."""
        self.tables[name] = Table(names, size)
        return self.tables[name]

    @property
    def row_bytes(self) -> int:
        """How much memory an iteration takes."""
        return sum(
            (table.values[0].nbytes + table.known[0].nbytes) for table in self.tables.values()
        )

    def put(
        self,
        iteration: int,
        table: str,
        names: tuple[str, ...],
        places: Array,
        values: Array | Tensor,
    ) -> None:
        """Keep `values` (names, places) of an iteration."""
        self.put_at(iteration, self.tables[table].slot(names, places), values)

    def put_of_net(self, iteration: int, name: str, value: Array | Tensor) -> None:
        """Keep a number that belongs to the net as a whole."""
        if name not in self._of_net:
            self._of_net[name] = self.tables["net"].slot((name,), _FIRST)
        self.put_at(iteration, self._of_net[name], value)

    def put_at(self, iteration: int, slot: Slot, values: Array | Tensor) -> None:
        """Keep the values of a slot that the caller has at hand."""
        if isinstance(values, Tensor):
            if values.device.type != "cpu":
                self._away.append((iteration, slot, values.detach().reshape(-1)))
                return
            values = values.detach().double().numpy()
        self._store(iteration, slot, values)

    def _store(self, iteration: int, slot: Slot, values: Array) -> None:
        if iteration >= self._start:  # else it was handed over already
            slot.table.store(iteration - self._start, slot, values)
            self._stop = max(self._stop, iteration + 1)

    def drop(self, iteration: int) -> None:
        """Forget what was put in for an iteration: it begins anew."""
        self._away = [entry for entry in self._away if entry[0] != iteration]
        if iteration >= self._start:
            for table in self.tables.values():
                table.forget(iteration - self._start, iteration - self._start + 1)

    def take(self, before: int) -> dict[str, dict[str, Column]]:
        """Remove the iterations below `before` and return their numbers.

        They come by table and name, with one iteration a row.
        """
        here = [entry for entry in self._away if entry[0] < before]
        self._away = [entry for entry in self._away if entry[0] >= before]
        for (iteration, slot, _), values in zip(
            here, _moved([tensor for *_, tensor in here]), strict=True
        ):
            self._store(iteration, slot, values)
        rows, used = before - self._start, max(before, self._stop) - self._start
        for table in self.tables.values():
            table.reserve(used)
        self._start, self._stop = before, max(before, self._stop)
        return {name: table.take(rows, used) for name, table in self.tables.items()}


def _moved(tensors: Sequence[Tensor]) -> list[Array]:
    """Move tensors to the host as float64 arrays, in one transfer a device and dtype."""
    kinds: dict[tuple[torch.device, torch.dtype], list[int]] = defaultdict(list)
    for index, tensor in enumerate(tensors):
        kinds[tensor.device, tensor.dtype].append(index)
    result: list[Array] = [np.zeros(0)] * len(tensors)
    for indices in kinds.values():
        flat = torch.cat([tensors[index] for index in indices]).cpu().double().numpy()
        stops = np.cumsum([tensors[index].numel() for index in indices])[:-1]
        for index, part in zip(indices, np.split(flat, stops), strict=True):
            result[index] = part
    return result
