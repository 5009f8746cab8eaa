"""`Run`: the one record of a training that crosses every border. Frozen, saved and loaded without loss."""

from __future__ import annotations

import copy
import functools
import json
import math
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gradlab import display
from gradlab.errors import ArgumentError, RunError
from gradlab.run import row_groups, storage, tables
from gradlab.run.tables import (
    BLOCK_COLUMNS,
    BLOCK_STATISTICS,
    KEYS,
    LAYER_COLUMNS,
    LAYER_WORDS,
    STATISTICS,
    STEP_COLUMNS,
    STEP_STATISTICS,
    VECTOR,
    WEIGHT_COLUMNS,
    signals_table,
    steps_table,
)

if TYPE_CHECKING:  # it takes longer to import than a small run to judge
    import pandas as pd

Array = np.ndarray


class Source(Protocol):
    """Where a Run's tables come from: a folder, or memory."""

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table | None:
        """Return a table or some of its columns; None where nothing of it was recorded."""
        ...

    def columns(self, name: str) -> list[str]:
        """Name the columns of a table."""
        ...

    def rows(self, name: str) -> int:
        """Count the rows of a table."""
        ...


class FolderSource:
    """Reads a run folder: its Parquet files once it is closed, what its streams hold before."""

    def __init__(self, folder: Path, closed: bool, temporary: bool = False):
        self.folder, self._closed = folder, closed
        self._names: dict[str, list[str]] = {}  # of a closed run, whose files do not change any more
        if temporary:  # recorded to no folder of the user's: the files live as long as the Run
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table | None:
        """Return a table or some of its columns."""
        return storage.read_table(self.folder, name, columns, self._is_closed())

    def rows(self, name: str) -> int:
        """Count the rows of a table."""
        return storage.row_count(self.folder, name, self._is_closed())

    def _is_closed(self) -> bool:
        """Whether to read the Parquet files: the streams of a live run go when its recorder closes it."""
        return self._closed or not storage.is_live(self.folder)

    def row_groups(self, width: int) -> row_groups.RowGroups | None:
        """Return the row groups of the statistics, `width` rows an iteration; None before the run is closed."""
        path = self.folder / "signals.parquet"
        return row_groups.RowGroups(path, width) if self._is_closed() and path.is_file() else None

    def columns(self, name: str) -> list[str]:
        """Name the columns of a table."""
        if not self._is_closed():
            return storage.column_names(self.folder, name, closed=False)
        if name not in self._names:
            self._names[name] = storage.column_names(self.folder, name)
        return self._names[name]


class GroupSource:
    """Reads some row groups of a closed run: those of the iterations `times`."""

    def __init__(self, source: FolderSource, groups: row_groups.RowGroups, chosen: list[int], replicates: int):
        self._source, self._groups, self._chosen, self._replicates = source, groups, chosen, replicates
        self.times = groups.iterations(chosen)

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table | None:
        """Return a table, or some of its columns, of the iterations chosen; the weights whole."""
        if name == "signals":
            return self._groups.read(self._chosen, columns or self._groups.names)
        if name == "weights":
            return self._source.table(name, columns)
        table = self._source.table(name)
        if table is None:
            return None
        times = pa.array(self.times, pa.int32())
        chosen = table.filter(pc.is_in(table["iteration"], value_set=times))  # pyright: ignore[reportAttributeAccessIssue]
        return chosen if columns is None else chosen.select(columns)

    def columns(self, name: str) -> list[str]:
        """Name the columns of a table."""
        return self._source.columns(name)

    def rows(self, name: str) -> int:
        """Count the rows of a table."""
        if name not in ("signals", "steps"):
            return self._source.rows(name)
        return len(self.times) * (self._groups.width if name == "signals" else self._replicates)


