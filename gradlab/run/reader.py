"""`Reader`: the tables of a run as arrays, cut to the iterations and layers that the run has."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gradlab.run.sources import GroupSource, PartSource, Source
from gradlab.run.storage import TABLES
from gradlab.run.tables import (
    BLOCK_STATISTICS,
    STEP_COLUMNS,
    empty,
    flags_of,
    frozen,
    values_of,
)

Array = np.ndarray
Column = tuple[Array, Array]  # values and where they were recorded


class Reader:
    """Reads a run's tables out of a source, each column once.

    Parameters
    ----------
    layers : sequence of dict
        Their descriptions, with their numbers.
    blocks : int
        How many blocks there are.
    whole, span : Reader, slice
        Of a run of some layers: the reader of all, and which.
    """

    def __init__(
        self,
        source: Source,
        replicates: int,
        layers: Sequence[dict[str, Any]],
        blocks: int,
        whole: Reader | None = None,
        span: slice = slice(None),
    ):
        self.source, self.replicates, self.layers, self.blocks = source, replicates, layers, blocks
        self.whole, self.span = whole, span
        self._read: dict[str, Column] = {}

    def of_layers(self, span: slice) -> Reader:
        """Return the reader of some of the layers."""
        return Reader(self.source, self.replicates, self.layers[span], self.blocks, self, span)

    @functools.cached_property
    def iterations(self) -> int:
        """How many iterations both steps and signals hold: a killed run may hold more of one."""
        if self.whole is not None:
            return self.whole.iterations
        signals = self.source.rows("signals") // (self.replicates * len(self.layers))
        return min(self.source.rows("steps") // self.replicates, signals)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, S, L)."""
        return self.iterations, self.replicates, len(self.layers)

    @functools.cached_property
    def times(self) -> Array:
        """The iteration of each row (T,)."""
        if self.whole is not None:
            return self.whole.times
        if isinstance(self.source, (GroupSource, PartSource)):
            return frozen(self.source.times)
        return frozen(np.arange(self.iterations))

    def table(self, name: str) -> pa.Table | None:
        """Return a table up to the last whole iteration, for the layers of this reader."""
        table = self.source.table(name)
        if table is None:
            return None
        last = int(self.times[-1]) if self.iterations else -1
        if name in ("signals", "steps"):
            layers = len((self.whole or self).layers)
            rows = self.iterations * self.replicates * (layers if name == "signals" else 1)
            table = table.slice(0, rows)
        else:
            table = table.filter(pc.field("iteration") <= last + (name == "weights"))
        if self.whole is None or "layer" not in table.column_names:
            return table
        return table.filter(pc.field("layer").isin([layer["layer"] for layer in self.layers]))

    def tables(self) -> dict[str, pa.Table]:
        """Return all tables that hold something."""
        read = {name: self.table(name) for name in TABLES}
        return {name: table for name, table in read.items() if table is not None}

    def column(self, name: str) -> Column:
        """Return a statistic (T, S, L) and where it was recorded."""
        if name not in self._read:
            self._read[name] = self._read_column(name)
        return self._read[name]

    def _read_column(self, name: str) -> Column:
        if self.whole is not None:
            values, recorded = self.whole.column(name)
            return values[..., self.span], recorded[..., self.span]
        if name not in self.source.columns("signals"):
            return frozen(np.full(self.shape, np.nan)), frozen(np.zeros(self.shape, bool))
        table = self.source.table("signals", [name])
        column = table[name].combine_chunks() if table is not None else pa.array([], pa.float64())
        column = column.slice(0, math.prod(self.shape))
        values, recorded = values_of(column), flags_of(column.is_valid())
        return frozen(values.reshape(self.shape)), frozen(recorded.reshape(self.shape))

    @functools.cached_property
    def steps(self) -> dict[str, Column]:
        """Each column of `steps` (T, S), and where it was recorded."""
        if self.whole is not None:
            return self.whole.steps
        table, shape = self.table("steps"), (-1, self.replicates)
        table = empty("steps") if table is None else table
        nothing = np.full(table.num_rows, np.nan), np.zeros(table.num_rows, bool)
        absent = frozen(nothing[0].reshape(shape)), frozen(nothing[1].reshape(shape))
        result: dict[str, Column] = dict.fromkeys(STEP_COLUMNS, absent)
        for name in table.column_names:
            column = table[name].combine_chunks()
            values, recorded = values_of(column), flags_of(column.is_valid())
            result[name] = frozen(values.reshape(shape)), frozen(recorded.reshape(shape))
        return result

    @functools.cached_property
    def block_signals(self) -> dict[str, Column]:
        """Each statistic of the blocks (T, S, B), and where it was recorded."""
        shape = self.iterations, self.replicates, self.blocks
        table = self.table("block_signals")
        rows, held = np.zeros(0, int), []
        if table is not None and table.num_rows:
            numbers = values_of(table["iteration"]).astype(int)[:: shape[1] * shape[2]]
            rows, held = np.searchsorted(self.times, numbers), table.column_names
        result = {}
        for name in BLOCK_STATISTICS:
            values, recorded = np.full(shape, np.nan), np.zeros(shape, bool)
            if table is not None and name in held:
                column = table[name].combine_chunks()
                values[rows] = values_of(column).reshape(-1, *shape[1:])
                recorded[rows] = flags_of(column.is_valid()).reshape(-1, *shape[1:])
            result[name] = frozen(values), frozen(recorded)
        return result
