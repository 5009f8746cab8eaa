"""The tables of a Run: their columns, and how arrays are laid out as their rows.

Every table has a column `iteration` and is ordered by it. `signals` and `steps` hold every
iteration whole; the others hold those iterations in which something of theirs was recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gradlab import statistics

Array = np.ndarray

KEYS = ("iteration", "replicate", "layer")

# The statistics of one layer at one iteration and replicate, in the order reports and files list
# them; histograms lie in a table of their own.
STATISTICS = tuple(each.name for each in statistics.LAYER_STATISTICS if each.cadence != "optional")
LOG_GAINS = (
    "log_gain_weight",
    "log_gain_alignment",
    "log_gain_slope",
    "log_gain_slope_alignment",
)
# What a skip connection, a norm or dropout adds to the four terms; not recorded where there is
# none.
BLOCK_GAIN = "log_gain_block"
STEP_STATISTICS = tuple(each.name for each in statistics.STEP_STATISTICS)
STEP_COLUMNS = ("iteration", "replicate", *STEP_STATISTICS)
WORDS = tuple(each.name for each in statistics.STEP_STATISTICS if each.unit == "word")
BLOCK_STATISTICS = tuple(each.name for each in statistics.BLOCK_STATISTICS)
BLOCK_SIGNAL_COLUMNS = ("iteration", "replicate", "block", *BLOCK_STATISTICS)
WEIGHT_COLUMNS = ("iteration", "replicate", "layer", "row", "column", "value")
OUTPUT_STAGE_COLUMNS = ("iteration", "replicate", "position", "operation", "factor")
HISTOGRAM_COLUMNS = ("iteration", "replicate", "layer", "exponent", "count")

LAYER_COLUMNS = (
    "layer", "name", "kind", "activation", "fan_in", "fan_out", "parameters", "path", "block",
    "role", "owner",
)  # fmt: skip
LAYER_WORDS = ("name", "kind", "activation", "path", "block", "role", "owner")
BLOCK_COLUMNS = ("block", "path", "kind", "layers", "norm")
ADDITION = "addition"  # the kind of a row of `run.blocks` that is one addition inside a block
VECTOR = "vector"  # the kind of a layer that is a bias, the scale of a norm, or a bare parameter

# Of float32's smallest number; `gradlab.measures.LOWEST_EXPONENT` is the same.
LOWEST_EXPONENT = -149
HIGHEST_EXPONENT = 127  # of its largest

COLUMNS = {
    "steps": STEP_COLUMNS,
    "signals": (*KEYS, *STATISTICS),
    "weights": WEIGHT_COLUMNS,
    "block_signals": BLOCK_SIGNAL_COLUMNS,
    "output_stage": OUTPUT_STAGE_COLUMNS,
    "histograms": HISTOGRAM_COLUMNS,
}
# What every table has, whatever was recorded; the statistics may be missing.
REQUIRED_COLUMNS = {
    "steps": ("iteration", "replicate"),
    "signals": KEYS,
    "weights": WEIGHT_COLUMNS,
    "block_signals": ("iteration", "replicate", "block"),
    "output_stage": OUTPUT_STAGE_COLUMNS,
    "histograms": HISTOGRAM_COLUMNS,
}
_INTEGERS = {"iteration", "replicate", "layer", "row", "column", "position", "exponent", "count"}
_TEXTS = {"block", "operation", *WORDS}


def column_type(name: str) -> pa.DataType:
    """Return the type a column has in memory and in a file."""
    if name == "count":
        return pa.int64()
    if name in _INTEGERS:
        return pa.int32()
    return pa.string() if name in _TEXTS else pa.float64()


def schema(table: str) -> pa.Schema:
    """Return the columns of a table with their types."""
    return pa.schema([(name, column_type(name)) for name in COLUMNS[table]])


def empty(table: str) -> pa.Table:
    """Return a table without rows."""
    return schema(table).empty_table()


def signals_table(
    start: int,
    values: Mapping[str, Array],
    masks: Mapping[str, Array],
    shape: tuple[int, int, int] | None = None,
) -> pa.Table:
    """Lay statistics (T, S, L) out as rows from iteration `start`; null where masked.

    With a `shape`, every statistic there is gets a column, of nulls where it has no values.
    """
    complete = shape is not None
    shape = shape or next(iter(values.values())).shape
    iteration, replicate, layer = np.indices(shape, np.int32)
    columns = {
        "iteration": pa.array((iteration + start).ravel(), pa.int32()),
        "replicate": pa.array(replicate.ravel(), pa.int32()),
        "layer": pa.array((layer + 1).ravel(), pa.int32()),
    }
    for name in STATISTICS:
        if name in values:
            missing = None if masks[name].all() else ~masks[name].ravel()
            flat = values[name].ravel()
            columns[name] = pa.array(flat, pa.float64(), mask=missing, from_pandas=False)
        elif complete:
            columns[name] = pa.nulls(int(np.prod(shape)), pa.float64())
    return pa.table(columns)


def steps_table(start: int, values: Mapping[str, Array], replicates: int) -> pa.Table:
    """Lay step columns (T, S) out as rows from iteration `start`; what is not given is null.

    A value may be a masked array: what is masked becomes null.
    """
    iterations = len(next(iter(values.values())))
    iteration, replicate = np.indices((iterations, replicates), np.int32)
    columns = {
        "iteration": pa.array((iteration + start).ravel(), pa.int32()),
        "replicate": pa.array(replicate.ravel(), pa.int32()),
    }
    for name in STEP_STATISTICS:
        kind = column_type(name)
        if name not in values:
            columns[name] = pa.nulls(iterations * replicates, kind)
        elif name in WORDS:
            columns[name] = pa.array(np.ravel(np.ma.getdata(values[name])).tolist(), kind)
        else:
            columns[name] = _column(values[name])
    return pa.table(columns)


def block_signals_table(
    iterations: Array, values: Mapping[str, Array], replicates: int, blocks: Sequence[str]
) -> pa.Table:
    """Lay block statistics (t, S, B) of iterations (t,) out as rows; null where masked."""
    shape = len(iterations), replicates, len(blocks)
    _, replicate, block = np.indices(shape, np.int32)
    iteration = np.broadcast_to(np.asarray(iterations, np.int32)[:, None, None], shape)
    columns = {
        "iteration": pa.array(iteration.ravel(), pa.int32()),
        "replicate": pa.array(replicate.ravel(), pa.int32()),
        "block": pa.array(np.array(blocks, object)[block.ravel()].tolist(), pa.string()),
    }
    for name in BLOCK_STATISTICS:
        size = int(np.prod(shape))
        columns[name] = _column(values[name]) if name in values else pa.nulls(size, pa.float64())
    return pa.table(columns)


def median_factors(table: pa.Table) -> tuple[tuple[str, float], ...]:
    """Return (operation, median of its finite factors) by position, of an output stage's table."""
    found: dict[tuple[int, str], list[float]] = {}
    columns = (table.column(name).to_pylist() for name in ("position", "operation", "factor"))
    for position, operation, factor in zip(*columns, strict=True):
        known = found.setdefault((position, str(operation)), [])
        if factor is not None and np.isfinite(factor):
            known.append(factor)
    return tuple(
        (operation, float(np.median(factors)) if factors else float("nan"))
        for (_, operation), factors in sorted(found.items())
    )


