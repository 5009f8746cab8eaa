"""What waits in memory to be written: the newest rows of a recording, and the weights it follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gradlab.layerstack import LayerStack
from gradlab.recorder.square_sums import SUMS
from gradlab.run import BLOCK_STATISTICS, STEP_COLUMNS, signals_table, steps_table
from gradlab.run.tables import block_signals_table, output_stage_table

Array = np.ndarray
Row = dict[str, Any]  # of arrays (S, L), or pairs (array, defined)
Unfold = Callable[[Sequence[Any]], Mapping[str, Array]]  # what rows hold in short, as columns (T, S, L)
Derive = Callable[[Mapping[str, Array]], Mapping[str, tuple[Array, Array]]]  # columns that follow from others


class Block:
    """The newest iterations in memory, waiting to be written together."""

    def __init__(self, replicates: int, layers: int, unfold: Unfold, unfold_steps: Unfold, derive: Derive):
        self._shape, self._unfold, self._unfold_steps, self._derive = (replicates, layers), unfold, unfold_steps, derive
        self.start = 0  # the iteration of the first row in memory
        self._rows: list[Row] = []
        self._steps: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Row, step: dict[str, Any]) -> None:
        """Append one iteration: its statistics (S, L) each, and its row of `steps`."""
        self._rows.append(row)
        self._steps.append(step)

    def amend(self, row: Row, back: int) -> None:
        """Complete the row `back` from the newest (1 = the newest)."""
        self._rows[-back] = {**row, **self._rows[-back]}

    def take(self, keep: int) -> dict[str, pa.Table]:
        """Remove all rows but the newest `keep` and return them as tables; signals first, then steps."""
        count = max(0, len(self._rows) - keep)
        rows, self._rows = self._rows[:count], self._rows[count:]
        steps, self._steps = self._steps[:count], self._steps[count:]
        start, self.start = self.start, self.start + count
        return self._tables(start, rows, steps)

    def peek(self) -> dict[str, pa.Table]:
        """Return all rows in memory as tables and keep them."""
        return self._tables(self.start, self._rows, self._steps)

    def _tables(self, start: int, rows: list[Row], steps: list[dict[str, Any]]) -> dict[str, pa.Table]:
        if not rows:
            return {}
        summed = [k for k, row in enumerate(rows) if SUMS in row]
        if summed:
            columns = self._unfold_steps([rows[k][SUMS] for k in summed])
            steps = list(steps)
            for number, k in enumerate(summed):
                steps[k] = steps[k] | {name: column[number] for name, column in columns.items()}
        return {"signals": self._signals(start, rows), "steps": self._step_table(start, steps)}

    def tables(
        self, columns: Mapping[str, Array], steps: Mapping[str, Array], phases: Sequence[str | None]
    ) -> dict[str, pa.Table]:
        """Return iterations of one net, (T, L) and (T,) arrays that may be masked, as tables; nothing may wait."""
        start, count = self.start, len(phases)
        self.start += count
        shape = count, *self._shape
        values = {name: np.ma.getdata(column).reshape(shape) for name, column in columns.items()}
        masks = {name: ~np.ma.getmaskarray(column).reshape(shape) for name, column in columns.items()}
        named = np.empty((count, 1), object)
        named[:, 0] = phases
        shown = {name: np.ma.asarray(steps[name])[:, None] for name in STEP_COLUMNS if name in steps}
        return {
            "signals": signals_table(start, values, masks, shape),
            "steps": steps_table(start, {**shown, "nonfinite_phase": named}, 1),
        }

    def _signals(self, start: int, rows: list[Row]) -> pa.Table:
        with np.errstate(all="ignore"):
            values, masks = self._columns(rows)
            derived = {name: made for name, made in self._derive(values).items() if name not in values}
            for name, (value, defined) in derived.items():
                values[name], masks[name] = value, np.broadcast_to(defined, value.shape)
        return signals_table(start, values, masks, (len(rows), *self._shape))

    def _columns(self, rows: list[Row]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return every statistic (T, S, L) and where it is defined: nowhere where it was not taken."""
        shape = len(rows), *self._shape
        summed = [k for k, row in enumerate(rows) if SUMS in row]
        unfolded = self._unfold([rows[k][SUMS] for k in summed]) if summed else {}
        names = dict.fromkeys([*unfolded, *(name for row in rows for name in row if name != SUMS)])
        values = {name: np.full(shape, np.nan) for name in names}
        masks = {name: np.zeros(shape, bool) for name in names}
        for name, column in unfolded.items():
            values[name][summed], masks[name][summed] = column, True
        for k, row in enumerate(rows):
            for name, entry in row.items():
                if name != SUMS:  # an entry is defined everywhere if nothing is said
                    pair = entry if isinstance(entry, tuple) else (entry, True)
                    values[name][k], masks[name][k] = pair
        return values, masks

    def _step_table(self, start: int, steps: list[dict[str, Any]]) -> pa.Table:
        replicates = self._shape[0]
        columns: dict[str, Any] = {}
        for name in STEP_COLUMNS[2:]:
            if name == "nonfinite_phase":
                columns[name] = np.array([row[name] for row in steps], object).reshape(-1, replicates)
                continue
            given = [row.get(name) for row in steps]
            missing = np.array([value is None for value in given])
            if missing.all():
                continue
            if missing.any():
                given = [np.broadcast_to(np.nan if value is None else value, (replicates,)) for value in given]
            filled = np.array(given, np.float64)
            table = np.broadcast_to(filled.reshape(len(steps), -1), (len(steps), replicates))
            columns[name] = np.ma.MaskedArray(table, np.repeat(missing, replicates).reshape(-1, replicates))
        return steps_table(start, columns, replicates)


