"""From arrays that one already has to the tables of a Run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gradlab.errors import ArgumentError, shown
from gradlab.run.tables import (
    BLOCK_STATISTICS,
    STATISTICS,
    STEP_STATISTICS,
    WORDS,
    block_signals_table,
    histogram_table,
    output_stage_table,
    signals_table,
    steps_table,
)

Array = np.ndarray
Shape = tuple[int, int, int]


def shape_of(signals: Mapping[str, Array]) -> Shape:
    """Return the shape (T, S, L) that all statistics share.

    Raises
    ------
    ArgumentError
        There are none, one is unknown or holds no numbers, or shapes differ.
    """
    if not isinstance(signals, Mapping):
        raise ArgumentError(
            f"signals is a {type(signals).__name__}; give a dict of arrays by their names"
        )
    shapes = {name: _shape(f"signals[{name!r}]", value) for name, value in signals.items()}
    shape = next(iter(shapes.values()), ())
    unknown = [name for name in signals if name not in STATISTICS]
    if unknown or len(set(shapes.values())) != 1 or len(shape) != 3:
        raise ArgumentError(
            f"signals must be statistics of one shape (iteration, replicate, layer); got {shapes}, "
            f"unknown: {unknown}"
        )
    if not all(shape[1:]):
        raise ArgumentError(
            f"signals have shape {shape}; there must be a replicate and a layer at least"
        )
    return shape


def make_tables(
    shape: Shape,
    signals: Mapping[str, Array],
    recorded: Mapping[str, Array],
    steps: Mapping[str, Array],
    blocks: Sequence[str],
    block_signals: Mapping[str, Array],
    output_stage: Sequence[tuple[int, int, int, str, float]],
    histograms: Array | None,
) -> dict[str, pa.Table]:
    """Make the tables of a run; arrays as `Run.from_arrays` takes them.

    Raises
    ------
    ArgumentError
        An unknown name, an array of another shape or of no numbers.
    """
    iterations, replicates = shape[:2]
    values = {name: numbers(f"signals[{name!r}]", value) for name, value in signals.items()}
    masks = {name: ~np.ma.getmaskarray(signals[name]) for name in values}
    _check("recorded", recorded, values, shape)
    masks |= {name: _mask(f"recorded[{name!r}]", mask) for name, mask in recorded.items()}
    _check("steps", steps, STEP_STATISTICS, shape[:2])
    table = {"loss": np.zeros((iterations, replicates))}
    table |= {name: _step(name, value) for name, value in steps.items()}
    made = {
        "signals": signals_table(0, values, masks),
        "steps": steps_table(0, table, replicates),
    }
    if block_signals and not blocks:
        raise ArgumentError("block_signals are given, but blocks describes none of them")
    if block_signals:
        _check("block_signals", block_signals, BLOCK_STATISTICS, (*shape[:2], len(blocks)))
        streams = {
            name: np.ma.MaskedArray(
                numbers(f"block_signals[{name!r}]", value), np.ma.getmaskarray(value)
            )
            for name, value in block_signals.items()
        }
        made["block_signals"] = block_signals_table(
            np.arange(iterations), streams, replicates, blocks
        )
    if len(output_stage):
        made["output_stage"] = output_stage_table(_stage(output_stage, shape))
    if histograms is not None:
        counts = numbers("histograms", histograms)
        if counts.shape[:3] != shape or counts.ndim != 4:
            raise ArgumentError(
                f"histograms has shape {counts.shape}; give counts of shape {(*shape, 'bins')}, as "
                "measures.power_histogram makes them"
            )
        made["histograms"] = histogram_table(np.arange(iterations), counts.astype(np.int64))
    return made


def as_array(argument: str, value: Any) -> Array:
    """Return a value as an array; ArgumentError where its rows differ in length."""
    try:
        return np.asanyarray(value)
    except (ValueError, TypeError):
        raise ArgumentError(f"{argument}={shown(value)} has rows of different lengths") from None


def _shape(argument: str, value: Any) -> tuple[int, ...]:
    return value.shape if isinstance(value, np.ndarray) else as_array(argument, value).shape


def _mask(argument: str, value: Any) -> Array:
    mask = as_array(argument, value)
    if mask.dtype.kind not in "biuf":
        raise ArgumentError(f"{argument} is {mask.dtype}; give True or False for each number")
    return mask.astype(bool)


def numbers(argument: str, value: Any) -> Array:
    """Return numbers as float64, in this machine's byte order; what is masked becomes NaN.

    Raises
    ------
    ArgumentError
        They are none.
    """
    masked = isinstance(value, np.ma.MaskedArray)
    data = as_array(argument, np.ma.getdata(value) if masked else value)
    if data.dtype.kind not in "fiub":
        try:
            data = np.asarray(data.tolist(), np.float64)
        except (TypeError, ValueError, OverflowError):  # an integer that no float holds
            raise ArgumentError(f"{argument} is {data.dtype}; give numbers") from None
    data = data.astype(np.float64)
    mask = np.ma.getmask(value) if masked else np.ma.nomask
    return data if mask is np.ma.nomask else np.where(mask, np.nan, data)


def _step(name: str, value: Any) -> Any:
    if name not in WORDS:
        argument = f"steps[{name!r}]"
        return np.ma.MaskedArray(numbers(argument, value), np.ma.getmaskarray(value))
    words = np.asarray(np.ma.getdata(value), object)
    wrong = [word for word in words.ravel() if word is not None and not isinstance(word, str)]
    if wrong:
        raise ArgumentError(f"steps[{name!r}] holds {shown(wrong[0])}; give texts, or None")
    return words


def _stage(rows: Sequence[Any], shape: Shape) -> list[tuple[int, int, int, str, float]]:
    """Return the rows of the output stage in the order of their iterations."""
    result = []
    for place, row in enumerate(rows):
        try:
            iteration, replicate, position, operation, factor = row
            result.append(
                (int(iteration), int(replicate), int(position), str(operation), float(factor))
            )
        except (TypeError, ValueError, OverflowError):
            raise ArgumentError(
                f"output_stage[{place}] is {shown(row)}; give (iteration, replicate, position, "
                f"operation, factor)"
            ) from None
        if not (0 <= result[-1][0] < shape[0] and 0 <= result[-1][1] < shape[1]):
            raise ArgumentError(
                f"output_stage[{place}] is {shown(row)}, but the run has {shape[0]} iterations and "
                f"{shape[1]} replicates"
            )
    return sorted(result, key=lambda row: row[:3])


def _check(
    argument: str, parts: Mapping[str, Array], allowed: Iterable[str], expected: tuple[int, ...]
) -> None:
    if not isinstance(parts, Mapping):
        raise ArgumentError(
            f"{argument} is a {type(parts).__name__}; give a dict of arrays by name"
        )
    for name, value in parts.items():
        found = _shape(f"{argument}[{name!r}]", value)
        if name not in allowed or found != expected:
            raise ArgumentError(
                f"{argument}[{name!r}] has shape {found}; {argument} takes arrays of shape "
                f"{expected} by the names {', '.join(allowed)}"
            )