class MemorySource:
    """Tables held in memory: what `Run.from_arrays` makes."""

    def __init__(self, tables: Mapping[str, pa.Table]):
        self._tables = dict(tables)

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table | None:
        """Return a table or some of its columns."""
        table = self._tables.get(name)
        return table if table is None or columns is None else table.select(columns)

    def columns(self, name: str) -> list[str]:
        """Name the columns of a table."""
        return list(self._tables[name].column_names) if name in self._tables else []

    def rows(self, name: str) -> int:
        """Count the rows of a table."""
        return self._tables[name].num_rows if name in self._tables else 0


class Run:
    """One recorded training: T iterations of S replicates (seeds) of a net of L layers.

    Row t of every table is the state BEFORE update t, its update columns what update t did. Layer 1 is nearest the
    input. Statistics keep null (not recorded) apart from NaN (not a number: a pathology, and data).

    Attributes
    ----------
    name : str
    config : dict
        What was trained and how: activation, depth, width, init, gain, optimizer, learning_rate, batch_size, ...
    provenance : dict
        Where the record comes from: versions, platform, time, fingerprint of the data, and `status`: "complete",
        "stopped" (with the reason), or "unfinished" (still running, or killed).
    layers : DataFrame
        One row a layer: layer, name, kind, activation, fan_in, fan_out, parameters, path, block, role, owner.
    matrices, vectors : Run
        The run of the weight matrices alone, and of the vectors (biases, scales, bare parameters) alone.
    blocks, block_signals, output_stage, histograms : DataFrame
        The model's repeated blocks, their statistics, the operations behind the last layer, and histograms.
    replicates : int
        S, the number of seeds.
    """

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any],
        provenance: Mapping[str, Any],
        layers: list[dict[str, Any]],
        replicates: int,
        source: Source,
        held: tuple[str, ...] | None = None,
        blocks: Sequence[Mapping[str, Any]] = (),
        whole: Run | None = None,
        span: slice = slice(None),
    ):
        self._held = held  # by a part of a run: the columns of the whole
        self._whole, self._span = whole, span  # of a run of some layers: the run of all, and which
        self._name, self._replicates, self._source = name, replicates, source
        self._config = as_json("config", dict(config))
        self._provenance = as_json("provenance", dict(provenance))
        self._layers = as_json("layers", [dict(layer) for layer in layers])
        self._blocks = as_json("blocks", [dict(block) for block in blocks])
        self._read: dict[str, tuple[Array, Array]] = {}

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, "_read"):
            raise AttributeError(f"a Run is frozen: {name!r} cannot be set")
        super().__setattr__(name, value)

    @property
    def name(self) -> str:
        """The name given when it was recorded."""
        return self._name

    @property
    def config(self) -> dict[str, Any]:
        """A copy of what was trained and how."""
        return copy.deepcopy(self._config)

    @property
    def provenance(self) -> dict[str, Any]:
        """A copy of where the record comes from."""
        return copy.deepcopy(self._provenance)

    @property
    def replicates(self) -> int:
        """The number of seeds, S."""
        return self._replicates

    @property
    def layers(self) -> pd.DataFrame:
        """One row a layer: layer, name, kind, activation, fan_in, fan_out, parameters, path, block, role, owner.

        Vectors (biases, scales of norms, bare parameters) are rows of kind "vector", after all matrices.
        """
        import pandas as pd

        return pd.DataFrame(self._layers, columns=list(LAYER_COLUMNS))

    @functools.cached_property
    def _matrices(self) -> int:
        """The number of layers that are no vectors."""
        return sum(layer.get("kind") != VECTOR for layer in self._layers)

    @functools.cached_property
    def matrices(self) -> Run:
        """The run of the weight matrices alone; the run itself where it holds no vectors."""
        return self if self._matrices == len(self._layers) else self._of_layers(slice(0, self._matrices))

    @functools.cached_property
    def vectors(self) -> Run | None:
        """The run of the vectors alone, whose layers keep their numbers; None where there are none."""
        if self._matrices == len(self._layers):
            return None
        return self._of_layers(slice(self._matrices, len(self._layers)))

    def _of_layers(self, span: slice) -> Run:
        return Run(
            self._name,
            self._config,
            self._provenance,
            self._layers[span],
            self._replicates,
            self._source,
            blocks=self._blocks,
            whole=self,
            span=span,
        )

    @property
    def blocks(self) -> pd.DataFrame:
        """One row a repeated block of the model: block, path, kind, layers (the numbers of its layers)."""
        import pandas as pd

        return pd.DataFrame(self._blocks, columns=list(BLOCK_COLUMNS))

    @property
    def block_signals(self) -> pd.DataFrame:
        """What was recorded of the residual stream: iteration, replicate, block, then one column a statistic."""
        return self._frame("block_signals")

    @property
    def output_stage(self) -> pd.DataFrame:
        """From the last trainable map's output to the loss: iteration, replicate, position, operation, factor.

        The gradient behind an operation is `factor` times as long as the gradient in front of it.
        """
        return self._frame("output_stage")

    @property
    def histograms(self) -> pd.DataFrame:
        """Gradients by powers of two: iteration, replicate, layer, exponent, count; see `Recorder(histograms=)`.

        `count` entries lie in 2^exponent <= |g| < 2^(exponent + 1); where `exponent` is null, they are 0.
        """
        return self._frame("histograms")

    def _frame(self, name: str) -> pd.DataFrame:
        table = self._table(name)
        return (tables.empty(name) if table is None else table).to_pandas()

    def block_statistic(self, name: str) -> Array:
        """Return a statistic of the blocks as an array (iteration, replicate, block); NaN where not recorded."""
        if name not in BLOCK_STATISTICS:
            raise ArgumentError(f"blocks have no statistic {name!r}; choose one of: {', '.join(BLOCK_STATISTICS)}")
        return self._block_columns[name]

    @functools.cached_property
    def _block_columns(self) -> dict[str, Array]:
        shape = self.iterations, self.replicates, len(self._blocks)
        table = self._table("block_signals")
        result = {}
        for name in BLOCK_STATISTICS:
            values = np.full(shape, np.nan)
            if table is not None and table.num_rows:
                numbers = _values(table["iteration"]).astype(int)[:: shape[1] * shape[2]]
                rows = np.searchsorted(self.times, numbers)
                values[rows] = _values(table[name]).reshape(-1, *shape[1:])
            result[name] = _frozen(values)
        return result

    def layer(self, name: str) -> Array:
        """Return a column of `layers` as an array (L,): numbers as float64, NaN where unknown, words as objects."""
        if name not in LAYER_COLUMNS:
            raise ArgumentError(f"layers have no column {name!r}; choose one of: {', '.join(LAYER_COLUMNS)}")
        words = name in LAYER_WORDS
        return np.array([layer.get(name) for layer in self._layers], object if words else np.float64)

    @property
    def steps(self) -> pd.DataFrame:
        """One row an iteration and replicate: loss, learning_rate, grad_norm, ... in the order of STEP_COLUMNS."""
        return self._steps.copy(deep=False)  # copy on write: what a caller changes stays with the caller

    @functools.cached_property
    def _steps(self) -> pd.DataFrame:
        import pandas as pd

        table = self._table("steps")
        return pd.DataFrame(columns=list(STEP_COLUMNS)) if table is None else table.to_pandas()

    @property
    def weights(self) -> pd.DataFrame:
        """Weight trajectories w_ij^k: iteration, replicate, layer k, row i, column j (from 0), value.

        Iteration t holds the value before update t; the last row of each weight, at iteration T, is what came out.
        """
        return self._weights.copy(deep=False)

    @functools.cached_property
    def _weights(self) -> pd.DataFrame:
        import pandas as pd

        table = self._table("weights")
        return pd.DataFrame(columns=list(WEIGHT_COLUMNS)) if table is None else table.to_pandas()

    def _table(self, name: str) -> pa.Table | None:
        """Return a table up to the last iteration that is whole: a killed run may hold parts of the next ones."""
        table = self._source.table(name)
        if table is None:
            return None
        if name == "weights":
            last = self.iterations if self.iterations == 0 else int(self.times[-1]) + 1
            return table.filter(pc.field("iteration") <= last)
        if name not in ("signals", "steps"):
            last = self.times[-1] if self.iterations else -1
            return table.filter(pc.field("iteration") <= int(last))
        layers = len(self._layers if self._whole is None else self._whole._layers)
        rows = self.iterations * self.replicates * (layers if name == "signals" else 1)
        table = table.slice(0, rows)
        if self._whole is None or name == "steps":
            return table
        numbers = [layer["layer"] for layer in self._layers]
        return table.filter(pc.field("layer").isin(numbers))

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """The statistics this run has at least one value of, in the order of STATISTICS."""
        if self._held is not None:
            return self._held
        if self._whole is not None:
            known = self._whole.columns
            return known if self._whole._is_long else tuple(n for n in known if self.recorded(n).any())
        if self._row_groups is not None:
            return tuple(name for name in STATISTICS if self._row_groups.holds(name))
        return tuple(name for name in STATISTICS if self.recorded(name).any())

    @functools.cached_property
    def _row_groups(self) -> row_groups.RowGroups | None:
        """The row groups of a closed run's file; None where there is none."""
        return (
            self._source.row_groups(self.replicates * len(self._layers))
            if isinstance(self._source, FolderSource) and self._whole is None
            else None
        )

    @property
    def _is_long(self) -> bool:
        """Whether it is too large to be held in memory whole."""
        if self._whole is not None:
            return self._whole._is_long
        return self._row_groups is not None and math.prod(self.shape) > row_groups.BUDGET

    @functools.cached_property
    def times(self) -> Array:
        """The iteration of each row (T,): 0 .. T-1, except in a part of a run (see `condensed`)."""
        if self._whole is not None:
            return self._whole.times
        return _frozen(self._source.times if isinstance(self._source, GroupSource) else np.arange(self.iterations))

    def condensed(self, keep: Sequence[int] = ()) -> Run:
        """Return the run itself, or of one too large for memory the part that rules and pictures work on.

        Parameters
        ----------
        keep : sequence of int, optional
            Iterations that must be in it.

        Returns
        -------
        Run
            Spans of consecutive iterations (`times` names them): the first and the last, those that hold the largest
            and smallest values of the statistics, the first non-finite one of every replicate, and others evenly in
            between; at most about 2.4 million values of each statistic.
        """
        if self._whole is not None and self._is_long:
            return self._whole.condensed(keep)._of_layers(self._span)
        groups = self._row_groups
        if groups is None or not self._is_long:
            return self
        usual = self._condensed_usually
        if np.isin(keep, usual.times).all():
            return usual
        chosen = sorted({*groups.choose(self._breaks()), *groups.holding(keep)})
        return self._part(groups, chosen)

    @functools.cached_property
    def _condensed_usually(self) -> Run:
        groups = cast(row_groups.RowGroups, self._row_groups)
        chosen = groups.choose(self._breaks())
        return self if len(chosen) == len(groups) else self._part(groups, chosen)

    def _breaks(self) -> list[int]:
        """The first iteration of each replicate that is not finite, and the one before."""
        first = self.nonfinite.argmax(axis=0)[self.nonfinite.any(axis=0)]
        return [*first.tolist(), *np.maximum(first - 1, 0).tolist()]

    def _part(self, groups: row_groups.RowGroups, chosen: list[int]) -> Run:
        source = GroupSource(cast(FolderSource, self._source), groups, chosen, self.replicates)
        return Run(
            self._name,
            self._config,
            self._provenance,
            self._layers,
            self._replicates,
            source,
            self.columns,
            self._blocks,
        )

    @functools.cached_property
    def nonfinite(self) -> Array:
        """Where an iteration of a replicate holds a NaN or infinity, in the loss or in any number recorded (T, S)."""
        bad = ~np.isfinite(self.step("loss")) & self.step_recorded("loss")
        for times, name, values, recorded in (self._whole or self)._suspects():
            values, recorded = values[..., self._span], recorded[..., self._span]
            wrong = (values > 0) if name == row_groups.COUNT else ~np.isfinite(values)
            bad[times] |= (wrong & recorded).any(axis=2)
        return _frozen(bad)

    def _suspects(self) -> Iterator[tuple[Any, str, Array, Array]]:
        """Yield (rows, column, values, recorded) of what may not be finite; of a long run a few groups at a time."""
        groups = self._row_groups
        if groups is None or not self._is_long:
            for name in (row_groups.COUNT, *row_groups.NORMS):
                if name in self:
                    yield slice(None), name, self[name], self.recorded(name)
            return
        suspects, names = groups.suspects()
        for few in row_groups.in_turn(suspects):
            part = self._part(groups, few)
            yield from ((part.times, name, part[name], part.recorded(name)) for name in names)

    @functools.cached_property
    def iterations(self) -> int:
        """The number of iterations recorded, T."""
        if self._whole is not None:
            return self._whole.iterations
        signals = self._source.rows("signals") // (self._replicates * len(self._layers))
        return min(self._source.rows("steps") // self._replicates, signals)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, S, L)."""
        return self.iterations, self.replicates, len(self._layers)

    def step(self, name: str) -> Array:
        """Return a numeric column of `steps` as an array (iteration, replicate); NaN where it was not recorded."""
        if name not in STEP_COLUMNS:
            raise ArgumentError(f"steps have no column {name!r}; choose one of: {', '.join(STEP_COLUMNS)}")
        return self._step_columns[name].reshape(-1, self.replicates)

    @functools.cached_property
    def _step_columns(self) -> dict[str, Array]:
        table = self._table("steps")
        if table is None:
            return dict.fromkeys(STEP_COLUMNS, np.zeros(0))
        absent = np.full(table.num_rows, np.nan)
        held = table.column_names
        return {name: _frozen(_values(table[name]) if name in held else absent) for name in STEP_COLUMNS}

    def step_recorded(self, name: str) -> Array:
        """Return the boolean mask (iteration, replicate) of where a column of `steps` was recorded."""
        self.step(name)  # refuses a name that is none
        return self._steps_recorded[name].reshape(-1, self.replicates)

    @functools.cached_property
    def _steps_recorded(self) -> dict[str, Array]:
        table = self._table("steps")
        if table is None:
            return dict.fromkeys(STEP_COLUMNS, np.zeros(0, bool))
        recorded = dict.fromkeys(STEP_COLUMNS, _frozen(np.zeros(table.num_rows, bool)))
        valid = {name: table[name].combine_chunks().is_valid() for name in table.column_names}
        return recorded | {name: _frozen(_flags(mask)) for name, mask in valid.items()}

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Array:
        """Return a statistic as a plain float64 array (iteration, replicate, layer).

        NaN stands where it was not recorded as well as where it is not a number; `recorded` tells the two apart.
        """
        return self._column(name)[0]

    def recorded(self, name: str) -> Array:
        """Return the boolean mask (iteration, replicate, layer) of where `name` was recorded."""
        return self._column(name)[1]

    def _column(self, name: str) -> tuple[Array, Array]:
        if name not in self._read:
            self._read[name] = self._read_column(name)
        return self._read[name]

    def _read_column(self, name: str) -> tuple[Array, Array]:
        if name not in STATISTICS:
            raise ArgumentError(f"a run has no statistic {name!r}; choose one of: {', '.join(STATISTICS)}")
        if self._whole is not None:
            values, recorded = self._whole._column(name)
            return values[..., self._span], recorded[..., self._span]
        if name not in self._source.columns("signals"):
            empty = np.full(self.shape, np.nan)
            return _frozen(empty), _frozen(np.zeros(self.shape, bool))
        table = self._source.table("signals", [name])
        column = table[name].combine_chunks() if table is not None else pa.array([], pa.float64())
        shape = (self.iterations, self.replicates, len(self._layers))
        column = column.slice(0, math.prod(shape))
        values, mask = _values(column).reshape(shape), _flags(column.is_valid()).reshape(shape)
        return _frozen(values), _frozen(mask)

    def to_frame(self) -> pd.DataFrame:
        """Return the tidy record: iteration, replicate, layer, then one column a statistic, one row each."""
        import pandas as pd

        table = self._table("signals")
        return pd.DataFrame(columns=[*KEYS, *STATISTICS]) if table is None else table.to_pandas()

    def save(self, path: str | Path) -> Path:
        """Write the run to a folder, whole or not at all, and return its path; a run that lies there is replaced.

        The tables are ordinary Parquet: `pandas.read_parquet("FOLDER/signals.parquet")`.

        Raises
        ------
        RunError
            The folder cannot be written, or holds something that is no run.
        """
        target = Path(path)
        if isinstance(self._source, FolderSource) and target.exists() and target.samefile(self._source.folder):
            return target
        if target.is_file() or (
            target.is_dir() and any(target.iterdir()) and not (target / storage.DESCRIPTION).is_file()
        ):
            raise RunError(f"{target} exists and is no run folder; choose another path")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        except OSError as error:
            raise RunError(f"{target} cannot be written: {error.strerror}; choose a folder you may write to") from None
        try:
            temporary.chmod(0o755)
            if self._row_groups is not None and isinstance(self._source, FolderSource):
                storage.copy_tables(self._source.folder, temporary)
            else:
                self._write_tables(temporary)
            storage.write_description(temporary, self._description())
            storage.replace_folder(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return target

    def _write_tables(self, folder: Path) -> None:
        writer = storage.Writer(folder)
        for name in storage.TABLES:
            table = self._table(name)
            for batch in [] if table is None else table.to_batches():
                writer.append(name, batch)
        writer.close()
        writer.remove_streams()

    def _description(self) -> dict[str, Any]:
        return {
            "name": self._name,
            "closed": True,
            "replicates": self._replicates,
            "config": self._config,
            "provenance": self._provenance,
            "layers": self._layers,
            "blocks": self._blocks,
        }

    def __repr__(self) -> str:
        iterations, replicates, layers = self.shape
        status = self._provenance.get("status", "")
        return f"<Run {self._name!r}: {iterations} iterations x {replicates} seeds x {layers} layers, {status}>"

    def __str__(self) -> str:
        lines = [*self._summary(), *display.bars_text(self._bars())]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        first, *more = self._summary()
        lines = [display.paragraph(first, bold=True), *(display.paragraph(line) for line in more)]
        return display.box(*lines, display.bars_html(self._bars()))

    def _summary(self) -> list[str]:
        """Say in a few lines what was recorded and how it went."""
        iterations, replicates, layers = self.shape
        status = self._provenance.get("status", "")
        size = " x ".join(
            f"{number} {noun}{'s' * (number != 1)}"
            for number, noun in ((iterations, "iteration"), (replicates, "seed"), (layers, "layer"))
        )
        lines = [f"{self._name}: {size}, {status}"]
        if not iterations:
            return lines
        recorded = np.flatnonzero(self.step_recorded("loss").any(axis=1))
        if len(recorded):
            first, last = (float(np.median(self.step("loss")[t])) for t in recorded[[0, -1]])
            guess = self._config.get("baseline_loss")
            tail = f" (a constant guess: {guess:.4g})" if guess else ""
            lines.append(f"loss {first:.4g} at first, {last:.4g} at last{tail}")
        if self._bars():
            lines.append("||delta|| by layer at iteration 0 over the last layer's; bars: powers of ten")
        return lines

    def _bars(self) -> list[display.Bar]:
        if not self.iterations or "delta_norm" not in self:
            return []
        fall = display.decades(self["delta_norm"][0])
        return [display.Bar(layer["layer"], str(layer["name"]), fall[k]) for k, layer in enumerate(self._layers)]

    @classmethod
    def from_arrays(
        cls,
        signals: Mapping[str, Array],
        *,
        steps: Mapping[str, Array] | None = None,
        layers: list[dict[str, Any]] | None = None,
        name: str = "run",
        config: Mapping[str, Any] | None = None,
        provenance: Mapping[str, Any] | None = None,
        recorded: Mapping[str, Array] | None = None,
        blocks: Sequence[Mapping[str, Any]] = (),
        block_signals: Mapping[str, Array] | None = None,
        output_stage: Sequence[tuple[int, int, int, str, float]] = (),
    ) -> Run:
        """Make a Run of arrays one already has: for tests of rules, and for records of other tools.

        Parameters
        ----------
        signals : mapping of str to ndarray (T, S, L)
            Statistics by their names; at least one.
        steps : mapping of str to ndarray (T, S), optional
            Columns of `steps`; `loss` is NaN-free 0 where it is not given.
        layers : list of dict, optional
            One a layer, keys as in `Run.layers`.
        recorded : mapping of str to ndarray of bool (T, S, L), optional
            Where a statistic was recorded; everywhere by default.
        blocks : sequence of dict, optional
            One a repeated block, keys as in `Run.blocks`; `block` alone is needed.
        block_signals : mapping of str to ndarray (T, S, B), optional
            Block statistics by their names; what is masked counts as not recorded.
        output_stage : sequence of tuple, optional
            Rows of `Run.output_stage`: (iteration, replicate, position, operation, factor).

        Raises
        ------
        ArgumentError
            An unknown statistic, or shapes that do not agree.
        """
        arrays = {key: np.asarray(value, np.float64) for key, value in signals.items()}
        shapes = {value.shape for value in arrays.values()}
        unknown = [key for key in arrays if key not in STATISTICS]
        if unknown or len(shapes) != 1 or len(shape := shapes.pop()) != 3:
            raise ArgumentError(
                f"signals must be statistics of one shape (iteration, replicate, layer); got "
                f"{ {key: value.shape for key, value in arrays.items()} }, unknown: {unknown}"
            )
        iterations, replicates, n_layers = shape
        masks = {key: np.ones(shape, bool) for key in arrays} | dict(recorded or {})
        table = {"loss": np.zeros((iterations, replicates)), **(steps or {})}
        described = layers or [{} for _ in range(n_layers)]
        _check_parts(shape, arrays, masks, table, described)
        made = {"signals": signals_table(0, arrays, masks), "steps": steps_table(0, table, replicates)}
        known_blocks = describe_blocks(blocks)
        if block_signals:
            expected = iterations, replicates, len(known_blocks)
            _check_arrays("block_signals", block_signals, BLOCK_STATISTICS, expected)
            names = [block["block"] for block in known_blocks]
            made["block_signals"] = tables.block_signals_table(np.arange(iterations), block_signals, replicates, names)
        if output_stage:
            made["output_stage"] = tables.output_stage_table(output_stage)
        return cls(
            name,
            config or {},
            {"status": "complete", **(provenance or {})},
            describe_layers(described),
            replicates,
            MemorySource(made),
            blocks=known_blocks,
        )


def describe_layers(layers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Complete the descriptions of layers, keys as in `Run.layers`.

    Raises
    ------
    ArgumentError
        A vector stands before a matrix: layers keep their numbers whether or not vectors are recorded.
    """
    matrices = sum(layer.get("kind") != VECTOR for layer in layers)
    for number, layer in enumerate(layers, 1):
        if (layer.get("kind") == VECTOR) != (number > matrices):
            raise ArgumentError(f"layers[{number - 1}] is a vector with matrices after it; list all matrices first")
    return [_layer(number, layer, matrices) for number, layer in enumerate(layers, 1)]


def _layer(number: int, given: Mapping[str, Any], matrices: int) -> dict[str, Any]:
    usual = f"hidden{number}" if number < matrices else "output"
    name = given.get("name") or (usual if number <= matrices else f"vector{number - matrices}")
    blank: dict[str, Any] = dict.fromkeys(LAYER_COLUMNS)
    blank |= {"layer": number, "kind": "linear", "activation": "identity"}
    blank |= {"path": name, "block": "", "role": name, "owner": ""}
    return blank | dict(given) | {"name": name}


def describe_blocks(blocks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Complete the descriptions of blocks, keys as in `Run.blocks`.

    Raises
    ------
    ArgumentError
        One has no name, or two have the same.
    """
    names = [block.get("block") if isinstance(block, Mapping) else None for block in blocks]
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name or name in names[:number]:
            raise ArgumentError(f"blocks[{number}] needs 'block', a name of its own such as 'blocks.0'; got {name!r}")
    blank = {"kind": "", "layers": []}
    return [
        {"block": block["block"], "path": block["block"], **blank}
        | {key: value for key, value in block.items() if key in BLOCK_COLUMNS}
        for block in blocks
    ]


def _check_parts(
    shape: tuple[int, ...],
    arrays: Mapping[str, Array],
    masks: Mapping[str, Array],
    steps: Mapping[str, Array],
    layers: list[dict[str, Any]],
) -> None:
    """Raise ArgumentError where what goes with the signals does not fit their shape (T, S, L)."""
    _check_arrays("recorded", masks, arrays, shape)
    _check_arrays("steps", steps, STEP_STATISTICS, shape[:2])
    if len(layers) != shape[2]:
        raise ArgumentError(f"layers describes {len(layers)} layers, but the signals have {shape[2]}")


def _check_arrays(argument: str, parts: Mapping[str, Array], allowed: Iterable[str], expected: tuple[int, ...]) -> None:
    for name, value in parts.items():
        if name not in allowed or np.shape(value) != expected:
            raise ArgumentError(
                f"{argument}[{name!r}] has shape {np.shape(value)}; {argument} takes arrays of shape "
                f"{expected} by the names {', '.join(allowed)}"
            )


def as_json(argument: str, value: Any) -> Any:
    """Return `value` as it comes back from run.json, so that a saved Run equals the live one.

    Raises
    ------
    ArgumentError
        It holds something that JSON cannot: NaN, infinity, or an object.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False, default=_as_python))
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"{argument} cannot be stored: {error}; it takes finite numbers, texts, lists and dicts"
        ) from None


def _as_python(value: object) -> object:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"it holds a {type(value).__name__}")


def _values(column: pa.ChunkedArray | pa.Array) -> Array:
    """Return a column as float64, NaN where null, or as objects where it holds words.

    By way of the buffer: pyarrow's own `to_numpy` imports pandas, which takes longer than a small run to judge.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_string(array.type):
        return np.array(array.to_pylist(), object)
    array = array.cast(pa.float64())
    if array.null_count == len(array):
        return np.full(len(array), np.nan)
    values = np.frombuffer(array.buffers()[1], np.float64, len(array), 8 * array.offset)
    return np.where(_flags(array.is_valid()), values, np.nan) if array.null_count else values


def _flags(mask: pa.ChunkedArray | pa.Array) -> Array:
    """Return a boolean column without nulls as an array."""
    array = (mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask).cast(pa.uint8())
    if not len(array):
        return np.zeros(0, bool)
    return np.frombuffer(array.buffers()[1], np.uint8, len(array), array.offset).astype(bool)


def _frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array


def load(path: str | Path) -> Run:
    """Load a run from its folder; one that is still being written or was killed loads up to its last whole batch.

    Raises
    ------
    RunError
        The folder is no run folder, a file of it is damaged, or it was written by a newer gradlab.
    """
    folder = Path(path)
    description = storage.read_description(folder)
    closed = bool(description.get("closed", False))
    provenance = description["provenance"] if closed else {**description["provenance"], "status": "unfinished"}
    run = Run(
        description["name"],
        description["config"],
        provenance,
        description["layers"],
        description["replicates"],
        FolderSource(folder, closed),
        blocks=description.get("blocks", ()),
    )
    if closed:
        for name in storage.TABLES:
            storage.column_names(folder, name)  # a damaged file is an error now, not in the middle of a report
        steps, signals = (storage.row_count(folder, name) for name in ("steps", "signals"))
        if steps % run.replicates or signals != steps * len(description["layers"]):
            raise RunError(
                f"{folder} is damaged: steps.parquet has {steps} rows and signals.parquet {signals}, which do not fit "
                f"{run.replicates} replicates and {len(description['layers'])} layers; record the run again"
            )
    return run