class BlockSignals:
    """The statistics of blocks that wait to be written."""

    def __init__(self, replicates: int, blocks: Sequence[str]):
        self._replicates, self._blocks = replicates, blocks
        self._rows: list[tuple[int, Mapping[str, Array]]] = []

    def add(self, iteration: int, values: Mapping[str, Array]) -> None:
        """Append those of one iteration, (S, B) each, which may be masked."""
        self._rows.append((iteration, values))

    def table(self) -> dict[str, pa.Table]:
        """Remove what waits and return it as a table."""
        rows, self._rows = self._rows, []
        if not rows:
            return {}
        absent = np.ma.masked_all((self._replicates, len(self._blocks)))
        columns = {
            name: np.ma.stack([np.ma.asarray(values.get(name, absent)) for _, values in rows])
            for name in BLOCK_STATISTICS
        }
        numbers = np.array([iteration for iteration, _ in rows])
        table = block_signals_table(numbers, columns, self._replicates, self._blocks)
        return {"block_signals": table}


class OutputStage:
    """The operations between the last layer and the loss that wait to be written."""

    def __init__(self, replicates: int):
        self._replicates = replicates
        self._rows: list[tuple[int, int, int, str, float]] = []

    def add(self, iteration: int, operations: Sequence[tuple[str, Array]]) -> None:
        """Append the (operation, factors (S,)) of one iteration, from the last layer on."""
        self._rows += [
            (iteration, replicate, position, operation, float(factors[replicate]))
            for replicate in range(self._replicates)
            for position, (operation, factors) in enumerate(operations)
        ]

    def table(self) -> dict[str, pa.Table]:
        """Remove what waits and return it as a table."""
        rows, self._rows = self._rows, []
        return {"output_stage": output_stage_table(rows)} if rows else {}


