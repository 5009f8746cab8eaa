"""Numbers wait here, row by row, for their iterations, and are read many iterations at a time.

A number that lies on a device stays there until then: to put it in synchronises nothing. What was
read is forgotten only when the next is read: by then it is in the record.
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

    By parameter, by module, or one of the net as a whole. A Ctrl-C may come between any two lines:
    which iteration the first row belongs to, and the rows, are exchanged together.
    """

    def __init__(self, names: Mapping[str, Number], size: int):
        self.size, self._numbers = size, list(names.values())
        self._columns = {name: column for column, name in enumerate(names)}
        width = len(names) * size
        self._held = 0, np.full((ROWS, width), np.nan), np.zeros((ROWS, width), bool)
        self._slots: dict[tuple[tuple[str, ...], bytes], Slot] = {}

    @property
    def row_bytes(self) -> int:
        """How much memory an iteration takes."""
        _, values, known = self._held
        return values[0].nbytes + known[0].nbytes

    def slot(self, names: tuple[str, ...], places: Array) -> Slot:
        """Return the slot of `names` at `places` (n,)."""
        key = names, places.tobytes()
        if key not in self._slots:
            if len(self._slots) > SLOTS_KEPT:
                self._slots.clear()  # a mixture of experts, say, meets ever new places
            columns = np.array([self._columns[name] for name in names], np.intp)
            self._slots[key] = Slot(self, columns, (columns[:, None] * self.size + places).ravel())
        return self._slots[key]

    def store_one(self, iteration: int, name: str, value: float) -> None:
        """Keep the number of a name at the first place, and join it with what is there already."""
        row, column = self._row_of(iteration), self._columns[name] * self.size
        if row < 0:
            return  # it was handed over already
        _, values, known = self._held
        if known[row, column]:
            with np.errstate(all="ignore"):
                old, new = values[row, column : column + 1], np.array([value])
                value = self._numbers[self._columns[name]].calls(old, new)[0]
        values[row, column] = value
        known[row, column] = True

    def store(self, iteration: int, slot: Slot, values: Array) -> None:
        """Keep `values`, (names, places) or flat, and join them with what is there already."""
        row = self._row_of(iteration)
        if row < 0:
            return  # it was handed over already
        _, kept, known = self._held
        self._join(kept[row], known[row], slot, values)

    def _row_of(self, iteration: int) -> int:
        """Return the row of an iteration, and have room for it; below 0: it was handed over."""
        start, values, _ = self._held
        if iteration - start >= len(values):
            self._reserve(iteration - start + 1)
        return iteration - start

    def _reserve(self, rows: int) -> None:
        """Have room for so many rows."""
        start, values, known = self._held
        while rows > len(values):
            values = np.concatenate([values, np.full_like(values, np.nan)])
            known = np.concatenate([known, np.zeros_like(known)])
        self._held = start, values, known

    def _join(self, row: Array, known: Array, slot: Slot, values: Array) -> None:
        flat = slot.flat
        values = values.reshape(-1)
        there = known[flat]
        if there.any():
            values = self._merged(row[flat], values, there, slot)
        row[flat] = values
        known[flat] = True

    def _merged(self, old: Array, new: Array, there: Array, slot: Slot) -> Array:
        parts = [part.reshape(len(slot.columns), -1) for part in (old, new, there)]
        with np.errstate(all="ignore"):
            merged = [
                np.where(t, self._numbers[column].calls(o, n), n)
                for column, o, n, t in zip(slot.columns.tolist(), *parts, strict=True)
            ]
        return np.concatenate(merged)

    def drop(self, iteration: int) -> None:
        """Empty the row of an iteration."""
        start, values, known = self._held
        if start <= iteration < start + len(values):
            values[iteration - start] = np.nan
            known[iteration - start] = False

    def release(self, first: int) -> None:
        """Forget the iterations below `first`."""
        start, values, known = self._held
        gone = min(first - start, len(values))
        if gone <= 0:
            return
        empty = np.full((gone, values.shape[1]), np.nan)
        kept = np.concatenate([values[gone:], empty])
        self._held = first, kept, np.concatenate([known[gone:], np.zeros(empty.shape, bool)])

    def copy(
        self, first: int, before: int, more: Sequence[tuple[int, Slot, Array]]
    ) -> dict[str, Column]:
        """Return iterations by name, (rows, size) each, joined with `more`; NaN where unknown."""
        self._reserve(before - self._held[0])
        start, *held = self._held
        values, known = (array[first - start : before - start].copy() for array in held)
        for iteration, slot, given in more:
            self._join(values[iteration - first], known[iteration - first], slot, given)
        shape = before - first, len(self._columns), self.size
        parts = values.reshape(shape), known.reshape(shape)
        return {
            name: (parts[0][:, column], parts[1][:, column])
            for name, column in self._columns.items()
        }


def single(name: str, value: Any) -> float | Tensor:
    """Return a number as a float, or, where it lies on a device, as a tensor.

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
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"{name}={shown(value)} must be a number or a tensor of one") from None


class Ledger:
    """What was measured at which iteration, waiting to be handed over."""

    def __init__(self):
        self.tables: dict[str, Table] = {}
        self._away: list[tuple[int, Slot, Tensor]] = []  # on other devices
        self._of_net: dict[str, Slot] = {}

    def table(self, name: str, names: Mapping[str, Number], size: int) -> Table:
        """Make a table."""
        self.tables[name] = Table(names, size)
        return self.tables[name]

    @property
    def row_bytes(self) -> int:
        """How much memory an iteration takes."""
        return sum(table.row_bytes for table in self.tables.values())

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

    def put_of_net(self, iteration: int, name: str, value: float | Tensor) -> None:
        """Keep a number that belongs to the net as a whole."""
        if not isinstance(value, Tensor):
            self.tables["net"].store_one(iteration, name, value)
            return
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
        slot.table.store(iteration, slot, values)

    def drop(self, iteration: int) -> None:
        """Forget what was put in for an iteration: it begins anew."""
        self._away = [entry for entry in self._away if entry[0] != iteration]
        for table in self.tables.values():
            table.drop(iteration)

    def rows(self, first: int, before: int) -> dict[str, dict[str, Column]]:
        """Return the numbers of iterations from `first` to below `before`; they stay here.

        They come by table and name, with one iteration a row. Those below `first` are in the record
        by now, and are forgotten.
        """
        self._away = [entry for entry in self._away if entry[0] >= first]
        here = [entry for entry in self._away if entry[0] < before]
        moved = _moved([tensor for *_, tensor in here])
        given = [(number, slot, each) for (number, slot, _), each in zip(here, moved, strict=True)]
        found = {}
        for name, table in self.tables.items():
            table.release(first)
            found[name] = table.copy(
                first, before, [each for each in given if each[1].table is table]
            )
        return found


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
