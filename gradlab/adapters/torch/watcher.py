"""`Watch`: two lines in a PyTorch training loop, and every layer is recorded."""

from __future__ import annotations

import contextlib
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch import describe, ledger
from gradlab.adapters.torch.modules import unwrapped
from gradlab.adapters.torch.observe.hooks import Guard
from gradlab.adapters.torch.optimizers import innermost
from gradlab.adapters.torch.options import WatchOptions
from gradlab.adapters.torch.origin import trace
from gradlab.adapters.torch.origin.again import Replay, run_again
from gradlab.adapters.torch.origin.batch import Batch
from gradlab.adapters.torch.outfit import outfit
from gradlab.adapters.torch.steps import Steps
from gradlab.errors import ArgumentError, GradlabError, NonFiniteError, RunError
from gradlab.recorder import Recorder
from gradlab.run import Run

Optimizer = torch.optim.Optimizer

_watched: weakref.WeakSet[nn.Module] = weakref.WeakSet()


class Watch:
    """Records a training while it is open; made by `watch`, used in a `with` block."""

    def __init__(self, model: nn.Module, optimizers: Sequence[Optimizer], options: WatchOptions):
        self._model = unwrapped(model)
        self._optimizers = [innermost(optimizer) for optimizer in optimizers]
        self._guard = Guard(self._fail)
        instruments, self._record = outfit(model, self._optimizers, options, self._guard)
        self._steps = Steps(
            model, self._optimizers, options, instruments, self._record, self._guard, self._stop
        )
        self._lookout = instruments.lookout
        self._logged = -1  # the last iteration that has a loss
        self._closed = False

    # -- what users call

    def __enter__(self) -> Watch:
        if self._closed or self._steps.follows:
            raise ArgumentError(
                "a watch is used once; call watch(model, optimizer) again for another training"
            )
        if self._model in _watched:
            raise ArgumentError(
                f"model {type(self._model).__name__} is being watched already; leave the other "
                "`with` block first, or give both optimizers to one watch: "
                "watch(model, [first, second])"
            )
        _watched.add(self._model)
        try:
            self._steps.begin()
        except BaseException:
            _watched.discard(self._model)
            self._steps.leave()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        self._leave()
        if kind is None:
            self.close()
        elif not self._closed and self._told:
            self._end(f"interrupted by {kind.__name__}", broken=True)
        elif not self._closed:
            self._record.leave_unmade()

    def log(
        self,
        *,
        loss: Tensor | float | None = None,
        validation_loss: Tensor | float | None = None,
        validation_accuracy: Tensor | float | None = None,
        score: Tensor | float | None = None,
    ) -> None:
        """Record numbers of the iteration at hand.

        Before or after `optimizer.step()`, but before the next forward pass.

        Parameters
        ----------
        loss : Tensor or float, optional
            What `backward` was called on. Several before one step add up, as their gradients do. A
            Tensor stays on its device: nothing is synchronised.
        validation_loss, validation_accuracy : Tensor or float, optional
            On held-out data.
        score : Tensor or float, optional
            How well the model does, such as a reward: higher is better. It outranks the loss where
            the question is whether anything was learned.

        Raises
        ------
        ArgumentError
            A value is not a single number.
        """
        if self._closed:
            return  # after trouble, the training goes on unwatched
        if self._steps.iteration.follows_skip:
            loss = None  # of the step that was skipped
        iteration = self._meant(loss is not None)
        if loss is not None and iteration == self._steps.iteration.number:
            self._steps.loss_logged()
        given = {
            "loss": loss, "validation_loss": validation_loss,
            "validation_accuracy": validation_accuracy, "score": score,
        }  # fmt: skip
        for name, value in given.items():
            if value is not None:
                self._steps.put(iteration, name, ledger.single(name, value))
        if loss is not None:
            self._logged = iteration

    def _meant(self, loss: bool) -> int:
        """Return the iteration that a number belongs to which is logged now.

        After a step and before the next forward pass, it is the one that has just ended.
        """
        current = self._steps.iteration
        ended = current.number - 1
        begun = current.ran_forward or current.stepped
        late = not begun and ended >= 0 and (not loss or self._logged < ended)
        return ended if late else current.number

    @property
    def run(self) -> Run:
        """The Run: all of it once the block has ended, else what is on disk.

        Raises
        ------
        RunError
            No optimizer has stepped yet, or this process does not hold the record: the one of rank
            0 does.
        """
        return self.recorder.run

    @property
    def recorder(self) -> Recorder:
        """The Recorder that this feeds, from the first step on."""
        return self._record.recorder

    @property
    def iterations(self) -> int:
        """How many optimizer steps were seen."""
        return self._steps.iteration.number

    def snapshot(self) -> Run:
        """Return all that was recorded so far as a Run in memory; the recording goes on."""
        return self.recorder.run if self._closed else self._record.snapshot(self.iterations)

    def trace(self, function: Callable[[], Tensor]) -> str:
        """Run `function`, which returns a loss, and its backward pass.

        Say where a number first is not finite: `recorder.trace(lambda: criterion(model(x), y))`, on
        demand, for a batch at hand. Gradients, buffers and random generators are afterwards as
        before. Of a model in shards (FSDP2), every process calls this.
        """
        told = trace.of_call(self._model, function, self._lookout.together(called=True))
        if told.origin is None and told.trouble:
            return told.trouble
        if told.origin is None:
            return "every number is finite, forward and backward"
        return f"first non-finite: {told.origin}"

    @property
    def batches(self) -> list[Batch]:
        """The batches that are kept: the one that broke, and those at which the gradient spiked."""
        return list(self._lookout.batches.all)

    @property
    def skip_batches(self) -> list[int]:
        """Numbers of batches to leave out next time, as in Lightning's `skip_batches.json`.

        Each that broke or spiked, and the one before it; one batch is one iteration.
        """
        return self._lookout.batches.to_skip

    def replay(
        self, loss_fn: Callable[[Any], Tensor] | None = None, *, iteration: int | None = None
    ) -> Replay:
        """Run a kept batch again, with the weights as they are, and change nothing.

        Of a model in shards (FSDP2), every process calls this.

        Parameters
        ----------
        loss_fn : callable, optional
            Takes what the model answers and returns the loss. Without it the model alone is run,
            and gone back through from the gradient that came to its outputs.
        iteration : int, optional
            Of the batch; the newest one by default.

        Returns
        -------
        Replay
            `origin`, `output`, `loss`, and `example_grad_norms`, which name the rows.

        Raises
        ------
        RunError
            No such batch is kept.
        """
        kept = [each for each in self._lookout.batches.all if iteration in (None, each.iteration)]
        if not kept:
            known = ", ".join(str(each.iteration) for each in self._lookout.batches.all) or "none"
            raise RunError(
                f"no batch of iteration {iteration} is kept (kept: {known}); gradlab keeps the one "
                "that broke and those at which the gradient spiked, unless keep_batch=False"
                if iteration is not None
                else "no batch is kept: none broke or spiked, it was too large, or keep_batch=False"
            )
        return run_again(self._model, kept[-1], loss_fn, self._lookout.together(called=True))

    def close(self) -> Run | None:
        """End the recording; `with` does it.

        Returns the Run, or None where this process holds none.
        """
        self._leave()
        closed = self._closed
        if not closed and self._told:
            self._end("complete")
            self._guard.pass_on(self._record.findings.take())
        elif not closed:
            self._closed = True
            self._record.leave_unmade()
        if not closed and not self.iterations:
            warnings.warn(
                describe.nothing_recorded(self._optimizers[0], self._lookout, told=self._told),
                RuntimeWarning,
                stacklevel=3,
            )
        return self._record.run

    # -- what trainers call

    def forward_begins(self) -> None:
        """Know that what is logged from now on belongs to the coming step."""
        if not self._closed:
            self._guard(self._steps.forward_begins)()

    def gradients_ready(self, optimizer: Any) -> None:
        """Take the gradients of an optimizer inside its closure, before they are clipped."""
        if not self._closed:
            self._guard(self._steps.gradients_ready)(optimizer)

    # -- the end

    @property
    def _told(self) -> bool:
        """Whether there is anything to record: a step, or one that was skipped."""
        return bool(self.iterations or self._steps.skipped)

    def _end(self, status: str, *, broken: bool = False) -> None:
        """Close the record; where that fails, say so and keep what there is."""
        try:
            self._record.close(self.iterations, status, broken=broken)
        except Exception as error:  # a full disk, say: the training is over, and was not at fault
            self._fail(error)
        self._closed = True

    def _fail(self, error: Exception) -> None:
        """End the recording, not the training: one warning, and a remark in the record."""
        if self._closed:
            return
        self._closed = True
        named = isinstance(error, (OSError, GradlabError))
        what = str(error) if named else f"{type(error).__name__}: {error}"
        remark = (
            f"gradlab stopped recording at iteration {self.iterations}, the training went on: "
            f"{what}"
        )
        with contextlib.suppress(Exception):
            self._leave()
        self._record.end_early(self.iterations, remark)
        warnings.warn(remark, RuntimeWarning, stacklevel=2)

    def _stop(self) -> None:
        """End the recording before the update that would carry the NaN into the weights."""
        self._leave()
        stopped = self.iterations - 1
        self._end(f"stopped at iteration {stopped}: a non-finite gradient")
        raise NonFiniteError(describe.last_words(self._record.run, stopped))

    def _leave(self) -> None:
        if self._steps.follows:
            _watched.discard(self._model)
        self._steps.leave()