class Trajectories:
    """Follows single weights: all of a small net, a seeded sample of a larger one."""

    def __init__(self, layers: list[dict[str, Any]], replicates: int, count: int, seed: int):
        total = sum(layer["fan_in"] * layer["fan_out"] for layer in layers)
        self._all, self._replicates = total <= count, replicates
        chosen = range(total) if self._all else _sample(layers, count, seed)
        positions = np.array([_position(layers, flat) for flat in chosen], np.int32).reshape(-1, 3)
        self._layer, self._row, self._column = positions.T
        self._flat: Array | None = None
        self._taken: list[tuple[int, Array]] = []
        self._last: Array | None = None

    def take(self, iteration: int, weights: Sequence[Array], after: Sequence[Array], costly: bool) -> None:
        """Note the values before this update, and those after it in case it was the last."""
        if not len(self._layer):
            return
        if self._all or costly:
            self._taken.append((iteration, self._values(weights)))
        self._last = self._values(after)

    @property
    def positions(self) -> Array:
        """(layer from 1, row, column) of each weight that is followed, (W, 3)."""
        return np.stack([self._layer + 1, self._row, self._column], axis=1)

    def add(self, iteration: int, values: Array) -> None:
        """Note values (W,) or (S, W) that were read elsewhere, as they are before this update."""
        self._taken.append((iteration, np.broadcast_to(values, (self._replicates, len(self._layer)))))

    def finish(self, iteration: int) -> None:
        """Add what came out of the last update."""
        if self._last is not None:
            self._taken.append((iteration, self._last))

    def table(self) -> dict[str, pa.Table]:
        """Remove what was taken and return it as a table."""
        taken, self._taken = self._taken, []
        if not taken:
            return {}
        shape = len(taken), self._replicates, len(self._layer)
        iteration = np.array([number for number, _ in taken], np.int32)
        columns = {
            "iteration": np.broadcast_to(iteration[:, None, None], shape),
            "replicate": np.broadcast_to(np.arange(self._replicates, dtype=np.int32)[:, None], shape),
            "layer": np.broadcast_to(self._layer + 1, shape),
            "row": np.broadcast_to(self._row, shape),
            "column": np.broadcast_to(self._column, shape),
        }
        arrays = {name: pa.array(np.ravel(array), pa.int32()) for name, array in columns.items()}
        values = np.stack([value for _, value in taken]).ravel()
        return {"weights": pa.table({**arrays, "value": pa.array(values, pa.float64(), from_pandas=False)})}

    def _values(self, weights: Sequence[Array]) -> Array:
        if isinstance(weights, LayerStack):  # one look into the buffer that holds all layers
            return weights.flat[self._places(weights)].astype(np.float64)
        values = np.empty((self._replicates, len(self._layer)))
        for number, (layer, row, column) in enumerate(zip(self._layer, self._row, self._column, strict=True)):
            values[:, number] = weights[layer][..., row, column]
        return values

    def _places(self, weights: LayerStack) -> Array:
        """Return where each weight lies in the buffer, (S, followed)."""
        if self._flat is None:
            numbers = LayerStack([weight.shape for weight in weights], np.intp)
            numbers.flat[:] = np.arange(numbers.flat.size)
            self._flat = self._values(list(numbers)).astype(np.intp)
        return self._flat


def _sample(layers: list[dict[str, Any]], count: int, seed: int) -> list[int]:
    """Choose `count` weights, spread evenly over the layers (the first and last ones first), at random within each."""
    rng = np.random.default_rng(seed)
    sizes = np.array([layer["fan_in"] * layer["fan_out"] for layer in layers])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    shares = np.bincount(np.linspace(0, len(layers) - 1, count).round().astype(int), minlength=len(layers))
    picked = [
        start + rng.choice(size, min(share, size), replace=False)
        for start, size, share in zip(starts, sizes, shares, strict=True)
    ]
    return sorted(int(flat) for flat in np.concatenate(picked))


def _position(layers: list[dict[str, Any]], flat: int) -> tuple[int, int, int]:
    """Return (layer from 0, row, column) of the weight with number `flat` in the net."""
    for number, layer in enumerate(layers):
        size = layer["fan_in"] * layer["fan_out"]
        if flat < size:
            return number, flat // layer["fan_out"], flat % layer["fan_out"]
        flat -= size
    raise IndexError(flat)
