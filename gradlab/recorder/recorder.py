"""`Recorder`: measures what happens in a training and keeps it; the only maker of live Runs.

The built-in engine feeds it; so can any loop that has the arrays at hand.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Pyarrow would import it at its first array, in the middle of a training.
import pandas as pd  # noqa: F401
import pyarrow as pa

from gradlab.errors import ArgumentError
from gradlab.kinds import FLAG, LISTED
from gradlab.recorder import batch_checks, checks, first_nan
from gradlab.recorder.buffers import Buffer
from gradlab.recorder.cadence import Cadence
from gradlab.recorder.derived import Derivations
from gradlab.recorder.inputs import Inputs, StepTensors
from gradlab.recorder.layer_axis import LayerAxis
from gradlab.recorder.measurer import Measurer
from gradlab.recorder.rows import Batch, LayerRow, Row
from gradlab.recorder.run_folder import RunFolder
from gradlab.recorder.step_reader import Extras, StepReader
from gradlab.recorder.trajectories import Trajectories
from gradlab.recorder.watchers import WATCHERS
from gradlab.run import Run, as_json, load
from gradlab.run.describing import describe_blocks
from gradlab.run.layout import Layout
from gradlab.run.sources import FolderSource, MemorySource, Source
from gradlab.run.tables import STEP_STATISTICS, VECTOR

Array = np.ndarray

FLUSH_ITERATIONS, FLUSH_SECONDS = 64, 1.0  # rows go to disk when either is reached


class Recorder:
    """Records one training, iteration by iteration.

    Norms, per-example gradient norms and log gains are taken at every iteration; the costly
    statistics at iterations 0-9, then at every 10th. Rows go to disk many at a time: memory does
    not grow with the number of iterations.

    Parameters
    ----------
    layers : list of dict
        One a layer, first layer first: `fan_in`, `fan_out`, and where known `name`, `kind`,
        `activation`, `parameters`, `path`, `block`, `role`, `owner`, `slope_bound` (the largest
        slope of the activation; without it no saturation is recorded). Those of kind "vector" come
        last; `add` takes them, `record` does not.
    replicates : int, optional
        S, where the arrays carry a leading replicate axis; None where they carry none.
    out : path, optional
        Folder to stream to, new or empty. None: a temporary one that is deleted with the Run.
    every : int, optional
        Take the costly statistics at every `every`-th iteration instead; 1 = always.
    weights : int
        How many weights to follow: all of a net of up to so many (at every iteration), else a
        seeded sample (at the cadence of the costly statistics).
    seed : int
        Of that sample.
    overwrite : bool
        Empty `out` first where it holds a run.
    blocks : sequence of dict, optional
        One a repeated block of the model, in the order in which data meet them: `block`, its name
        such as "blocks.3", and where known `path`, `kind`, `layers` (the numbers of its layers,
        from 1) and `norm`, as in `Run.blocks`.
    histograms : bool
        Whether to count the gradients' entries by powers of two among the costly statistics.

    Attributes
    ----------
    broke : bool
        Whether a number was not finite so far.

    Raises
    ------
    ArgumentError
        An argument outside its range.
    RunError
        `out` cannot be written to, already holds something, or another process records there.
    """

    broke = False
    _listener: Callable[..., None] | None = None

    def __init__(
        self,
        layers: Sequence[Mapping[str, Any]],
        *,
        name: str = "run",
        config: Mapping[str, Any] | None = None,
        provenance: Mapping[str, Any] | None = None,
        replicates: int | None = None,
        out: str | Path | None = None,
        every: int | None = None,
        weights: int = 50,
        seed: int = 0,
        overwrite: bool = False,
        blocks: Sequence[Mapping[str, Any]] = (),
        histograms: bool = False,
    ):
        given = checks.options(
            every=every,
            weights=weights,
            seed=seed,
            replicates=replicates,
            overwrite=overwrite,
            histograms=histograms,
        )
        self.name = as_json("name", str(name))
        self.config = as_json("config", checks.config(config))
        facts = checks.mapping("provenance", provenance)
        self.provenance = as_json("provenance", {**checks.environment(), **facts})
        self.layers = as_json("layers", checks.layers(layers, given.replicates or 1))
        self.blocks = as_json("blocks", describe_blocks(blocks))
        replicates = given.replicates
        self._replicates = replicates or 1
        self._vectors = sum(layer["kind"] == VECTOR for layer in self.layers)
        self._cadence = Cadence(given.every)
        matrices = self.layers[: len(self.layers) - self._vectors] or self.layers
        self._trajectories = Trajectories(matrices, self._replicates, given.weights, given.seed)
        axis = LayerAxis(self._replicates, len(self.layers), replicates is not None)
        self._replicated = replicates is not None
        self._layout = self._layout_of_rows()
        self._buffer = self._buffer_of(axis)
        inputs = Inputs(self.layers, () if replicates is None else (replicates,))
        measurer = Measurer(layers, axis, histograms)
        self._reader = StepReader(inputs, measurer, self._trajectories, self._cadence)
        self._home = RunFolder(None if out is None else checks.path(out), overwrite)
        self._home.begin(self._description())
        self._run: Run | None = None
        # The weights that are followed, as the last update left them.
        self._last: Array | None = None
        self._flushed = time.monotonic()
        WATCHERS.tell(self)

    def _layout_of_rows(self) -> Layout:
        numbers = tuple(range(1, len(self.layers) + 1))
        names = tuple(block["block"] for block in self.blocks)
        return Layout(self._replicates, numbers, names)

    def _buffer_of(self, axis: LayerAxis) -> Buffer:
        fan_out = np.array([layer["fan_out"] for layer in self.layers], np.float64)
        positions = self._trajectories.positions
        return Buffer(Derivations(axis, fan_out), axis.shape, self._layout.blocks, positions)

    @property
    def folder(self) -> Path:
        """The folder that is written to."""
        return self._home.path

    @property
    def acknowledged(self) -> int:
        """How many iterations are safely on disk: what survives if the process is killed now."""
        return self._buffer.start

    @property
    def iterations(self) -> int:
        """How many iterations were recorded."""
        return self._buffer.iterations

    def record(
        self,
        *,
        loss: Array | float,
        learning_rate: float,
        weights: Sequence[Array],
        weights_after: Sequence[Array],
        gradients: Sequence[Array],
        validation: tuple[Any, Any] | None = None,
        last: bool = False,
        block_signals: Mapping[str, Array] | None = None,
        output_stage: Sequence[tuple[str, Array | float]] = (),
        **tensors: Any,
    ) -> bool:
        """Record one iteration, after its update. Arrays are measured at once and never kept.

        Every sequence has one array a layer, first layer first; with replicates each array has a
        leading axis S. What is not given leaves its columns empty, and the rules that need them say
        so.

        Parameters
        ----------
        loss : float or ndarray (S,)
            The batch's mean loss before the update.
        learning_rate : float
        weights, weights_after, gradients : sequences of ndarray (fan_in, fan_out)
            W_l before and after the update, and dLoss/dW_l.
        validation : tuple, optional
            `(loss, accuracy)` on held-out data before the update, each a number, (S,), or None.
        last : bool
            Whether the caller knows this iteration to be the last one: it is then recorded in full.
        batch : ndarray (B, n_0), optional
            h_0, what the first layer reads.
        preactivations, activations, deltas : sequences of ndarray (B, n_l), optional
            z_l, h_l and dLoss/dz_l of the batch's MEAN loss.
        slopes : sequence of ndarray (B, n_l), optional
            phi'(z_l) of every layer but the last.
        backs : sequence of ndarray (B, n_l), optional
            u_l = delta_{l+1} W_{l+1}^T of every layer but the last; computed from `deltas` where it
            is not given.
        products : sequence of ndarray (B, n_l), optional
            u_l * phi' of every layer but the last, where a skip connection, a normalization or
            dropout stands between it and delta_l: the terms of the log gain then end here, and the
            rest of the way is `log_gain_block`.
        biases, biases_after, bias_gradients : sequences of ndarray (1, fan_out), optional
        others, others_after, other_gradients : sequences of ndarray (rows, columns), optional
            Whatever else is trained, such as the scales of a norm: counted in the net's norms
            alone.
        second_moments : sequence of ndarray (fan_in, fan_out), optional
            v_l of an adaptive optimizer after this update; `second_moment_scale` (a number, 1)
            makes it v_hat.
        clipped_grad_norm : float or ndarray (S,), optional
            Norm of the whole gradient after clipping; `gradients` are those before.
        score, evaluation_loss, output_gain, ... : float or ndarray (S,), optional
            Every other column of `Run.steps`, by its name.
        block_signals, output_stage
            As for `add`.

        Returns
        -------
        bool
            True where some replicate has its first non-finite number now and the iteration before
            lacks its costly statistics: a caller that can compute that one again should pass it to
            `revisit`.

        Raises
        ------
        ArgumentError
            The recorder is closed, a name is unknown, or arrays do not have the shapes named above:
            nothing of the iteration is recorded then.
        RunError
            The folder cannot be written to: the iteration is kept in memory, and written once that
            is possible.
        """
        self._check_open()
        FLAG.check("last", last)
        if self._vectors:
            raise ArgumentError(
                f"layers holds {self._vectors} vectors, which record does not measure; leave them "
                "out and give biases= or others=, or call add"
            )
        columns = {name: tensors.pop(name) for name in STEP_STATISTICS if name in tensors}
        columns |= {"loss": loss, "learning_rate": learning_rate, **checks.validation(validation)}
        step = checks.steps(columns, self._replicates)
        for argument, value in (("loss", loss), ("weights_after", weights_after)):
            if value is None:
                raise ArgumentError(f"{argument} is None; record needs it")
        given = {"weights": weights, "weights_after": weights_after, "gradients": gradients}
        arrays = self._reader.checked(tensors | given)
        streams = checks.block_signals(block_signals, self._replicates, len(self.blocks))
        stage = checks.output_stage(output_stage, self._replicates)
        number = self.iterations
        costly = self.takes_costly(last=last)
        row = self._reader.row(arrays, Extras(step, streams, stage), number, costly)
        self._buffer.append(row)
        self._note_break(row.phases)
        self._note_origin(arrays, row.phases, number)
        wanted = self._reader.breaks(row.phases, number)
        if not wanted:  # else `revisit` completes the row before this one
            self._flush_if_due()
        return wanted

    def _note_origin(
        self, arrays: StepTensors, phases: Sequence[str | None], iteration: int
    ) -> None:
        """Note where the first number that is not finite came from."""
        broken = next((k for k, phase in enumerate(phases) if phase is not None), None)
        if broken is None or "nonfinite_origin" in self.provenance:
            return
        found = first_nan.origin(
            arrays,
            self.layers,
            iteration=iteration,
            replicate=broken,
            replicated=self._replicated,
            loss_name=str(self.config.get("loss", "loss")),
        )
        if found is not None:
            self.note(nonfinite_origin=found)

    def takes_costly(self, *, last: bool = False) -> bool:
        """Whether the next iteration is recorded with its costly statistics.

        Parameters
        ----------
        last : bool
            Whether it is known to be the last one.
        """
        return last or self._cadence.is_costly(self.iterations)

    def add(
        self,
        columns: Mapping[str, Array],
        *,
        loss: Array | float | None = None,
        learning_rate: float | None = None,
        phase: Sequence[str | None] | str | None = None,
        followed: Array | None = None,
        block_signals: Mapping[str, Array] | None = None,
        output_stage: Sequence[tuple[str, Array | float]] = (),
        histogram: Array | None = None,
        **steps: Array | float | None,
    ) -> None:
        """Record one iteration that was measured elsewhere: on a device, in another framework.

        Parameters
        ----------
        columns : mapping of str to ndarray (L,) or (S, L)
            Statistics by name, as in `Run`; of a masked array (`numpy.ma`) what is masked counts as
            not recorded.
        loss : float or ndarray (S,), optional
        learning_rate : float, optional
        phase : str, optional
            "forward", "loss", "backward" or "update", where a non-finite number appeared first; one
            for each replicate where there are several.
        followed : ndarray (W,) or (S, W), optional
            The values before this update of the weights at `positions`.
        block_signals : mapping of str to ndarray (B,) or (S, B), optional
            Statistics of the `blocks`, as in `Run.block_signals`; what is masked counts as not
            recorded.
        output_stage : sequence of (str, float or ndarray (S,)), optional
            Each operation between the last trainable map and the loss, in this order, and the
            factor by which the gradient is longer in front of it than behind it.
        histogram : ndarray of int (L, bins) or (S, L, bins), optional
            Entries of the gradients by powers of two, as `gradlab.measures.power_histogram` counts
            them.
        **steps
            Every other column of `Run.steps`, by its name.

        Raises
        ------
        ArgumentError
            The recorder is closed, a name is unknown, or an array does not have the shape named
            above: nothing of the iteration is recorded then.
        RunError
            The folder cannot be written to: the iteration is kept in memory, and written once that
            is possible.
        """
        self._check_open()
        shape = self._replicates, len(self.layers)
        checks.names("add", columns, steps)
        given = {"loss": loss, "learning_rate": learning_rate, **steps}
        row = LayerRow(checks.columns(columns, shape), histogram=checks.histogram(histogram, shape))
        entry = Row(
            row,
            checks.steps(given, self._replicates),
            checks.phases(phase, self._replicates),
            checks.block_signals(block_signals, self._replicates, len(self.blocks)),
            checks.output_stage(output_stage, self._replicates),
            checks.followed(followed, (self._replicates, len(self._trajectories))),
        )
        self._buffer.append(entry)
        self._note_break(entry.phases)
        self._flush_if_due()

    def add_block(
        self,
        columns: Mapping[str, Array],
        steps: Mapping[str, Array],
        *,
        phases: Sequence[str | None],
        followed: tuple[Array, Array] | None = None,
        block_signals: Mapping[str, Array] | None = None,
        output_stage: Mapping[int, Sequence[tuple[str, Array | float]]] | None = None,
        histograms: tuple[Array, Array] | None = None,
    ) -> None:
        """Record T iterations of one net that were measured elsewhere; they go to disk together.

        Parameters
        ----------
        columns : mapping of str to ndarray (T, L)
            As for `add`.
        steps : mapping of str to ndarray (T,)
            `loss`, `learning_rate`, and the others that `add` takes; masked where not recorded.
        phases : sequence of (str or None), (T,)
            As `phase` of `add`.
        followed : (ndarray (n,), ndarray (n, W)), optional
            Which of the T iterations the weights at `positions` were read in, counted from 0, and
            their values.
        block_signals : mapping of str to ndarray (T, B), optional
            As for `add`; an iteration in which all is masked gets no rows.
        output_stage : mapping of int to sequence of (str, float), optional
            As for `add`, by iteration, counted from 0.
        histograms : (ndarray (n,), ndarray of int (n, L, bins)), optional
            As `histogram` of `add`, with the iterations they belong to, counted from 0.

        Raises
        ------
        ArgumentError
            The recorder is closed or records several replicates, a name is unknown, or an array has
            another shape.
        RunError
            The folder cannot be written to: the iterations are kept in memory, and written once
            that is possible.
        """
        self._check_open()
        if self._replicates != 1:
            raise ArgumentError(
                f"add_block records one net, and this recorder {self._replicates}; use add"
            )
        checks.names("add_block", columns, steps)
        LISTED.check("phases", phases)
        if not len(phases):
            return
        sizes = batch_checks.Sizes(
            len(phases), len(self.layers), len(self.blocks), len(self._trajectories)
        )
        stages = batch_checks.stages(output_stage)
        batch = Batch(
            phases,
            columns,
            steps,
            followed,
            {} if block_signals is None else block_signals,
            stages,
            histograms,
        )
        self._buffer.append(batch_checks.checked(batch, sizes))
        self._note_break(phases)
        self._write(keep=0)
        self._tell_listener()

    @property
    def positions(self) -> Array:
        """The weights it follows: (layer from 1, row, column) each, (W, 3)."""
        return self._trajectories.positions

    def note(self, **facts: Any) -> None:
        """Add facts to the provenance, those of a live run too."""
        self._home.check_process(self.name)
        self.provenance |= {name: as_json(name, value) for name, value in facts.items()}
        if self._run is None:
            self._home.describe(self._description())

    def revisit(self, *, block_signals: Mapping[str, Array] | None = None, **tensors: Any) -> None:
        """Add the costly statistics of the iteration BEFORE the newest; arrays as for `record`.

        So the last finite iteration of a run that breaks is recorded in full, at no cost to all the
        others.
        """
        arrays = self._reader.checked(tensors)
        streams = checks.block_signals(block_signals, self._replicates, len(self.blocks))
        if len(self._buffer) < 2:
            raise ArgumentError(
                "revisit comes right after a `record` that returned True; there is no row to "
                "complete"
            )
        self._buffer.amend(self._reader.completion(arrays), back=2, block_signals=streams)

    def listen(self, listener: Callable[..., None]) -> None:
        """Call `listener(recorder)` each time rows were written.

        And `listener(recorder, ended=True)` once, when the recording has ended. What it raises
        reaches whoever records; the rows are safe by then.
        """
        self._listener = listener

    def _tell_listener(self) -> None:
        if self._listener is not None:
            self._listener(self)

    def _note_break(self, phases: Sequence[str | None]) -> None:
        """Note in `broke` that a number was not finite."""
        if not self.broke:
            self.broke = any(phase is not None for phase in phases)

    def flush(self) -> None:
        """Write all complete rows to disk: all but the newest, which `revisit` may still amend."""
        self._write(keep=1)

    def close(self, status: str = "complete", *, followed: Array | None = None) -> Run:
        """End the recording and return the Run; calling it again returns the same Run.

        Parameters
        ----------
        status : str
            How it ended, for the provenance.
        followed : ndarray (W,) or (S, W), optional
            The weights at `positions` as the last update left them, where `add` was given their
            values.

        Raises
        ------
        RunError
            There is no room to close the record: nothing is lost, and `close` may be called again.
        """
        if self._run is None:
            self._end(status, followed)
        run = self.run  # from here on nothing can be recorded: an interrupt finds the run closed
        self._home.leave()
        listener, self._listener = self._listener, None
        if listener is not None:
            listener(self, ended=True)
        return run

    def _end(self, status: str, followed: Array | None) -> None:
        """Write what is left, and become the recorder of a closed run."""
        self._home.check_process(self.name)
        self.provenance["status"] = as_json("status", str(status))
        if followed is not None:
            self._last = checks.followed(followed, (self._replicates, len(self._trajectories)))
        elif self._buffer.newest is not None:
            self._last = self._buffer.newest.followed_after
        self._reader.forget()
        self._write(keep=0, last=self._last)
        self._last = None
        self._home.close(self._description())
        source = FolderSource(self.folder, True, self._layout, temporary=self._home.temporary)
        self._run = self._run_of(source, self.provenance)

    @property
    def run(self) -> Run:
        """The Run so far: all of it once closed, else what is on disk."""
        if self._run is not None:
            return self._run
        self.flush()
        return load(self.folder)

    def snapshot(self) -> Run:
        """Return all that was recorded so far as a Run in memory; the recording goes on."""
        if self._run is not None:
            return self._run
        self.flush()
        waiting = self._buffer.tables(len(self._buffer))
        tables = self._home.tables(self._layout, self._buffer.start)
        for name, table in waiting.items():
            tables[name] = pa.concat_tables([tables[name], table]) if name in tables else table
        return self._run_of(MemorySource(tables), {**self.provenance, "status": "unfinished"})

    def written(self) -> Run:
        """Return what is on disk as a Run in memory; the whole Run once it is closed."""
        if self._run is not None:
            return self._run
        source = MemorySource(self._home.tables(self._layout, self._buffer.start))
        return self._run_of(source, {**self.provenance, "status": "unfinished"})

    def _run_of(self, source: Source, provenance: Mapping[str, Any]) -> Run:
        return Run(
            self.name,
            self.config,
            provenance,
            self.layers,
            self._replicates,
            source,
            blocks=self.blocks,
        )

    def __enter__(self) -> Recorder:
        """Return itself; `close` is called at the end of the block, whatever happens."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        # The record is its parent's where this process was forked inside the block.
        if os.getpid() == self._home.process:
            self.close("complete" if kind is None else f"interrupted by {kind.__name__}")

    def _flush_if_due(self) -> None:
        late = time.monotonic() - self._flushed > FLUSH_SECONDS
        if late or len(self._buffer) >= FLUSH_ITERATIONS:
            self.flush()
            self._tell_listener()

    def _write(self, keep: int, last: Array | None = None) -> None:
        """Write what waits but for the newest `keep` rows.

        Rows leave memory only once all tables have them.
        """
        self._home.check_process(self.name)
        count = self._buffer.ready(keep)
        self._home.write(self._buffer.tables(count, last))
        self._buffer.drop(count)
        self._flushed = time.monotonic()

    def _check_open(self) -> None:
        if self._run is not None:
            raise ArgumentError(
                f"recorder {self.name!r} is closed; make a new Recorder for a new training"
            )
        self._home.check_process(self.name)

    def _description(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "replicates": self._replicates,
            "config": self.config,
            "provenance": self.provenance,
            "layers": self.layers,
            "blocks": self.blocks,
        }
