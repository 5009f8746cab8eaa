"""`Recorder`: measures what happens in a training and keeps it; the only maker of live Runs.

The built-in engine feeds it; so can any loop that has the arrays at hand.
"""

from __future__ import annotations

import contextlib
import datetime
import platform
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # noqa: F401  # pyarrow would import it at its first array, in the middle of a training
import pyarrow as pa

from gradlab._version import __version__
from gradlab.errors import ArgumentError
from gradlab.layerstack import LayerStack
from gradlab.recorder.buffers import Block, BlockSignals, OutputStage, Trajectories
from gradlab.recorder.measurer import PHASES, Measurer
from gradlab.recorder.square_sums import SUMS
from gradlab.run import (
    BLOCK_STATISTICS,
    LAYER_COLUMNS,
    STATISTICS,
    FolderSource,
    MemorySource,
    Run,
    as_json,
    load,
    storage,
)
from gradlab.run.record import Source, describe_blocks, describe_layers
from gradlab.run.tables import STEP_STATISTICS, VECTOR

Array = np.ndarray

BLOCK_ITERATIONS, BLOCK_SECONDS = 64, 1.0  # rows go to disk when either is reached
COSTLY_FIRST, COSTLY_EVERY = 10, 10


class Recorder:
    """Records one training, iteration by iteration.

    Norms, per-example gradient norms and log gains are taken at every iteration; the costly statistics at iterations
    0-9, then at every 10th. Rows go to disk in blocks: memory does not grow with the number of iterations.

    Parameters
    ----------
    layers : list of dict
        One a layer, first layer first: `fan_in`, `fan_out`, and where known `name`, `kind`, `activation`,
        `parameters`, `path`, `block`, `role`, `owner`, `slope_bound` (the largest slope of the activation; without it
        no saturation is recorded). Those of kind "vector" come last; `add` takes them, `record` does not.
    replicates : int, optional
        S, where the arrays carry a leading replicate axis; None where they carry none.
    out : path, optional
        Folder to stream to, new or empty. None: a temporary one that is deleted with the Run.
    every : int, optional
        Take the costly statistics at every `every`-th iteration instead; 1 = always.
    weights : int
        How many weights to follow: all of a net of up to so many (at every iteration), else a seeded sample (at the
        cadence of the costly statistics).
    seed : int
        Of that sample.
    overwrite : bool
        Empty `out` first where it holds a run.
    blocks : sequence of dict, optional
        One a repeated block of the model, in the order in which data meet them: `block`, its name such as "blocks.3",
        and where known `path`, `kind` and `layers` (the numbers of its layers, from 1).

    Raises
    ------
    ArgumentError
        An argument outside its range.
    RunError
        `out` cannot be written to, or already holds something.
    """

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
    ):
        if not layers:
            raise ArgumentError("layers is empty; describe each layer, such as {'fan_in': 4, 'fan_out': 3}")
        if every is not None and every < 1:
            raise ArgumentError(f"every={every!r} must be at least 1 (1 records everything always), or None")
        if weights < 0:
            raise ArgumentError(f"weights={weights!r} must be 0 or more")
        if replicates is not None and replicates < 1:
            raise ArgumentError(f"replicates={replicates!r} must be at least 1, or None for arrays without that axis")
        if seed < 0:
            raise ArgumentError(f"seed={seed!r} must be 0 or more")
        self.name, self.config = str(name), as_json("config", dict(config or {}))
        self.provenance = as_json("provenance", {**_environment(), **(provenance or {})})
        described = [_describe(number, layer) for number, layer in enumerate(layers)]
        self.layers = as_json("layers", describe_layers(described))
        self.blocks = as_json("blocks", describe_blocks(blocks))
        matrices = [layer for layer in self.layers if layer["kind"] != VECTOR]
        self._vectors = len(self.layers) - len(matrices)
        bounds = [layer.get("slope_bound") for layer in layers]
        self._replicates, self._lead = replicates or 1, () if replicates is None else (replicates,)
        self._measurer = Measurer(self.layers, bounds, self._replicates, stacked=replicates is not None)
        self._block = Block(
            self._replicates,
            len(self.layers),
            self._measurer.unfold,
            self._measurer.unfold_steps,
            self._measurer.derived,
        )
        self._trajectories = Trajectories(matrices or self.layers, self._replicates, weights, seed)
        names = [block["block"] for block in self.blocks]
        self._block_signals = BlockSignals(self._replicates, names)
        self._output_stage = OutputStage(self._replicates)
        self._every, self._temporary = every, out is None
        if out is None:
            self.folder = Path(tempfile.mkdtemp(prefix="gradlab-"))
        else:
            self.folder = Path(out)
            storage.prepare_folder(self.folder, overwrite)  # after every check: it may delete what lies there
        self._writer = storage.Writer(self.folder)
        self._acknowledged = 0
        # A recorder that is never closed must not leave its temporary folder behind; a Run takes it over.
        self._abandon = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        if out is not None:
            self._abandon.detach()
        self._run: Run | None = None
        self._checked: dict[tuple[Any, ...], Mapping[str, Any]] = {}
        self.iterations = 0
        self._broken = np.zeros(self._replicates, bool)
        self._flushed = time.monotonic()
        storage.write_description(self.folder, self._description(closed=False))
        for told in tuple(_WATCHERS):
            told(self)

    @property
    def acknowledged(self) -> int:
        """How many iterations are safely on disk: what survives if the process is killed now."""
        return self._acknowledged

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

        Every sequence has one array a layer, first layer first; with replicates each array has a leading axis S.
        What is not given leaves its columns empty, and the rules that need them say so.

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
            u_l = delta_{l+1} W_{l+1}^T of every layer but the last; computed from `deltas` where it is not given.
        products : sequence of ndarray (B, n_l), optional
            u_l * phi' of every layer but the last, where a skip connection, a normalization or dropout stands between
            it and delta_l: the terms of the log gain then end here, and the rest of the way is `log_gain_block`.
        biases, biases_after, bias_gradients : sequences of ndarray (1, fan_out), optional
        others, others_after, other_gradients : sequences of ndarray (rows, columns), optional
            Whatever else is trained, such as the scales of a norm: counted in the net's norms alone.
        second_moments : sequence of ndarray (fan_in, fan_out), optional
            v_l of an adaptive optimizer after this update; `second_moment_scale` (a number, 1) makes it v_hat.
        clipped_grad_norm : float or ndarray (S,), optional
            Norm of the whole gradient after clipping; `gradients` are those before.
        score, evaluation_loss, output_gain, ... : float or ndarray (S,), optional
            Every other column of `Run.steps`, by its name.
        block_signals, output_stage
            As for `add`.

        Returns
        -------
        bool
            True where some replicate has its first non-finite number now and the iteration before lacks its costly
            statistics: a caller that can compute that one again should pass it to `revisit`.

        Raises
        ------
        ArgumentError
            The recorder is closed, a name is unknown, or arrays do not have the shapes named above.
        """
        if self._run is not None:
            raise ArgumentError(f"recorder {self.name!r} is closed; make a new Recorder for a new training")
        if self._vectors:
            raise ArgumentError(
                f"layers holds {self._vectors} vectors, which record does not measure; leave them out and give "
                "biases= or others=, or call add"
            )
        tensors = {name: value for name, value in tensors.items() if value is not None}
        given = {name: self._per_replicate(name, tensors.pop(name)) for name in STEP_STATISTICS if name in tensors}
        extras = self._block_rows(block_signals or {}), self._operations(output_stage)
        tensors |= {"weights": weights, "weights_after": weights_after, "gradients": gradients}
        self._check(tensors)
        loss = self._per_replicate("loss", loss)
        if "deltas" in tensors and "backs" not in tensors:
            pairs = zip(tensors["deltas"][1:], weights[1:], strict=True)
            tensors["backs"] = [delta @ weight.swapaxes(-1, -2) for delta, weight in pairs]
        if len(self._block) >= BLOCK_ITERATIONS or time.monotonic() - self._flushed > BLOCK_SECONDS:
            self.flush()
        iteration, costly = self.iterations, last or self._costly(self.iterations)
        with np.errstate(all="ignore"):
            row = self._measurer.norms(tensors, keep=self._costly(iteration + 1))
            if costly:
                row |= self._measurer.costly(tensors)
            step = self._step(tensors, row, loss, learning_rate, validation) | given
            self._block.add(row, step)
        self._add_extras(*extras)
        self._trajectories.take(iteration, weights, weights_after, costly)
        self.iterations += 1
        broken = np.array([phase is not None for phase in step["nonfinite_phase"]])
        if not broken.any():
            return False
        newly, self._broken = broken & ~self._broken, broken | self._broken
        return bool(newly.any()) and iteration > 0 and not self._costly(iteration - 1)

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
        **steps: Array | float | None,
    ) -> None:
        """Record one iteration whose statistics were measured elsewhere: on a device, in another framework.

        Parameters
        ----------
        columns : mapping of str to ndarray (L,) or (S, L)
            Statistics by name, as in `Run`; of a masked array (`numpy.ma`) what is masked counts as not recorded.
        loss : float or ndarray (S,), optional
        learning_rate : float, optional
        phase : str, optional
            "forward", "loss", "backward" or "update", where a non-finite number appeared first; one for each replicate
            where there are several.
        followed : ndarray (W,) or (S, W), optional
            The values before this update of the weights at `positions`.
        block_signals : mapping of str to ndarray (B,) or (S, B), optional
            Statistics of the `blocks`, as in `Run.block_signals`; what is masked counts as not recorded.
        output_stage : sequence of (str, float or ndarray (S,)), optional
            Each operation between the last trainable map and the loss, in this order, and the factor by which the
            gradient is longer in front of it than behind it.
        **steps
            Every other column of `Run.steps`, by its name.

        Raises
        ------
        ArgumentError
            The recorder is closed, a name is unknown, or an array does not have the shape named above.
        """
        if self._run is not None:
            raise ArgumentError(f"recorder {self.name!r} is closed; make a new Recorder for a new training")
        unknown = sorted((columns.keys() - set(STATISTICS)) | (steps.keys() - set(STEP_STATISTICS)))
        if unknown:
            raise ArgumentError(f"add got unknown columns {', '.join(unknown)}; see help(gradlab.Recorder.add)")
        if len(self._block) >= BLOCK_ITERATIONS or time.monotonic() - self._flushed > BLOCK_SECONDS:
            self.flush()
        given = {"loss": loss, "learning_rate": learning_rate, **steps}
        step: dict[str, Any] = {k: self._per_replicate(k, v) for k, v in given.items() if v is not None}
        step["nonfinite_phase"] = [phase] * self._replicates if phase is None or isinstance(phase, str) else [*phase]
        if len(step["nonfinite_phase"]) != self._replicates or not set(step["nonfinite_phase"]) <= {None, *PHASES}:
            raise ArgumentError(f"phase={phase!r} must be one of {', '.join(PHASES)}, or None, for each replicate")
        row = {name: self._per_layer(name, values) for name, values in columns.items()}
        extras = self._block_rows(block_signals or {}), self._operations(output_stage)
        self._block.add(row, step)
        self._add_extras(*extras)
        if followed is not None:
            self._trajectories.add(self.iterations, followed)
        self.iterations += 1

    def add_block(
        self,
        columns: Mapping[str, Array],
        steps: Mapping[str, Array],
        *,
        phases: Sequence[str | None],
        followed: tuple[Array, Array] | None = None,
        block_signals: Mapping[str, Array] | None = None,
        output_stage: Mapping[int, Sequence[tuple[str, Array | float]]] | None = None,
    ) -> None:
        """Record T iterations of one net that were measured elsewhere, at once; they go to disk together.

        Parameters
        ----------
        columns : mapping of str to ndarray (T, L)
            As for `add`.
        steps : mapping of str to ndarray (T,)
            `loss`, `learning_rate`, and the others that `add` takes; masked where not recorded.
        phases : sequence of (str or None), (T,)
            As `phase` of `add`.
        followed : (ndarray (n,), ndarray (n, W)), optional
            Which of the T iterations the weights at `positions` were read in, counted from 0, and their values.
        block_signals : mapping of str to ndarray (T, B), optional
            As for `add`; an iteration in which all is masked gets no rows.
        output_stage : mapping of int to sequence of (str, float), optional
            As for `add`, by iteration, counted from 0.

        Raises
        ------
        ArgumentError
            The recorder is closed or records several replicates, a name is unknown, or an array has another shape.
        """
        if self._run is not None:
            raise ArgumentError(f"recorder {self.name!r} is closed; make a new Recorder for a new training")
        if self._replicates != 1:
            raise ArgumentError(f"add_block records one net, and this recorder {self._replicates}; use add")
        unknown = sorted((columns.keys() - set(STATISTICS)) | (steps.keys() - set(STEP_STATISTICS)))
        if unknown:
            raise ArgumentError(f"add_block got unknown columns {', '.join(unknown)}")
        count, layers = len(phases), len(self.layers)
        if not count:
            return
        streams = block_signals or {}
        for names, shape in (
            (columns, (count, layers)),
            (steps, (count,)),
            (streams, (count, len(self.blocks))),
        ):
            wrong = next((name for name, values in names.items() if np.shape(values) != shape), None)
            if wrong is not None:
                raise ArgumentError(f"{wrong} has shape {np.shape(names[wrong])}; with these phases it needs {shape}")
        rows = [
            (n, self._block_rows({name: np.ma.asarray(values)[n] for name, values in streams.items()}))
            for n in range(count)
            if not all(np.ma.getmaskarray(values)[n].all() for values in streams.values())
        ]
        stages = {int(n): self._operations(stage) for n, stage in (output_stage or {}).items()}
        self._write(keep=0)
        for number, values in rows:
            self._block_signals.add(self.iterations + number, values)
        for number, stage in sorted(stages.items()):
            self._output_stage.add(self.iterations + number, stage)
        for number, values in zip(*(followed or ((), ())), strict=True):
            self._trajectories.add(self.iterations + int(number), values)
        self._append(self._block.tables(columns, steps, phases) | self._waiting())
        self._acknowledged, self._flushed = self._block.start, time.monotonic()
        self.iterations += count

    @property
    def positions(self) -> Array:
        """The weights it follows: (layer from 1, row, column) each, (W, 3)."""
        return self._trajectories.positions

    def note(self, **facts: Any) -> None:
        """Add facts to the provenance, those of a live run too."""
        self.provenance |= as_json("provenance", facts)
        if self._run is None:
            storage.write_description(self.folder, self._description(closed=False))

    def revisit(self, **tensors: Any) -> None:
        """Add the costly statistics of the iteration BEFORE the newest; arrays as for `record`.

        So the last finite iteration of a run that breaks is recorded in full, at no cost to all the others.
        """
        tensors = {name: value for name, value in tensors.items() if value is not None}
        self._check(tensors)
        if len(self._block) < 2:
            raise ArgumentError("revisit comes right after a `record` that returned True; there is no row to complete")
        with np.errstate(all="ignore"):
            self._block.amend(self._measurer.costly(tensors, revisited=True), back=2)

    def flush(self) -> None:
        """Write all complete rows to disk: all but the newest, which `revisit` may still amend."""
        self._write(keep=1)

    def close(self, status: str = "complete", *, followed: Array | None = None) -> Run:
        """End the recording and return the Run; calling it again returns the same Run.

        `followed`: the weights at `positions` as the last update left them, where `add` was given their values.
        """
        if self._run is None:
            self.provenance["status"] = status
            if followed is not None:
                self._trajectories.add(self.iterations, followed)
            self._checked.clear()
            self._trajectories.finish(self.iterations)
            self._write(keep=0)
            self._writer.close()
            storage.write_description(self.folder, self._description(closed=True))
            self._writer.remove_streams()
            self._abandon.detach()
            source = FolderSource(self.folder, closed=True, temporary=self._temporary)
            self._run = self._run_of(source, self.provenance)
        return self._run

    @property
    def run(self) -> Run:
        """The Run so far: all of it once closed, else what is on disk."""
        if self._run is not None:
            return self._run
        self.flush()
        return load(self.folder)

    def snapshot(self) -> Run:
        """Return all that was recorded so far, the newest iteration too, as a Run in memory; the recording goes on."""
        if self._run is not None:
            return self._run
        self.flush()
        waiting, tables = self._block.peek(), {}  # flushing has emptied all but the newest rows
        for name in storage.TABLES:
            parts = [storage.read_table(self.folder, name, closed=False), waiting.get(name)]
            if known := [part for part in parts if part is not None]:
                tables[name] = pa.concat_tables(known)
        provenance = {**self.provenance, "status": "unfinished"}
        return self._run_of(MemorySource(tables), provenance)

    def _run_of(self, source: Source, provenance: Mapping[str, Any]) -> Run:
        return Run(self.name, self.config, provenance, self.layers, self._replicates, source, blocks=self.blocks)

    def __enter__(self) -> Recorder:
        """Return itself; `close` is called at the end of the block, whatever happens."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        self.close("complete" if kind is None else f"interrupted by {kind.__name__}")

    def _write(self, keep: int) -> None:
        # Signals before steps: a reader counts the iterations by the steps and drops signals that have none yet.
        self._append(self._block.take(keep) | self._waiting())

    def _waiting(self) -> dict[str, pa.Table]:
        return self._trajectories.table() | self._block_signals.table() | self._output_stage.table()

    def _append(self, tables: Mapping[str, pa.Table]) -> None:
        for name, table in tables.items():
            self._writer.append(name, _single_batch(table))
        self._acknowledged = self._block.start
        self._flushed = time.monotonic()

    def _add_extras(self, streams: Mapping[str, Array], operations: list[tuple[str, Array]]) -> None:
        if streams:
            self._block_signals.add(self.iterations, streams)
        if operations:
            self._output_stage.add(self.iterations, operations)

    def _block_rows(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return statistics of blocks as (S, B) each."""
        shape = self._replicates, len(self.blocks)
        result: dict[str, Array] = {}
        for name, given in values.items():
            if name not in BLOCK_STATISTICS:
                raise ArgumentError(f"block_signals got {name!r}; it takes {', '.join(BLOCK_STATISTICS)}")
            if np.shape(given) not in (shape, shape[1:]):
                raise ArgumentError(
                    f"block_signals[{name!r}] has shape {np.shape(given)}; give one number for each "
                    f"of the recorder's blocks, ({shape[1]},) or {shape}"
                )
            data = np.broadcast_to(np.asarray(np.ma.getdata(given), np.float64), shape)
            mask = np.broadcast_to(np.ma.getmaskarray(given), shape)
            result[name] = np.ma.MaskedArray(data, mask)
        return result

    def _operations(self, stage: Sequence[tuple[str, Array | float]]) -> list[tuple[str, Array]]:
        return [
            (str(operation), self._per_replicate(f"output_stage[{position}]", factor))
            for position, (operation, factor) in enumerate(stage)
        ]

    def _costly(self, iteration: int) -> bool:
        if self._every is not None:
            return iteration % self._every == 0
        return iteration < COSTLY_FIRST or iteration % COSTLY_EVERY == 0

    def _step(self, tensors, row, loss, learning_rate, validation) -> dict[str, Any]:
        """Make the row of `steps`: what concerns the net as a whole, one value a replicate."""
        result: dict[str, Any] = {
            "loss": loss,
            "learning_rate": learning_rate,
            "nonfinite_phase": self._measurer.phases(loss),
        }
        if SUMS not in row:  # else they are made when the block is written
            result["grad_norm"] = self._measurer.gradient_norm(tensors, row)
            result["expected_decrease"] = self._measurer.expected_decrease(tensors)
        for name, value in zip(("validation_loss", "validation_accuracy"), validation or (), strict=False):
            if value is not None:
                result[name] = self._per_replicate(name, value)
        return result

    def _per_replicate(self, name: str, value: Any) -> Array:
        array = np.array(value, np.float64)
        if array.shape not in ((), (self._replicates,)):
            raise ArgumentError(f"{name} has shape {array.shape}; give one number, or one for each replicate")
        return np.full(self._replicates, array) if array.ndim == 0 else array

    def _per_layer(self, name: str, values: Array) -> tuple[Array, Array]:
        """Return a column as (values, recorded), (S, L) each."""
        shape = self._replicates, len(self.layers)
        data = np.asarray(np.ma.getdata(values), np.float64)
        if data.shape not in (shape, shape[1:]):
            raise ArgumentError(f"{name} has shape {data.shape}; give one number a layer, ({shape[1]},) or {shape}")
        recorded = ~np.ma.getmaskarray(values)
        return np.broadcast_to(data, shape), np.broadcast_to(recorded, shape)

    def _check(self, tensors: Mapping[str, Any]) -> None:
        """Raise ArgumentError for what is missing, unknown, or does not fit its layer.

        The engine hands over the same stacks again and again, whose shapes cannot change: they are checked once.
        """
        same = {name: arrays for name, arrays in tensors.items() if name != "second_moment_scale"}
        key = (*same, *map(id, same.values()))
        if key in self._checked:
            return
        self._check_names(tensors)
        self._check_shapes(tensors)
        if all(isinstance(arrays, LayerStack) for name, arrays in same.items() if name != "batch"):
            if len(self._checked) > 8:  # somebody makes them anew each time
                self._checked.clear()
            self._checked[key] = same  # kept, so that no other object gets an id of theirs

    def _check_names(self, tensors: Mapping[str, Any]) -> None:
        missing = sorted({"weights", "gradients"} - tensors.keys())
        if missing:
            raise ArgumentError(f"revisit needs {missing[0]}, as `record` does")
        unknown = sorted(set(tensors) - _PER_LAYER - _HIDDEN_ONLY - _OF_THE_NET)
        if unknown:
            raise ArgumentError(f"record got unknown arrays {', '.join(unknown)}; see help(gradlab.Recorder.record)")
        for name in sorted(tensors.keys() - _OF_THE_NET):
            expected = len(self.layers) - (name in _HIDDEN_ONLY)
            if len(tensors[name]) != expected:
                raise ArgumentError(
                    f"{name} holds {len(tensors[name])} arrays, but the recorder has {len(self.layers)} layers "
                    f"and needs {expected} of them, first layer first"
                )

    def _check_shapes(self, tensors: Mapping[str, Any]) -> None:
        """Raise ArgumentError for an array that is none or does not fit its layer: a transposed one, say."""
        batch_size = None
        for name, arrays in tensors.items():
            if name in _OTHERS:
                continue
            for layer, array in enumerate([arrays] if name == "batch" else arrays):
                described = self.layers[layer]
                if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
                    kind = getattr(array, "dtype", type(array).__name__)
                    raise ArgumentError(f"{name}[{layer}] is {kind}; give a NumPy array of floating-point numbers")
                columns = described["fan_in"] if name == "batch" else described["fan_out"]
                if name in _OF_WEIGHTS:
                    rows: Any = described["fan_in"]
                elif name in _OF_BIASES:
                    rows = 1
                else:
                    rows = batch_size = batch_size or (array.shape[-2] if array.ndim > 1 else "B")
                if array.shape != (*self._lead, rows, columns):
                    expected = ", ".join(map(str, (*self._lead, rows, columns)))
                    raise ArgumentError(
                        f"{name}[{layer}] has shape {array.shape}, but layer {layer + 1} needs ({expected})"
                    )

    def _description(self, closed: bool) -> dict[str, Any]:
        status = {} if closed else {"status": "unfinished"}
        return {
            "name": self.name,
            "closed": closed,
            "replicates": self._replicates,
            "config": self.config,
            "provenance": {**self.provenance, **status},
            "layers": self.layers,
            "blocks": self.blocks,
        }


_WATCHERS: list[Callable[[Recorder], None]] = []


@contextlib.contextmanager
def watching(told: Callable[[Recorder], None]) -> Iterator[None]:
    """Tell `told` of every Recorder that is made in this process inside the block: how a test finds what it trained."""
    _WATCHERS.append(told)
    try:
        yield
    finally:
        _WATCHERS.remove(told)


_OF_WEIGHTS = {"weights", "weights_after", "gradients", "second_moments"}
_OF_BIASES = {"biases", "biases_after", "bias_gradients"}
_PER_LAYER = _OF_WEIGHTS | _OF_BIASES | {"preactivations", "activations", "deltas"}
_HIDDEN_ONLY = {"slopes", "backs", "products"}
_OTHERS = {"others", "others_after", "other_gradients", "second_moment_scale"}
_OF_THE_NET = {"batch"} | _OTHERS


def _single_batch(table: pa.Table) -> pa.RecordBatch:
    (batch,) = table.to_batches()
    return batch


def _describe(number: int, layer: Mapping[str, Any]) -> dict[str, Any]:
    for key in ("fan_in", "fan_out"):
        if not isinstance(layer.get(key), (int, np.integer)) or layer[key] < 1:
            raise ArgumentError(f"layers[{number}] needs {key!r}, a whole number of at least 1; got {layer.get(key)!r}")
    fan_in, fan_out = int(layer["fan_in"]), int(layer["fan_out"])
    biases = 0 if layer.get("kind") == VECTOR else fan_out
    default = {"activation": None, "parameters": fan_in * fan_out + biases}
    known = {key: layer[key] for key in LAYER_COLUMNS if key in layer}
    return default | known | {"fan_in": fan_in, "fan_out": fan_out}


def _environment() -> dict[str, Any]:
    return {
        "gradlab": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
