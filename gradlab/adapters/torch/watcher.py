"""`watch`: two lines in a PyTorch training loop, and every layer is recorded."""

from __future__ import annotations

import contextlib
import math
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradlab.adapters.torch import describe, distributed
from gradlab.adapters.torch.assembly import OF_MODULES, OF_NET, OF_PARAMETERS
from gradlab.adapters.torch.distributed import Ranks
from gradlab.adapters.torch.ledger import Ledger
from gradlab.adapters.torch.measure.parameters import Parameters
from gradlab.adapters.torch.observe import patches
from gradlab.adapters.torch.observe.hooks import Guard, untouchable
from gradlab.adapters.torch.observe.signals import Signals
from gradlab.adapters.torch.origin import trace
from gradlab.adapters.torch.record import Record
from gradlab.adapters.torch.rows import find_rows, is_seen, unwrapped
from gradlab.errors import ArgumentError, GradlabError, NonFiniteError
from gradlab.recorder import COSTLY_EVERY, COSTLY_FIRST, Recorder
from gradlab.run import Run

Array = np.ndarray
Optimizer = torch.optim.Optimizer

CALLS_KEPT = (
    32  # of the forward passes of an iteration, to look at again when a number is not finite
)
_FIRST = np.zeros(1, np.intp)  # the place of a number that belongs to the net as a whole
_watched: weakref.WeakSet[nn.Module] = weakref.WeakSet()


