"""What was measured becomes a Run.

The ledger is emptied in blocks, assembled, and handed to a Recorder.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from gradlab.adapters.torch import describe
from gradlab.adapters.torch.assembly import Assembled, Assembler
from gradlab.adapters.torch.distributed import BROKEN, LEFT, LIVE, Ranks
from gradlab.adapters.torch.findings import Findings
from gradlab.adapters.torch.ledger import Column, Ledger
from gradlab.adapters.torch.measure.parameters import Parameters
from gradlab.adapters.torch.modules import class_name
from gradlab.adapters.torch.numbers import LATEST
from gradlab.adapters.torch.observe.loss_observer import LossObserver
from gradlab.adapters.torch.observe.observer import Observer
from gradlab.adapters.torch.observe.stream import Stream
from gradlab.adapters.torch.observe.uses import Uses
from gradlab.adapters.torch.observe.wiring import Wiring
from gradlab.adapters.torch.options import WatchOptions
from gradlab.adapters.torch.phases import own_phases
from gradlab.adapters.torch.rows import VECTOR, Row, left_out, ordered
from gradlab.adapters.torch.structure import Structure
from gradlab.errors import RunError
from gradlab.recorder import Recorder
from gradlab.run import Run

Array = np.ndarray

BLOCK_BYTES, BLOCK_SECONDS = 1 << 21, 1.0  # numbers are handed over when either is reached
BLOCK_ITERATIONS = 16, 256  # at least, at most


class Record:
    """The record of one watched training, in the process that writes it and in those beside it.

    Parameters
    ----------
    observers : sequence of Observer
        They are told when the first iteration has shown the layers' order.
    loss : LossObserver
        One of them; what it saw of the loss beside numbers.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        rows: Sequence[Row],
        structure: Structure,
        parameters: Parameters,
        wiring: Wiring,
        uses: Uses,
        stream: Stream,
        observers: Sequence[Observer],
        loss: LossObserver,
        ledger: Ledger,
        ranks: Ranks,
        options: WatchOptions,
    ):
        self._model, self._optimizers, self._rows = model, optimizers, rows
        self._structure, self._parameters = structure, parameters
        self._wiring, self._uses, self._stream = wiring, uses, stream
        self._observers, self._loss, self._ledger = observers, loss, ledger
        self._ranks, self._options = ranks, options
        self._assembler: Assembler | None = None
        self._recorder: Recorder | None = None
        least, most = BLOCK_ITERATIONS
        self._block = min(max(least, BLOCK_BYTES // max(1, ledger.row_bytes)), most)
        self._done = 0  # iterations handed over
        self._moved = time.monotonic()
        self._facts: dict[str, Any] = {}
        self._broken_somewhere = False
        self.findings = Findings(options.on_finding)

    @property
    def recorder(self) -> Recorder:
        """The Recorder, from the first step on."""
        if self._recorder is None:
            if self._ranks.number:
                raise RunError(
                    f"process {self._ranks.number} holds no record; the one of rank 0 does"
                )
            raise RunError("nothing was recorded yet: no optimizer has stepped inside the watch")
        return self._recorder

    @property
    def writes(self) -> bool:
        """Whether the record is written by this process."""
        return not self._ranks.number

    def begin(self) -> None:
        """Fix the order of the layers, which the first iteration has shown, and open the record."""
        if self._assembler is not None:
            return
        wiring = self._wiring
        met = wiring.settle()
        for observer in self._observers:
            observer.settle()
        rows = ordered(self._uses.applied(self._rows), met)
        wiring.row_readers |= {
            wiring.place_of(row) for row in rows if id(row.parameter) in self._uses.plain
        }
        self._parameters.arrange(rows)
        numbers = self._parameters.numbers_of(rows)
        self._assembler = Assembler(rows, numbers, len(self._parameters.all), wiring, self._ranks)
        if self.writes:
            self._open(rows, numbers)

    def _open(self, rows: Sequence[Row], numbers: Array) -> None:
        """Open the record: make the Recorder, and follow the weights that it has chosen."""
        wiring, options = self._wiring, self._options
        places = [wiring.place_of(row) for row in rows]
        names = [wiring.activations.get(place, "identity") for place in places]
        both = zip(rows, names, strict=True)
        layers = [row.describe(name, self._structure) for row, name in both]
        held = self._parameters.trained
        without = [each for each in held if each.grad is None]
        known = describe.config(
            self._model,
            self._optimizers,
            [layer for layer in layers if layer["kind"] != VECTOR],
            wiring,
            describe.counts(self._model, held, without),
            self._ranks.size,
        )
        placed = zip(rows, places, strict=True)
        several = wiring.several_rows
        bounded = [row.name for row, n in placed if n in several and row.is_matrix]
        named = list(zip(rows, numbers, strict=True))
        left = [row.name for row, n in named if n >= len(held) and row.learns]
        silent = [row.name for row, n in named if n < len(held) and row.parameter.grad is None]
        uncalled = [row.name for row in rows if not wiring.called(row)]
        apart = [row.name for row in rows if wiring.met_without_graph(row)]
        lists = {"not_in_optimizer": left, "without_gradient": silent, "not_called": uncalled}
        lists |= {"no_grad": apart, "not_measured": left_out(self._model)}
        self._facts |= {name: found for name, found in lists.items() if found}
        bounds: dict[str, Any] = {"per_example_grad_norm": bounded} if bounded else {}
        facts = {"torch": torch.__version__, "upper_bounds": bounds, **self._facts}
        self._recorder = Recorder(
            layers,
            name=options.name or class_name(self._model),
            config={**known, **self._loss.config(), **describe.told(options)},
            provenance=facts,
            out=options.out,
            weights=options.weights,
            seed=options.seed,
            overwrite=options.overwrite,
            histograms=options.histograms,
            blocks=describe.blocks(self._stream, self._structure, rows),
        )
        self.findings.follow(self._recorder)
        positions = self._recorder.positions
        if len(positions):
            self._ledger.table("followed", {"value": LATEST}, len(positions))
            self._parameters.follow(rows, positions)

    def due(self, iterations: int) -> bool:
        """Whether it is time to move a block.

        Among several processes the clock has no say, since they must agree.
        """
        late = self._ranks.size == 1 and time.monotonic() - self._moved > BLOCK_SECONDS
        return late or iterations - self._done > self._block

    def hand_over(self, limit: int, leaving: int = LIVE) -> None:
        """Record the iterations below `limit`.

        One of several processes that leaves goes on until all have.
        """
        self.begin()
        with self._ranks.exchange():
            while True:
                agreed, last = self._ranks.agree(limit, leaving)
                self._move(agreed)
                self._ranks.torn = False
                if last or leaving == LIVE:
                    break
        self._ranks.apart = last
        self._move(limit)  # in what is left, if anything is, the others have no part

    def leave_unmade(self) -> None:
        """Let the other processes go on: this one ends before its first iteration has."""
        with self._ranks.exchange():
            self._ranks.agree(0, BROKEN)
        self._ranks.apart = True

    def _move(self, limit: int) -> None:
        """Record the iterations below `limit`, joined with those of the other processes."""
        assert self._assembler is not None
        if self._recorder is not None:  # it knows, wherever in these lines a Ctrl-C came
            self._done = self._recorder.iterations
        if limit > self._done:
            tables = self._ledger.rows(self._done, limit)
            made = self._assembler.assemble(self._done, tables)
            if self._ranks.size > 1:
                self._note_ranks(own_phases(tables))
            self._keep(made, tables.get("followed"))
        self._done, self._moved = max(self._done, limit), time.monotonic()
        if self._recorder is not None:
            self._recorder.flush()

    def _note_ranks(self, phases: Sequence[str | None]) -> None:
        """Note in which process the first number that is not finite appeared, and where."""
        if self._ranks.apart:
            self.note(joined_until=self._facts.get("joined_until", self._done))
            return
        mine = next(
            ((self._done + n, phase) for n, phase in enumerate(phases) if phase is not None), None
        )
        known = self._facts.get("nonfinite_origin")
        if known is not None and (mine is None or known["iteration"] < mine[0]):
            mine = known["iteration"], known["phase"]  # a derivative of this process's own part
        if self._broken_somewhere or not self._ranks.any(mine is not None):
            return
        self._broken_somewhere = True
        everyone = enumerate(self._ranks.gathered((mine, self._facts.get("nonfinite_origin"))))
        found = {rank: (*of[0], of[1] or {}) for rank, of in everyone if of and of[0]}
        first = min((iteration for iteration, *_ in found.values()), default=0)
        began = {
            rank: (phase, origin)
            for rank, (iteration, phase, origin) in found.items()
            if iteration == first
        }
        self.note(
            nonfinite_by_rank={
                str(rank): {"iteration": first, "phase": phase, **origin}
                for rank, (phase, origin) in began.items()
            }
        )
        origins = [{**origin, "rank": rank} for rank, (_, origin) in began.items() if origin]
        if origins:
            self.note(nonfinite_origin=origins[0])

    def _keep(self, made: Assembled, followed: Mapping[str, Column] | None) -> None:
        before = self._done + len(made.phases)
        stages = self._loss.stages(self._done, before, made.steps["loss_scale"])
        self.note(**self._loss.facts(), **self._parameters.facts())
        if self._recorder is not None:
            nothing = None, np.zeros((len(made.phases), 0), bool)
            values, known = followed["value"] if followed else nothing
            read = np.flatnonzero(known.any(axis=1))
            self._recorder.add_block(
                made.columns,
                made.steps,
                phases=made.phases,
                followed=None if values is None else (read, values[read]),
                block_signals=made.blocks,
                output_stage=stages,
                histograms=made.histograms,
            )

    def note(self, **facts: Any) -> None:
        """Add facts to the provenance, where they are new."""
        new = {name: value for name, value in facts.items() if self._facts.get(name) != value}
        self._facts |= new
        if new and self._recorder is not None:
            self._recorder.note(**new)

    def snapshot(self, limit: int) -> Run:
        """Return what was recorded, and joined, so far as a Run in memory."""
        if self._ranks.size == 1:
            self.hand_over(limit)
        return self.recorder.snapshot()

    @property
    def run(self) -> Run | None:
        """The Run; None where this process holds none, or nothing that can be read."""
        try:
            return None if self._recorder is None else self._recorder.run
        except (OSError, RunError):
            return None

    def end_early(self, limit: int, remark: str) -> None:
        """End the record because of trouble with it, keep what can be kept, and raise nothing."""
        self._facts["remarks"] = [*self._facts.get("remarks", ()), remark]
        with contextlib.suppress(Exception):
            self.hand_over(limit, BROKEN)
        if self._recorder is not None:
            self._recorder.provenance["remarks"] = self._facts["remarks"]
            with contextlib.suppress(Exception):
                self._recorder.close("ended early", followed=self._parameters.follow_now())

    def close(self, limit: int, status: str, *, broken: bool = False) -> Run | None:
        """Record what is left, and end; `broken`: by an exception, and the others may not come."""
        self.hand_over(limit, BROKEN if broken else LEFT)
        if self._recorder is None:
            return None
        return self._recorder.close(status, followed=self._parameters.follow_now())
