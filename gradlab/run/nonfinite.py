"""Where a run holds a number that is none: NaN or infinity, in anything that was recorded."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from gradlab import statistics
from gradlab.run import row_groups
from gradlab.run.reader import Reader
from gradlab.run.row_groups import RowGroups
from gradlab.run.sources import FolderSource, GroupSource
from gradlab.run.tables import BLOCK_STATISTICS, STATISTICS, STEP_STATISTICS, WORDS

Array = np.ndarray

COUNT, BUFFERS = "nonfinite_count", "nonfinite_buffers"
# Logarithms of factors: they are undefined where a factor is 0, and follow from other columns.
LOGARITHMS = {
    each.name
    for each in (*statistics.LAYER_STATISTICS, *statistics.BLOCK_STATISTICS)
    if each.unit == "ln"
}
COLUMNS = tuple(name for name in STATISTICS if name not in LOGARITHMS)
# What is made of gradients alone: of a step that was skipped because of them, they are no harm.
OF_GRADIENTS = {
    "grad_norm", "grad_max", "per_example_grad_norm", "delta_norm", "grad_weight_cosine",
    "lost_fraction", COUNT,
}  # fmt: skip
OF_GRADIENTS_BY_STEP = {"grad_norm", "clipped_grad_norm", "expected_decrease", "output_gain"}


def find(reader: Reader, groups: RowGroups | None) -> Array:
    """Return where an iteration of a replicate holds a NaN or infinity, (T, S).

    The factors of the output stage do not count: they are quotients of gradients, undefined where a
    loss that is met gives none. Gradients do not count in an iteration whose step was skipped
    (`skipped_steps` of it or of the next says so, and no layer was updated), as a scaler of
    gradients does while it looks for its scale.

    Parameters
    ----------
    groups : RowGroups, optional
        Of a run too large for memory: its row groups, which are then read a few at a time.
    """
    skipped = _skipped(reader)
    bad = _in_steps(reader, skipped) | _in_blocks(reader)
    for rows, name, values, recorded in _suspects(reader, groups):
        wrong = (values != 0) if name == COUNT else ~np.isfinite(values)
        found = (wrong & recorded).any(axis=2)
        if name in OF_GRADIENTS:
            found &= ~_still(reader, rows, skipped)
        bad[rows] |= found
    return bad


def _skipped(reader: Reader) -> Array:
    """Where a step may have been skipped: the count of this iteration or of the next is above 0."""
    count = np.nan_to_num(reader.steps["skipped_steps"][0])
    following = np.zeros_like(count)
    following[:-1] = count[1:]
    return (count > 0) | (following > 0)


def _still(reader: Reader, rows: Array | slice, skipped: Array) -> Array:
    """Where a step was skipped: it may have been, and no layer was updated."""
    if not skipped[rows].any():
        return np.zeros_like(skipped[rows])
    update, recorded = reader.column("update_norm")
    unmoved = (recorded[rows] & (update[rows] == 0)).all(axis=2)
    return skipped[rows] & unmoved


def _in_steps(reader: Reader, skipped: Array) -> Array:
    still = _still(reader, slice(None), skipped)
    bad = np.zeros(reader.shape[:2], bool)
    for name in STEP_STATISTICS:
        if name in WORDS:
            continue
        values, recorded = reader.steps[name]
        wrong = (values != 0) if name == BUFFERS else ~np.isfinite(values)
        found = recorded & wrong
        bad |= found & ~still if name in OF_GRADIENTS_BY_STEP else found
    return bad


def _in_blocks(reader: Reader) -> Array:
    bad = np.zeros(reader.shape[:2], bool)
    for name in BLOCK_STATISTICS:
        if name not in LOGARITHMS:
            values, recorded = reader.block_signals[name]
            bad |= (recorded & ~np.isfinite(values)).any(axis=2)
    return bad


def _suspects(
    reader: Reader, groups: RowGroups | None
) -> Iterator[tuple[Array | slice, str, Array, Array]]:
    """Yield (rows, column, values, recorded) of what may not be finite."""
    if groups is None:
        held = (reader.whole or reader).source.columns("signals")
        for name in COLUMNS:
            if name in held:
                yield slice(None), name, *reader.column(name)
        return
    source = (reader.whole or reader).source
    assert isinstance(source, FolderSource)
    for name, found in groups.suspects(COLUMNS).items():
        for few in row_groups.in_turn(found):
            part = Reader(
                GroupSource(source, groups, few, reader.replicates),
                reader.replicates,
                (reader.whole or reader).layers,
                reader.blocks,
            )
            values, recorded = part.column(name)
            yield part.times, name, values[..., reader.span], recorded[..., reader.span]


def is_long(shape: tuple[int, int, int]) -> bool:
    """Whether a statistic of this shape is too large to be held whole."""
    return math.prod(shape) > row_groups.BUDGET