def output_stage_table(rows: Sequence[tuple[int, int, int, str, float]]) -> pa.Table:
    """Make a table of (iteration, replicate, position, operation, factor)."""
    columns = list(zip(*rows, strict=True)) or [()] * len(OUTPUT_STAGE_COLUMNS)
    return pa.table(
        {
            name: pa.array(column, column_type(name), from_pandas=False)
            for name, column in zip(OUTPUT_STAGE_COLUMNS, columns, strict=True)
        }
    )


def histogram_table(iterations: Array, counts: Array) -> pa.Table:
    """Lay histograms (t, S, L, bins) of iterations (t,) out as rows, without empty bins.

    Bins as in `gradlab.measures.power_histogram`: zeros first, then each exponent from
    LOWEST_EXPONENT on.
    """
    time, replicate, layer, bins = np.nonzero(counts)
    exponent = bins - 1 + LOWEST_EXPONENT
    numbers = np.asarray(iterations, np.int32)[time]
    return pa.table(
        {
            "iteration": pa.array(numbers, pa.int32()),
            "replicate": pa.array(replicate.astype(np.int32), pa.int32()),
            "layer": pa.array((layer + 1).astype(np.int32), pa.int32()),
            "exponent": pa.array(exponent.astype(np.int32), pa.int32(), mask=bins == 0),
            "count": pa.array(counts[time, replicate, layer, bins], pa.int64()),
        }
    )


def weights_table(
    iterations: Array, values: Array, layer: Array, row: Array, column: Array
) -> pa.Table:
    """Lay followed weights (t, S, W) out as rows; `layer`, `row` and `column` (W,) name them."""
    shape = values.shape
    columns = {
        "iteration": np.broadcast_to(np.asarray(iterations)[:, None, None], shape),
        "replicate": np.broadcast_to(np.arange(shape[1])[:, None], shape),
        "layer": np.broadcast_to(layer, shape),
        "row": np.broadcast_to(row, shape),
        "column": np.broadcast_to(column, shape),
    }
    arrays = {
        name: pa.array(np.ravel(array).astype(np.int32), pa.int32())
        for name, array in columns.items()
    }
    flat = pa.array(np.ravel(values), pa.float64(), from_pandas=False)
    return pa.table({**arrays, "value": flat})


def values_of(column: pa.ChunkedArray | pa.Array) -> Array:
    """Return a column as float64, NaN where null, or as objects where it holds words.

    By way of the buffer: pyarrow's own `to_numpy` imports pandas, which takes longer than a small
    run to judge.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_string(array.type):
        return np.array(array.to_pylist(), object)
    array = array.cast(pa.float64())
    if array.null_count == len(array):
        return np.full(len(array), np.nan)
    values = np.frombuffer(array.buffers()[1], np.float64, len(array), 8 * array.offset)
    return np.where(flags_of(array.is_valid()), values, np.nan) if array.null_count else values


def flags_of(mask: pa.ChunkedArray | pa.Array) -> Array:
    """Return a boolean column without nulls as an array."""
    array = mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask
    array = array.cast(pa.uint8())
    if not len(array):
        return np.zeros(0, bool)
    return np.frombuffer(array.buffers()[1], np.uint8, len(array), array.offset).astype(bool)


def frozen(array: Array) -> Array:
    """Return the array, from now on read-only."""
    array.flags.writeable = False
    return array


def _column(given: Any) -> pa.Array:
    """Return numbers, which may be a masked array, as a column of float64; null where masked."""
    flat = np.ravel(np.ma.getdata(given)).astype(np.float64)
    masked = isinstance(given, np.ma.MaskedArray)
    mask = np.ravel(np.ma.getmaskarray(given)) if masked else None
    return pa.array(flat, pa.float64(), mask=mask, from_pandas=False)
