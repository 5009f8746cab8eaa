"""The newest iterations of a recording: they wait in memory, and leave it once they are on disk."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from gradlab.recorder.derived import Derivations
from gradlab.recorder.rows import Batch, LayerRow, Partial, Row, count_of
from gradlab.run.tables import (
    BLOCK_STATISTICS,
    STEP_STATISTICS,
    WORDS,
    block_signals_table,
    histogram_table,
    output_stage_table,
    signals_table,
    steps_table,
    weights_table,
)

Array = np.ndarray
Tables = dict[str, pa.Table]


class Buffer:
    """Iterations in memory, in order.

    Each change is one assignment or one append: an interrupt finds the buffer as it was, or as it
    will be.

    Parameters
    ----------
    derivations : Derivations
        Makes columns of what its rows hold.
    shape : (int, int)
        Replicates and layers.
    blocks : sequence of str
        Names of the model's blocks.
    positions : ndarray (W, 3)
        Layer (from 1), row and column of the weights that are followed.
    """

    def __init__(
        self,
        derivations: Derivations,
        shape: tuple[int, int],
        blocks: Sequence[str],
        positions: Array,
    ):
        self._derivations, self._shape, self._blocks = derivations, shape, blocks
        self._positions = positions
        self._held: tuple[int, list[Row | Batch]] = (0, [])

    @property
    def start(self) -> int:
        """The first iteration in memory."""
        return self._held[0]

    @property
    def iterations(self) -> int:
        """How many iterations were recorded in all."""
        start, entries = self._held
        return start + sum(map(count_of, entries))

    def __len__(self) -> int:
        return sum(map(count_of, self._held[1]))

    def append(self, entry: Row | Batch) -> None:
        """Add what comes next."""
        self._held[1].append(entry)

    def amend(
        self, row: LayerRow, back: int, block_signals: Mapping[str, Array] | None = None
    ) -> bool:
        """Complete the row `back` from the newest (1 = the newest); return whether it exists."""
        entries = self._held[1]
        if len(entries) < back or not isinstance(before := entries[-back], Row):
            return False
        changes: dict[str, Any] = {"layers": before.layers.completed(row)}
        if block_signals:
            changes["block_signals"] = block_signals
        entries[-back] = replace(before, **changes)
        return True

    def ready(self, keep: int) -> int:
        """Return how many entries may go: all but the newest `keep` rows."""
        entries = self._held[1]
        if entries and isinstance(entries[-1], Batch):
            return len(entries)
        return max(0, len(entries) - keep)

    def tables(self, count: int, last: Array | None = None) -> Tables:
        """Return the first `count` entries as tables, and keep them.

        Parameters
        ----------
        last : ndarray (S, W), optional
            The weights that are followed, after the last of all iterations.
        """
        start, entries = self._held
        parts: list[Tables] = []
        for alike, group in itertools.groupby(entries[:count], key=type):
            held = list(group)
            if alike is Row:
                parts.append(self._of_rows(start, held))  # pyright: ignore[reportArgumentType]
            else:
                for place, batch in enumerate(held):
                    before = sum(map(count_of, held[:place]))
                    parts.append(self._of_batch(start + before, batch))  # pyright: ignore[reportArgumentType]
            start += sum(map(count_of, held))
        if last is not None:
            parts.append(self._weights([start], last[None]))
        names = dict.fromkeys(name for part in parts for name in part)
        return {
            name: pa.concat_tables([part[name] for part in parts if name in part]) for name in names
        }

    def drop(self, count: int) -> None:
        """Forget the first `count` entries: they are on disk."""
        start, entries = self._held
        gone = sum(map(count_of, entries[:count]))
        self._held = start + gone, entries[count:]

    @property
    def newest(self) -> Row | None:
        """The newest iteration, where it is in memory by itself."""
        entries = self._held[1]
        return entries[-1] if entries and isinstance(entries[-1], Row) else None

    def _of_rows(self, start: int, rows: Sequence[Row]) -> Tables:
        numbers = list(enumerate(rows, start))
        tables = {"signals": self._signals(start, rows), "steps": self._steps(start, rows)}
        followed = [(number, row.followed) for number, row in numbers if row.followed is not None]
        if followed:
            times, values = zip(*followed, strict=True)
            tables |= self._weights(times, np.stack(values))
        streams = [(number, row.block_signals) for number, row in numbers if row.block_signals]
        if streams:
            tables["block_signals"] = self._block_signals(streams)
        stages = [(number, row.output_stage) for number, row in numbers if row.output_stage]
        if stages:
            tables["output_stage"] = self._output_stage(stages)
        counted = [
            (number, row.layers.histogram)
            for number, row in numbers
            if row.layers.histogram is not None
        ]
        if counted:
            times, counts = zip(*counted, strict=True)
            tables["histograms"] = histogram_table(np.array(times), np.stack(counts))
        return tables

    def _of_batch(self, start: int, batch: Batch) -> Tables:
        shape = len(batch.phases), *self._shape
        values = {
            name: np.ma.getdata(column).reshape(shape) for name, column in batch.columns.items()
        }
        masks = {
            name: ~np.ma.getmaskarray(column).reshape(shape)
            for name, column in batch.columns.items()
        }
        named = np.empty((shape[0], 1), object)
        named[:, 0] = batch.phases
        steps = {name: np.ma.asarray(column)[:, None] for name, column in batch.steps.items()}
        tables = {
            "signals": signals_table(start, values, masks, shape),
            "steps": steps_table(start, {**steps, "nonfinite_phase": named}, 1),
        }
        if batch.followed is not None and len(batch.followed[0]):
            numbers, followed = batch.followed
            tables |= self._weights(start + np.asarray(numbers), np.asarray(followed)[:, None])
        streams = [
            (start + n, each)
            for n in range(shape[0])
            if not _all_masked(
                each := {k: np.ma.asarray(v)[n][None] for k, v in batch.block_signals.items()}
            )
        ]
        if streams:
            tables["block_signals"] = self._block_signals(streams)
        if batch.output_stage:
            stages = [(start + n, stage) for n, stage in sorted(batch.output_stage.items())]
            tables["output_stage"] = self._output_stage(stages)
        if batch.histograms is not None and len(batch.histograms[0]):
            numbers, counts = batch.histograms
            tables["histograms"] = histogram_table(
                start + np.asarray(numbers), np.asarray(counts)[:, None]
            )
        return tables

    def _weights(self, iterations: Sequence[int] | Array, values: Array) -> Tables:
        layer, row, column = self._positions.T
        return {"weights": weights_table(np.array(iterations), values, layer, row, column)}

    def _block_signals(self, streams: Sequence[tuple[int, Mapping[str, Array]]]) -> pa.Table:
        absent = np.ma.masked_all((self._shape[0], len(self._blocks)))
        columns = {
            name: np.ma.stack([np.ma.asarray(values.get(name, absent)) for _, values in streams])
            for name in BLOCK_STATISTICS
        }
        numbers = np.array([number for number, _ in streams])
        return block_signals_table(numbers, columns, self._shape[0], self._blocks)

    def _output_stage(self, stages: Sequence[tuple[int, Any]]) -> pa.Table:
        return output_stage_table(
            [
                (number, replicate, position, operation, float(factors[replicate]))
                for number, stage in stages
                for replicate in range(self._shape[0])
                for position, (operation, factors) in enumerate(stage)
            ]
        )

    def _signals(self, start: int, rows: Sequence[Row]) -> pa.Table:
        measured = [row.layers for row in rows]
        with np.errstate(all="ignore"):
            values, masks = self._columns(measured)
            for name, made in self._derivations.of_columns(values, measured).items():
                if name not in values:
                    values[name], masks[name] = (
                        made.values,
                        np.broadcast_to(made.defined, made.values.shape),
                    )
        return signals_table(start, values, masks, (len(rows), *self._shape))

    def _columns(self, rows: Sequence[LayerRow]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return every statistic (T, S, L), and where it was taken."""
        shape = len(rows), *self._shape
        sums = {k: row.sums for k, row in enumerate(rows) if row.sums is not None}
        summed = list(sums)
        unfolded = self._derivations.of_sums(list(sums.values())) if sums else {}
        names = dict.fromkeys([*unfolded, *(name for row in rows for name in row.statistics)])
        values = {name: np.full(shape, np.nan) for name in names}
        masks = {name: np.zeros(shape, bool) for name in names}
        for name, column in unfolded.items():
            values[name][summed], masks[name][summed] = column, True
        for k, row in enumerate(rows):
            for name, entry in row.statistics.items():
                pair = entry if isinstance(entry, Partial) else (entry, True)
                values[name][k], masks[name][k] = pair
        return values, masks

    def _steps(self, start: int, rows: Sequence[Row]) -> pa.Table:
        replicates = self._shape[0]
        steps = [row.step for row in rows]
        sums = {k: row.layers.sums for k, row in enumerate(rows) if row.layers.sums is not None}
        made = self._derivations.steps_of_sums(list(sums.values())) if sums else {}
        for number, k in enumerate(sums):
            steps[k] = {**steps[k], **{name: column[number] for name, column in made.items()}}
        columns: dict[str, Any] = {}
        for name in STEP_STATISTICS:
            given = [step.get(name) for step in steps]
            missing = np.array([value is None for value in given])
            if name in WORDS or missing.all():
                continue
            filled = [
                np.broadcast_to(np.nan if value is None else value, (replicates,))
                for value in given
            ]
            mask = np.repeat(missing, replicates).reshape(-1, replicates)
            columns[name] = np.ma.MaskedArray(np.array(filled, np.float64), mask)
        phases = np.empty((len(rows), replicates), object)
        phases[:] = [list(row.phases) for row in rows]
        return steps_table(start, {**columns, "nonfinite_phase": phases}, replicates)


def _all_masked(values: Mapping[str, Array]) -> bool:
    return all(np.ma.getmaskarray(each).all() for each in values.values())