class Watch:
    """Records a training while it is open; made by `watch`, used in a `with` block."""

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[Optimizer],
        *,
        every: int | None,
        modules: bool,
        updates: bool,
        on_nonfinite: str,
        distributed: bool,
        baseline_loss: float | None,
        options: dict[str, Any],
        config: Mapping[str, Any],
    ):
        self._outer, self._model = model, unwrapped(model)
        self._optimizers = [_innermost(optimizer) for optimizer in optimizers]
        self._every, self._modules, self._on_nonfinite = every, modules, on_nonfinite
        rows = find_rows(self._model)
        self._parameters = Parameters(rows, self._model, self._optimizers, updates=updates)
        here = any(parameter.device.type == "cpu" for parameter in self._parameters.all)
        self._looks = on_nonfinite == "stop" or (on_nonfinite == "trace" and here)
        self._numbers = [self._parameters.of(optimizer) for optimizer in self._optimizers]
        self._ranks, self._ledger = (
            Ranks(self._outer, self._parameters.all, together=distributed),
            Ledger(),
        )
        seen = list(dict.fromkeys(row.module for row in rows if is_seen(row.module)))
        self._guard = Guard(self._fail)
        self._signals = Signals(seen, self._ledger, self._guard)
        self._ledger.table("parameters", OF_PARAMETERS, len(self._parameters.all))
        self._ledger.table("modules", OF_MODULES, len(seen))
        self._ledger.table("net", OF_NET, 1)
        if baseline_loss is not None:
            config = {"baseline_loss": float(baseline_loss), **config}
        self._record = Record(
            self._model, self._optimizers, rows, self._parameters, self._signals, self._ledger, self._ranks,
            options, config,
        )  # fmt: skip
        self._iteration = 0
        self._stepped: set[int] = set()  # optimizers, in this iteration
        self._taken: set[int] = set()  # parameters, whose gradients were measured
        self._clipped: set[int] = set()  # parameters, whose gradients were clipped since
        self._ran_forward = False
        self._calls: deque[trace.Forward] = deque(maxlen=CALLS_KEPT)  # of this iteration
        self._kept: dict[
            int, tuple[int, int]
        ] = {}  # by parameter: its gradient, as the last clipping left it
        self._logged = -1  # the last iteration that has a loss
        self._nonfinite = self._closed = False
        self._skipped: list[int] = []
        self._handles: list[Any] = []
        self._eager: Any = None
        self._compiled = describe.compiled_inside(model)

    # -- what users call

    def __enter__(self) -> Watch:
        if self._closed or self._handles:
            raise ArgumentError(
                "a watch is used once; call watch(model, optimizer) again for another training"
            )
        if self._model in _watched:
            raise ArgumentError(
                f"model {type(self._model).__name__} is being watched already; leave the other `with` block first, or "
                "give both optimizers to one watch: watch(model, [first, second])"
            )
        _watched.add(self._model)
        patches.listen(self)
        try:
            self._begin()
        except BaseException:
            self._leave()
            raise
        return self

    def _begin(self) -> None:
        for number, optimizer in enumerate(self._optimizers):
            before, after = (
                self._bound(method, number) for method in (self._before_step, self._after_step)
            )
            self._handles.append(optimizer.register_step_pre_hook(self._guard(before)))
            self._handles.append(optimizer.register_step_post_hook(self._guard(after)))
        scripted = isinstance(self._outer, torch.jit.ScriptModule)  # takes no hooks
        if not scripted and not describe.compiled_in_place(
            self._outer
        ):  # a hook would be compiled along
            before = self._guard(self._before_forward)
            self._handles.append(self._outer.register_forward_pre_hook(before, with_kwargs=True))
        self._prepare()

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        self._leave()
        if kind is None:
            self.close()
        elif not self._closed and self._iteration:
            self._end(f"interrupted by {kind.__name__}", broken=True)

    def log(
        self,
        *,
        loss: Tensor | float | None = None,
        validation_loss: Tensor | float | None = None,
        validation_accuracy: Tensor | float | None = None,
    ) -> None:
        """Record numbers of the iteration at hand: before or after `optimizer.step()`, but before the next forward.

        Parameters
        ----------
        loss : Tensor or float, optional
            What `backward` was called on. Several before one step add up, as their gradients do. A
            Tensor stays on its device: nothing is synchronised.
        validation_loss, validation_accuracy : Tensor or float, optional
            On held-out data.

        Raises
        ------
        ArgumentError
            A value is not a single number.
        """
        # After a step and before the next forward pass, the iteration that has just ended is meant.
        ended = self._iteration - 1
        late = (
            not self._ran_forward
            and not self._stepped
            and ended >= 0
            and (loss is None or self._logged < ended)
        )
        iteration = ended if late else self._iteration
        given = {
            "loss": loss,
            "validation_loss": validation_loss,
            "validation_accuracy": validation_accuracy,
        }
        if self._closed:
            return  # after trouble, the training goes on unwatched
        for name, value in given.items():
            if value is not None:
                self._put_single(iteration, name, _scalar(name, value))
        if loss is not None:
            self._logged = iteration

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
        return self._iteration

    def snapshot(self) -> Run:
        """Return all that was recorded so far as a Run in memory; the recording goes on."""
        return self.recorder.run if self._closed else self._record.snapshot(self._iteration)

    def trace(self, function: Callable[[], Tensor]) -> str:
        """Run `function`, which returns a loss, and its backward pass, and say where a number first is not finite.

        `recorder.trace(lambda: criterion(model(x), y))`: on demand, for a batch at hand. Gradients,
        buffers and random generators are afterwards as before.
        """
        origin = trace.of_call(self._model, function)
        return (
            "every number is finite, forward and backward"
            if origin is None
            else f"first non-finite: {origin}"
        )

    def close(self) -> Run | None:
        """End the recording; `with` does it.

        Returns the Run, or None where this process holds none.
        """
        self._leave()
        if not self._closed and self._iteration:
            self._end("complete")
        elif not self._closed:
            self._closed = True
            warnings.warn(
                f"{type(self._optimizers[0]).__name__} never stepped inside the watch, so nothing was recorded; call "
                "optimizer.step() of the very optimizer that was given",
                RuntimeWarning,
                stacklevel=3,
            )
        return self._record.run

    def _end(self, status: str, *, broken: bool = False) -> None:
        """Close the record; where that fails, say so and keep what there is."""
        try:
            self._record.close(self._iteration, status, broken=broken)
        # a full disk, a folder that is gone: the training is over, and was not at fault
        except Exception as error:
            self._fail(error)
        self._closed = True

    # -- what PyTorch calls

    def _bound(self, method: Callable[..., None], number: int) -> Callable[..., None]:
        def hook(
            optimizer: Optimizer, arguments: tuple[Any, ...], keywords: dict[str, Any]
        ) -> None:
            closure = keywords.get(
                "closure", arguments[1] if len(arguments) > 1 else None
            )  # the first is the optimizer
            method(number, closure is not None)

        return hook

    def _before_forward(
        self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        if torch.is_grad_enabled() and not untouchable():
            self.forward_begins()
            if self._looks and not self._nonfinite:
                self._calls.append(trace.Forward(self._model, arguments, keywords))

    def forward_begins(self) -> None:
        """Know that what is logged from now on belongs to the coming step.

        A Trainer's hook may call it.
        """
        if not self._closed:
            self._guard(self._begin_pass)()

    def _begin_pass(self) -> None:
        if self._ran_forward and self._costly(self._iteration):
            self._signals.measure()  # of a micro-batch that has gone through already
        self._signals.begin_pass()
        if (
            self._kept
            and not self._stepped
            and all(self._parameters.all[n].grad is None for n in self._kept)
        ):
            self._skip()  # gradients were clipped, and then thrown away: the user did not like them
        self._ran_forward = True

    def gradients_ready(self, optimizer: Any) -> None:
        """Take the gradients of an optimizer inside the closure that it was given, before they are clipped."""
        if not self._closed:
            self._guard(self._ready)(self._optimizers.index(_innermost(optimizer)))

    def _ready(self, number: int) -> None:
        self._record.begin()
        self._take_gradients(number)

    def _before_step(self, number: int, closure: bool) -> None:
        if self._skips(number):
            return
        scale = getattr(self._optimizers[number], "grad_scale", None)
        if scale is not None:  # a GradScaler leaves it to a fused optimizer to divide by it
            self._put_single(
                self._iteration, "gradient_scale", _scalar("scale", getattr(scale, "_scale", scale))
            )
        if number in self._stepped:
            self._end_iteration()  # the others do not step in every iteration
        if not closure:
            self._record.begin()
            self._take_gradients(number)
        if self._costly(self._iteration):
            self._parameters.before(self._ledger, self._iteration, self._numbers[number])

    def _after_step(self, number: int, closure: bool) -> None:
        optimizer, iteration = self._optimizers[number], self._iteration
        if self._skips(number):
            return
        if getattr(optimizer, "grad_scale", None) is not None:
            self._parameters.forget_gradients()  # they lie there divided by the scale now
        if closure:
            self._take_gradients(number)
        if self._costly(iteration):
            self._parameters.after(self._ledger, iteration, self._numbers[number])
            self._parameters.second_moments(self._ledger, iteration, optimizer)
        if not self._stepped:
            self._put_rate(iteration, optimizer.param_groups[0].get("lr"))
        self._stepped.add(number)
        if len(self._stepped) == len(self._optimizers):
            self._end_iteration()

    def _skips(self, number: int) -> bool:
        """Whether a GradScaler lets a fused optimizer skip this step.

        `scaled_step` sees that none was made.
        """
        found = getattr(self._optimizers[number], "found_inf", None)
        return found is not None and bool(found)

    def clipping(self, parameters: list[Tensor]) -> None:
        """Know that gradients are about to be clipped."""
        self._guard(self._clipping)(parameters)

    def clipped(self, parameters: list[Tensor]) -> None:
        """Know that they were."""
        self._guard(self._clipped_now)(parameters)

    def _clipping(self, parameters: list[Tensor]) -> None:
        """Take the gradients before they are clipped."""
        number_of = self._parameters.number_of
        # Clipped twice in a row, the first time counts; a gradient that has come since is another
        # one.
        numbers = [
            n
            for p in parameters
            if (n := number_of(p)) is not None and self._kept.get(n) != _state(p)
        ]
        self._taken.difference_update(numbers)
        for places, norms in self._parameters.gradients(numbers):
            self._put_gradients(places, norms)
        self._clipped.update(numbers)
        if numbers and self._costly(self._iteration):
            self._parameters.keep_gradients(numbers)

    def _clipped_now(self, parameters: list[Tensor]) -> None:
        """Know gradients as they were clipped again."""
        number_of = self._parameters.number_of
        self._kept |= {n: _state(p) for p in parameters if (n := number_of(p)) is not None}

    def scaled_step(self, optimizer: Any, scale: Tensor | None, step: Callable[[], Any]) -> Any:
        """Note the scale of a step under a GradScaler, and whether it was skipped."""
        if self._closed or _innermost(optimizer) not in self._optimizers:
            return step()
        number = self._optimizers.index(_innermost(optimizer))
        iteration, before = self._iteration, number in self._stepped
        if scale is not None:
            self._guard(self._put_single)(iteration, "scale", scale.detach().clone())
        result = step()
        if (
            self._iteration == iteration
            and (number in self._stepped) == before
            and not self._closed
        ):
            self._guard(self._skip)()
        return result

    # -- iterations

    def _costly(self, iteration: int) -> bool:
        if self._every is not None:
            return iteration % self._every == 0
        return iteration < COSTLY_FIRST or iteration % COSTLY_EVERY == 0

    def _take_gradients(self, number: int) -> None:
        found = self._parameters.gradients(self._numbers[number])
        for places, norms in found:
            if self._clipped:
                clipped = np.flatnonzero(np.isin(places, list(self._clipped)))
                self._ledger.put(
                    self._iteration, "parameters", ("after_norm",), places[clipped], norms[clipped]
                )
            self._put_gradients(places, norms)
        traced = [
            norms
            for _, norms in found
            if self._on_nonfinite == "stop" or isinstance(norms, np.ndarray)
        ]
        # All processes look, or none does: one whose shards are all empty too.
        if self._looks and not self._nonfinite and (traced or self._ranks.sharded):
            self._look(traced)

    def _put_gradients(self, places: Array, norms: Array | Tensor) -> None:
        """Keep the norms of gradients, but of those that were taken in this iteration already."""
        if self._taken:
            fresh = np.flatnonzero(~np.isin(places, list(self._taken)))
            places, norms = places[fresh], norms[fresh]
        if len(places):
            self._ledger.put(self._iteration, "parameters", ("grad_norm",), places, norms)
            self._taken.update(places.tolist())

    def _look(self, norms: Sequence[Array | Tensor]) -> None:
        """At the first non-finite gradient, before it reaches the weights, find out where it came from."""
        broken = not all(math.isfinite(float(each.sum())) for each in norms)
        if (
            self._on_nonfinite == "stop" or self._ranks.sharded
        ):  # all see it in whole gradients, not in their shards
            broken = self._ranks.any(broken)
        if not broken:
            return
        self._nonfinite = True
        origins = [
            trace.of_forward(call) for call in self._calls
        ]  # all: FSDP's processes go together
        distributed.reshard(
            self._model
        )  # or the next forward pass would compute with these weights
        origin = next((origin for origin in origins if origin is not None), None)
        if origin is not None:
            self._record.note(nonfinite_origin={"iteration": self._iteration, **origin.to_dict()})
            self._put_single(self._iteration, "broke_forward", _scalar("broke_forward", 1.0))
        if self._on_nonfinite == "stop":
            self._stop()

    def _end_iteration(self) -> None:
        if self._costly(self._iteration):
            self._signals.measure()
        self._signals.forget()
        self._iteration += 1
        self._calls.clear()
        self._stepped, self._taken, self._clipped, self._ran_forward = set(), set(), set(), False
        self._kept = {}
        self._prepare()
        if self._record.due(self._iteration):
            self._record.hand_over(
                self._iteration - 1
            )  # the newest waits, since its loss may follow

    def _fail(self, error: Exception) -> None:
        """End the recording, not the training, which goes on unwatched.

        One warning, and a remark in the record.
        """
        if self._closed:
            return
        self._closed = True
        what = (
            f"{type(error).__name__}: {error}"
            if not isinstance(error, (OSError, GradlabError))
            else str(error)
        )
        remark = f"gradlab stopped recording at iteration {self._iteration}, the training went on: {what}"
        with contextlib.suppress(Exception):
            self._leave()
        self._record.end_early(self._iteration, remark)
        warnings.warn(remark, RuntimeWarning, stacklevel=2)

    def _prepare(self) -> None:
        """Hang hooks on the modules if the iteration to come is to be measured in full."""
        costly = self._modules and self._costly(self._iteration)
        if costly:
            self._signals.attach(self._iteration)
        else:
            self._signals.detach()
        if self._compiled and costly and self._eager is None:
            self._eager = torch.compiler.set_stance(
                "force_eager"
            )  # compiled code would not call the hooks
            self._eager.__enter__()
        elif not costly:
            self._leave_eager()

    def _skip(self) -> None:
        """Nothing was updated, as where a GradScaler met an infinity: the iteration begins anew."""
        self._skipped.append(self._iteration)
        self._calls.clear()
        self._record.note(
            skipped_steps={"count": len(self._skipped), "before_iterations": self._skipped[-100:]}
        )
        self._signals.detach()
        self._ledger.drop(self._iteration)
        self._parameters.forget_gradients()
        self._taken, self._clipped, self._kept, self._ran_forward = set(), set(), {}, False
        self._prepare()

    def _stop(self) -> None:
        """End the recording before the update that would carry the NaN into the weights, and say why."""
        if self._costly(self._iteration):
            self._signals.measure()
        stopped = self._iteration
        self._iteration += 1
        self._leave()
        self._end(f"stopped at iteration {stopped}: a non-finite gradient")
        raise NonFiniteError(describe.last_words(self._record.run, stopped))

    def _leave(self) -> None:
        """Take away every hook and wrapper."""
        if patches.leave(self):
            _watched.discard(self._model)
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._signals.detach()
        self._leave_eager()
        self._calls.clear()

    def _leave_eager(self) -> None:
        if self._eager is not None:
            self._eager.__exit__(None, None, None)
            self._eager = None

    def _put_single(self, iteration: int, name: str, value: Array | Tensor) -> None:
        self._ledger.put(iteration, "net", (name,), _FIRST, value)

    def _put_rate(self, iteration: int, rate: Any) -> None:
        """Note a learning rate, where it is one.

        Some optimizers have none, compute it, or call a function.
        """
        if isinstance(rate, (int, float)) or (isinstance(rate, Tensor) and rate.numel() == 1):
            self._put_single(iteration, "learning_rate", _scalar("lr", rate))


def _scalar(name: str, value: Any) -> Array | Tensor:
    """Return a number as an array of one entry, or, where it lies on a device, as a tensor."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ArgumentError(
                f"{name} has shape {tuple(value.shape)}; give a single number, such as the mean that backward is "
                "called on"
            )
        if value.device.type != "cpu":
            return value.detach().clone()
        value = value.item()
    try:
        return np.array([float(value)])
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}={value!r} must be a number or a tensor of one") from None


def _state(parameter: Tensor) -> tuple[int, int]:
    """Tell one gradient of a parameter from another.

    Which tensor it is, and how often it was written to.
    """
    gradient = parameter.grad
    return (0, 0) if gradient is None else (id(gradient), gradient._version)


def _innermost(optimizer: Any) -> Any:
    """Return the optimizer inside what Accelerate and Lightning wrap around it."""
    for name in ("optimizer", "_optimizer"):
        inner = getattr(optimizer, name, None)
        if isinstance(inner, Optimizer) and inner is not optimizer:
            return _innermost(inner)
    return optimizer
