"""`Run`: the one record of a training. Frozen, saved and loaded without loss."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradlab.errors import ArgumentError, shown, suggest
from gradlab.kinds import MAPPING, PATH, TEXT, Kind, of_kinds
from gradlab.run import arrays, printing, saving, tables
from gradlab.run.describing import as_json, describe_blocks, describe_layers, is_baseline
from gradlab.run.reader import Reader
from gradlab.run.sampling import Sampling
from gradlab.run.sources import FolderSource, MemorySource, PartSource, Source
from gradlab.run.tables import (
    BLOCK_COLUMNS,
    BLOCK_STATISTICS,
    LAYER_COLUMNS,
    LAYER_WORDS,
    STATISTICS,
    STEP_COLUMNS,
    VECTOR,
)

if TYPE_CHECKING:  # it takes longer to import than a small run to judge
    import pandas as pd

Array = np.ndarray


class Run:
    """One recorded training: T iterations of S replicates (seeds) of a net of L layers.

    Row t of every table is the state BEFORE update t, its update columns what update t did. Layer 1
    is nearest the input. Statistics keep null (not recorded) apart from NaN (not a number: a
    pathology, and data).

    Attributes
    ----------
    name : str
    config : dict
        What was trained and how: activation, depth, width, init, gain, optimizer, learning_rate,
        ...
    provenance : dict
        Where the record comes from: versions, platform, time, fingerprint of the data, and
        `status`: "complete", "stopped" (with the reason), or "unfinished" (still running, or
        killed).
    layers : DataFrame
        One row a layer, in the columns LAYER_COLUMNS.
    matrices, vectors : Run
        The run of the weight matrices alone, and of the vectors (biases, scales, bare parameters)
        alone.
    blocks, block_signals, output_stage, histograms : DataFrame
        The model's repeated blocks, their statistics, the operations behind the last layer, and
        histograms.
    replicates : int
        S, the number of seeds.
    """

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any],
        provenance: Mapping[str, Any],
        layers: Sequence[Mapping[str, Any]],
        replicates: int,
        source: Source,
        *,
        blocks: Sequence[Mapping[str, Any]] = (),
        whole: Run | None = None,
        span: slice | None = None,
    ):
        self._name, self._replicates, self._source = name, replicates, source
        self._config = as_json("config", dict(config))
        self._provenance = as_json("provenance", dict(provenance))
        self._layers = as_json("layers", [dict(layer) for layer in layers])
        self._blocks = as_json("blocks", [dict(block) for block in blocks])
        self._frames: dict[str, pd.DataFrame] = {}
        # Of a part: the run, and which of its layers, if not all.
        self._whole, self._span = whole, span
        if whole is not None and span is not None:
            reader = whole._reader.of_layers(span)
        else:
            reader = Reader(source, replicates, self._layers, len(self._blocks))
        self._sampling = Sampling(reader, None if whole is None else whole._sampling)
        self._reader = reader  # the last one: from now on, the run is frozen

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, "_reader"):
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
    def iterations(self) -> int:
        """The number of iterations recorded, T."""
        return self._reader.iterations

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, S, L)."""
        return self._reader.shape

    @property
    def times(self) -> Array:
        """The iteration of each row (T,): 0 .. T-1, except in a part of a run (see `condensed`)."""
        return self._reader.times

    @property
    def layers(self) -> pd.DataFrame:
        """One row a layer, in the columns LAYER_COLUMNS.

        Vectors (biases, scales of norms, bare parameters) are rows of kind "vector", after all
        matrices.
        """
        import pandas as pd

        return pd.DataFrame(self._layers, columns=list(LAYER_COLUMNS))

    def layer(self, name: str) -> Array:
        """Return a column of `layers` as an array (L,).

        Numbers come as float64, NaN where unknown, and words as objects.
        """
        _check_name("layers have no column", name, LAYER_COLUMNS)
        kind = object if name in LAYER_WORDS else np.float64
        return np.array([layer.get(name) for layer in self._layers], kind)

    @functools.cached_property
    def _matrices(self) -> int:
        return sum(layer.get("kind") != VECTOR for layer in self._layers)

    @functools.cached_property
    def matrices(self) -> Run:
        """The run of the weight matrices alone; the run itself where it holds nothing else."""
        if self._matrices in (0, len(self._layers)):
            return self
        return self._of_layers(slice(0, self._matrices))

    @functools.cached_property
    def vectors(self) -> Run | None:
        """The run of the vectors alone, whose layers keep their numbers; None without any."""
        if self._matrices == len(self._layers):
            return None
        return self._of_layers(slice(self._matrices, len(self._layers)))

    @property
    def blocks(self) -> pd.DataFrame:
        """One row a repeated block: block, path, kind, layers (their numbers), norm.

        `norm` is "before" what the branches read, "after" their sum, "none", or empty where
        unknown.
        """
        import pandas as pd

        return pd.DataFrame(self._blocks, columns=list(BLOCK_COLUMNS))

    @property
    def steps(self) -> pd.DataFrame:
        """One row an iteration and replicate, in the columns STEP_COLUMNS."""
        return self._frame("steps")

    @property
    def weights(self) -> pd.DataFrame:
        """Weight trajectories w_ij^k: iteration, replicate, layer k, row i, column j, value.

        Iteration t holds the value before update t; the last row of each weight, at iteration T, is
        what came out.
        """
        return self._frame("weights")

    @property
    def block_signals(self) -> pd.DataFrame:
        """The residual stream: iteration, replicate, block, then one column a statistic."""
        return self._frame("block_signals")

    @property
    def output_stage(self) -> pd.DataFrame:
        """What stands between the last trainable map and the loss.

        Columns: iteration, replicate, position, operation, factor.

        The gradient in front of an operation is `factor` times as long as the gradient behind it.
        """
        return self._frame("output_stage")

    @functools.cached_property
    def output_factors(self) -> tuple[tuple[str, float], ...]:
        """The median factor of each operation of the output stage, nearest the last layer first.

        (operation, factor); empty where none was recorded. Read without pandas.
        """
        table = self._reader.table("output_stage")
        return () if table is None else tables.median_factors(table)

    @property
    def histograms(self) -> pd.DataFrame:
        """Gradients by powers of two: iteration, replicate, layer, exponent, count.

        Recorded with `histograms=True`.

        `count` entries lie in 2^exponent <= |g| < 2^(exponent + 1); where `exponent` is null, they
        are 0.
        """
        return self._frame("histograms")

    def to_frame(self) -> pd.DataFrame:
        """Return all layer statistics, one row an iteration, replicate and layer."""
        return self._frame("signals")

    def _frame(self, name: str) -> pd.DataFrame:
        if name not in self._frames:
            table = self._reader.table(name)
            self._frames[name] = (tables.empty(name) if table is None else table).to_pandas()
        return self._frames[name].copy(
            deep=False
        )  # copy on write: what a caller changes stays with the caller

    @property
    def columns(self) -> tuple[str, ...]:
        """The statistics this run has at least one value of, in the order of STATISTICS."""
        return self._sampling.columns

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Array:
        """Return a statistic as a plain float64 array (iteration, replicate, layer).

        NaN where it was not recorded as well as where it is not a number; `recorded` tells the two
        apart.
        """
        return self._column(name)[0]

    def recorded(self, name: str) -> Array:
        """Return the boolean mask (iteration, replicate, layer) of where `name` was recorded."""
        return self._column(name)[1]

    def _column(self, name: str) -> tuple[Array, Array]:
        _check_name("a run has no statistic", name, STATISTICS)
        return self._reader.column(name)

    def step(self, name: str) -> Array:
        """Return a column of `steps` as an array (iteration, replicate), NaN where not recorded."""
        return self._step(name)[0]

    def step_recorded(self, name: str) -> Array:
        """Return where a column of `steps` was recorded, a boolean mask (iteration, replicate)."""
        return self._step(name)[1]

    def _step(self, name: str) -> tuple[Array, Array]:
        _check_name("steps have no column", name, STEP_COLUMNS)
        return self._reader.steps[name]

    def block_statistic(self, name: str) -> Array:
        """Return a statistic of the blocks (iteration, replicate, block); NaN if not recorded."""
        _check_name("blocks have no statistic", name, BLOCK_STATISTICS)
        return self._reader.block_signals[name][0]

    @property
    def nonfinite(self) -> Array:
        """Where an iteration of a replicate holds a NaN or infinity, in any number recorded (T, S).

        Logarithms do not count, nor do the gradients of a step that was skipped; see
        `gradlab.run.nonfinite`.
        """
        return self._sampling.nonfinite

    def condensed(self, keep: Sequence[int] = ()) -> Run:
        """Return the run itself, or the subset that stands for a run too large for memory.

        Parameters
        ----------
        keep : sequence of int, optional
            Iterations that must be in it.

        Returns
        -------
        Run
            Spans of consecutive iterations (`times` names them): the first and the last, those that
            hold the largest and smallest values of the statistics, the first non-finite one of
            every replicate, and others evenly in between; at most about 2.4 million values of each
            statistic.
        """
        if not self._sampling.is_long:
            return self
        if self._whole is not None and self._span is not None:
            return self._whole.condensed(keep)._of_layers(self._span)
        if np.isin(keep, self._usual_part.times).all():
            return self._usual_part
        return self._of_groups(self._sampling.keeping(keep))

    def between(self, first: int, stop: int) -> Run:
        """Return a part that holds the iterations `first` to `stop - 1`, as far as there are any.

        The run itself where it fits into memory, else the few row groups that hold them: a caller
        that asks for a span after the other sees a long run whole, a little at a time. `times`
        names the iterations of its rows.
        """
        if not self._sampling.is_long:
            return self
        if self._whole is not None and self._span is not None:
            return self._whole.between(first, stop)._of_layers(self._span)
        return self._of_groups(self._sampling.between(max(first, 0), min(stop, self.iterations)))

    def held(self) -> Run:
        """Return a run that is still recorded as it is now; a closed one is itself.

        Its tables are read once, and mapped rather than copied: what is written later, or removed
        when the recording ends, changes nothing.
        """
        source = self._source
        if not isinstance(source, FolderSource) or self._whole is not None or source.is_closed:
            return self
        return Run(
            self._name,
            self._config,
            self._provenance,
            self._layers,
            self._replicates,
            MemorySource(self._reader.tables()),
            blocks=self._blocks,
        )

    def select(self, times: Sequence[int]) -> Run:
        """Return the part that holds these iterations alone, as it would have been recorded.

        Parameters
        ----------
        times : sequence of int
            Iterations of this run; those that it does not have are left out.
        """
        if self._whole is not None and self._span is not None:
            return self._whole.select(times)._of_layers(self._span)
        chosen = np.intersect1d(self.times, np.asarray(times, int))
        widths = {"steps": self._replicates, "signals": self._replicates * len(self._layers)}
        return self._part(PartSource(self._source, chosen, widths), self._layers, None)

    @functools.cached_property
    def _usual_part(self) -> Run:
        chosen = self._sampling.usual()
        return self if chosen is None else self._of_groups(chosen)

    def _of_groups(self, chosen: list[int]) -> Run:
        return self._part(self._sampling.source(chosen), self._layers, None)

    def _of_layers(self, span: slice) -> Run:
        return self._part(self._source, self._layers[span], span)

    def _part(self, source: Source, layers: list[dict[str, Any]], span: slice | None) -> Run:
        return Run(
            self._name,
            self._config,
            self._provenance,
            layers,
            self._replicates,
            source,
            blocks=self._blocks,
            whole=self,
            span=span,
        )

    @property
    def folder(self) -> Path | None:
        """The folder that it was recorded to or loaded from; None of a run in memory alone."""
        source = self._source
        if isinstance(source, FolderSource) and not source.temporary:
            return source.folder
        return None

    @of_kinds(path=PATH)
    def save(self, path: str | Path) -> Path:
        """Write the run to a folder and return its path; a run that lies there is replaced.

        It is written whole, or not at all.

        The tables are ordinary Parquet: `pandas.read_parquet("FOLDER/signals.parquet")`.

        Raises
        ------
        RunError
            The folder cannot be written, holds something that is no run, or is being recorded to.
        """
        target = Path(path)
        folder = self._source.folder if isinstance(self._source, FolderSource) else None
        if folder is not None and self._whole is None and saving.is_same(target, folder):
            return target
        description = {
            "name": self._name,
            "closed": True,
            "replicates": self._replicates,
            "config": self._config,
            "provenance": self._provenance,
            "layers": self._layers,
            "blocks": self._blocks,
        }
        held = None if self._sampling.row_groups is not None else self._reader.tables()
        saving.save(target, description, held, folder)
        return target

    def __repr__(self) -> str:
        iterations, replicates, layers = self.shape
        status = self._provenance.get("status", "")
        size = f"{iterations} iterations x {replicates} seeds x {layers} layers"
        return f"<Run {self._name!r}: {size}, {status}>"

    def __str__(self) -> str:
        return printing.text(self._summary())

    def _repr_html_(self) -> str:
        return printing.markup(self._summary())

    def _summary(self) -> printing.Summary:
        falls = self.iterations and "delta_norm" in self.matrices
        return printing.summary(
            self._name,
            str(self._provenance.get("status", "")),
            self.shape,
            (self.step("loss"), self.step_recorded("loss")),
            self._config.get("baseline_loss"),
            {layer["layer"]: str(layer["name"]) for layer in self.matrices._layers},
            self.matrices["delta_norm"][0] if falls else None,
        )

    @classmethod
    @of_kinds(
        name=TEXT,
        config=MAPPING.or_none,
        provenance=MAPPING.or_none,
        steps=MAPPING.or_none,
        recorded=MAPPING.or_none,
        block_signals=MAPPING.or_none,
        output_stage=Kind("a list of tuples", lambda value: isinstance(value, Sequence)),
    )
    def from_arrays(
        cls,
        signals: Mapping[str, Array],
        *,
        steps: Mapping[str, Array] | None = None,
        layers: Sequence[Mapping[str, Any]] | None = None,
        name: str = "run",
        config: Mapping[str, Any] | None = None,
        provenance: Mapping[str, Any] | None = None,
        recorded: Mapping[str, Array] | None = None,
        blocks: Sequence[Mapping[str, Any]] = (),
        block_signals: Mapping[str, Array] | None = None,
        output_stage: Sequence[tuple[int, int, int, str, float]] = (),
        histograms: Array | None = None,
    ) -> Run:
        """Make a Run of arrays one already has: for tests of rules, and for records of other tools.

        Parameters
        ----------
        signals : mapping of str to ndarray (T, S, L)
            Statistics by their names; at least one. What is masked counts as not recorded.
        steps : mapping of str to ndarray (T, S), optional
            Columns of `steps`; `loss` is NaN-free 0 where it is not given.
        layers : list of dict, optional
            One a layer, keys as in `Run.layers`; those of kind "vector" last.
        recorded : mapping of str to ndarray of bool (T, S, L), optional
            Where a statistic was recorded; everywhere by default.
        blocks : sequence of dict, optional
            One a repeated block, keys as in `Run.blocks`; `block` alone is needed.
        block_signals : mapping of str to ndarray (T, S, B), optional
            Block statistics by their names; what is masked counts as not recorded.
        output_stage : sequence of tuple, optional
            Rows of `Run.output_stage`: (iteration, replicate, position, operation, factor).
        histograms : ndarray of int (T, S, L, bins), optional
            Of the gradients, as `gradlab.measures.power_histogram` makes them.

        Raises
        ------
        ArgumentError
            An unknown statistic, or shapes that do not agree.
        """
        baseline = as_json("config", dict(config or {})).get("baseline_loss")
        if not is_baseline(baseline):
            raise ArgumentError(
                f"config['baseline_loss']={shown(baseline)} must be a finite number, or None"
            )
        shape = arrays.shape_of(signals)
        described = describe_layers([{} for _ in range(shape[2])] if layers is None else layers)
        if len(described) != shape[2]:
            raise ArgumentError(
                f"layers describes {len(described)} layers, but the signals have {shape[2]}"
            )
        known = describe_blocks(blocks)
        names = [block["block"] for block in known]
        made = arrays.make_tables(
            shape,
            signals,
            recorded or {},
            steps or {},
            names,
            block_signals or {},
            output_stage,
            histograms,
        )
        told = {"status": "complete", **(provenance or {})}
        return cls(name, config or {}, told, described, shape[1], MemorySource(made), blocks=known)


def _check_name(complaint: str, name: object, known: Sequence[str]) -> None:
    if not isinstance(name, str) or name not in known:
        raise ArgumentError(f"{complaint} {shown(name)}; {suggest(name, known)}")
