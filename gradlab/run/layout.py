"""What the tables of a run look like: their keys in order, and columns with their types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from gradlab.run.tables import (
    HIGHEST_EXPONENT,
    LOWEST_EXPONENT,
    REQUIRED_COLUMNS,
    flags_of,
    schema,
    values_of,
)


@dataclass(frozen=True)
class Layout:
    """How many rows an iteration has in each table, and what their keys are.

    Attributes
    ----------
    replicates : int
    layers : tuple of int
        The numbers of the layers.
    blocks : tuple of str
        The names of the blocks.
    """

    replicates: int
    layers: tuple[int, ...]
    blocks: tuple[str, ...] = ()

    def width(self, table: str) -> int | None:
        """Return the rows of one iteration; None where that differs from one to the next."""
        across = {"steps": 1, "signals": len(self.layers), "block_signals": len(self.blocks)}
        return self.replicates * across[table] if table in across else None

    def misplaced(self, table: str, rows: pa.Table | pa.RecordBatch) -> str | None:
        """Say which key of these rows is not what it must be; None where all are right.

        Of tables with a fixed number of rows an iteration, the rows must be whole iterations.
        """
        width = self.width(table)
        iteration = values_of(rows["iteration"])
        if rows["iteration"].null_count or (np.diff(iteration) < 0).any() or (iteration < 0).any():
            return "iteration"
        if width is None:
            return self._out_of_range(rows)
        if width == 0 or len(iteration) % width:
            return "iteration"
        times = iteration.reshape(-1, width)
        if (times != times[:, :1]).any() or (np.diff(times[:, 0]) <= 0).any():
            return "iteration"
        for key in ("replicate", "layer", "block"):
            if key in rows.schema.names and not self._repeats(key, rows[key], width):
                return key
        return None

    def _out_of_range(self, rows: pa.Table | pa.RecordBatch) -> str | None:
        """Say which key names what this run does not have: a seed, a layer, a place, a power."""
        for key in rows.schema.names:
            ends = self._ends(key)
            if ends is None:
                continue
            given = values_of(rows[key])
            if key == "exponent":  # null: the entries that are 0
                given = given[flags_of(rows[key].is_valid())]
            if not ((given >= ends[0]) & (given <= ends[1])).all():  # NaN, for null, is neither
                return key
            if key == "layer" and not np.isin(given, self.layers).all():
                return key
        return None

    def _ends(self, key: str) -> tuple[float, float] | None:
        """Return the least and the largest value of a key of numbers; None of what is no key."""
        if key == "replicate":
            return 0, self.replicates - 1
        if key == "exponent":
            return LOWEST_EXPONENT, HIGHEST_EXPONENT
        return (0, np.inf) if key in ("layer", "row", "column", "position", "count") else None

    def _repeats(self, key: str, column: Any, width: int) -> bool:
        """Whether a key takes its values in turn, iteration by iteration."""
        if column.null_count:
            return False
        across = width // self.replicates
        given = values_of(column).reshape(-1, self.replicates, across)
        if key == "replicate":
            return bool((given == np.arange(self.replicates)[:, None]).all())
        wanted = self.layers if key == "layer" else np.array(self.blocks, object)
        return len(wanted) == across and bool((given == wanted).all())


def fits(table: str, found: pa.Schema) -> bool:
    """Whether a file has a table's columns, each once and of its type, keys included."""
    known = schema(table)
    names = found.names
    return (
        len(set(names)) == len(names)
        and set(REQUIRED_COLUMNS[table]) <= set(names)
        and all(
            name in known.names and _same_kind(known.field(name).type, found.field(name).type)
            for name in names
        )
    )


def _same_kind(known: pa.DataType, found: pa.DataType) -> bool:
    """Whether a column of one type can be read as the other, as wider or encoded ones can."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_integer(known):
        return pa.types.is_integer(found)
    if pa.types.is_string(known):
        return pa.types.is_string(found) or pa.types.is_large_string(found)
    return pa.types.is_floating(found)
