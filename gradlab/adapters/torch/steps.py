"""`Steps`: follows a training from one optimizer's step to the next, by what PyTorch calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch import ledger
from gradlab.adapters.torch.breakdown import Breakdown
from gradlab.adapters.torch.gradients import Gradients
from gradlab.adapters.torch.iteration import Iteration
from gradlab.adapters.torch.ledger import Ledger
from gradlab.adapters.torch.leftovers import Leftovers
from gradlab.adapters.torch.measure.parameters import Parameters
from gradlab.adapters.torch.modules import (
    examples_in,
    is_scripted,
    numbers_in,
    takes_lasting_hooks,
)
from gradlab.adapters.torch.observe import patches
from gradlab.adapters.torch.observe.eager import AroundCompiled, Eager
from gradlab.adapters.torch.observe.hooks import Guard
from gradlab.adapters.torch.observe.lengths import mean_square
from gradlab.adapters.torch.observe.observer import Observer
from gradlab.adapters.torch.observe.observers import Observers
from gradlab.adapters.torch.optimizers import innermost, lets_skip, rate_of, with_closure
from gradlab.adapters.torch.options import WatchOptions
from gradlab.adapters.torch.origin.lookout import Lookout
from gradlab.adapters.torch.record import Record
from gradlab.adapters.torch.skips import Skips

Optimizer = torch.optim.Optimizer


@dataclass(frozen=True)
class Instruments:
    """What measures a training, by what it measures."""

    parameters: Parameters
    gradients: Gradients
    observers: Sequence[Observer]
    lookout: Lookout
    eager: Eager
    ledger: Ledger


class Steps:
    """Follows the steps of a training, and has each iteration measured.

    Parameters
    ----------
    outer : nn.Module
        The model as it is called, in its wrappers.
    optimizers : sequence of Optimizer
    options : WatchOptions
    instruments : Instruments
    record : Record
    guard : Guard
        Keeps faults away from the training.
    stop : callable
        Called where the training is to be stopped at a number that is not finite.
    """

    def __init__(
        self,
        outer: nn.Module,
        optimizers: Sequence[Optimizer],
        options: WatchOptions,
        instruments: Instruments,
        record: Record,
        guard: Guard,
        stop: Callable[[], None],
    ):
        self._outer, self._optimizers, self._options = outer, list(optimizers), options
        self._of, self._record, self._guard, self._stop = instruments, record, guard, stop
        self._numbers = [instruments.parameters.of(optimizer) for optimizer in optimizers]
        self._handles: list[Any] = []
        self._breakdown = Breakdown(outer, instruments.lookout, record, instruments.ledger, guard)
        self._leftovers = Leftovers(self._optimizers)
        self._skips = Skips(self._leftovers.first_gradient, len(optimizers))
        self._observers = Observers(instruments.observers, instruments.eager)
        self.iteration = Iteration(0, options.is_costly(0))

    # -- beginning and end

    def begin(self) -> None:
        """Hang the hooks that stay for the whole training, and those of the first iteration."""
        patches.listen(self)
        for number, optimizer in enumerate(self._optimizers):
            before = self._guard(with_closure(self._before_step, number))
            after = self._guard(with_closure(self._after_step, number))
            self._handles.append(optimizer.register_step_pre_hook(before))
            self._handles.append(optimizer.register_step_post_hook(after))
        before, after = self._guard(self._before_forward), self._guard(self._returned)
        if takes_lasting_hooks(self._outer):
            self._handles.append(self._outer.register_forward_pre_hook(before, with_kwargs=True))
            self._handles.append(self._outer.register_forward_hook(after))
        elif not is_scripted(self._outer):
            self._handles.append(AroundCompiled(self._outer, before, after))
        self._breakdown.begin()
        self._prepare()

    def leave(self) -> None:
        """Take away every hook and wrapper."""
        patches.leave(self)
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._observers.detach()
        self._breakdown.leave(self.iteration)
        self.iteration.calls.clear()

    def loss_logged(self) -> None:
        """Know that a loss is about to be logged; where the last came to nothing, begin anew."""
        if self.follows and not self.iteration.stepped and self._skips.logged():
            self._skip(by_loop=True)
            self.iteration.ran_forward = True

    @property
    def follows(self) -> bool:
        """Whether its hooks hang."""
        return bool(self._handles)

    @property
    def skipped(self) -> int:
        """How many steps were skipped."""
        return self._skips.count

    def put(self, iteration: int, name: str, value: float | Tensor) -> None:
        """Put a number that belongs to the net as a whole into the ledger."""
        self._of.ledger.put_of_net(iteration, name, value)

    # -- what PyTorch calls

    def _before_forward(
        self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        if torch.is_grad_enabled():
            self.forward_begins()
            self._of.lookout.remember(self.iteration, arguments, keywords)
            rows = examples_in((arguments, keywords))
            if rows:
                self.put(self.iteration.number, "examples", float(rows))
            given = numbers_in((arguments, keywords)) if self.iteration.costly else None
            if given is not None and not given.is_sparse:
                square = ledger.single("input", mean_square(given))
                self.put(self.iteration.number, "input_square", square)

    def _returned(self, module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        if torch.is_grad_enabled():
            self._of.lookout.returned(self.iteration, output)

    def forward_begins(self) -> None:
        """Know that what is logged from now on belongs to the coming step."""
        if self.iteration.ran_forward and self.iteration.costly:
            self._observers.measure()  # of a micro-batch that has gone through already
        self._observers.begin_pass(first=not self.iteration.number)
        if self.iteration.left_by_clipping and self._of.gradients.were_dropped(self.iteration):
            self._skip()
        self.iteration.forward_began()

    def gradients_ready(self, optimizer: Any) -> None:
        """Take the gradients of an optimizer inside the closure that it was given."""
        self._take_gradients(self._optimizers.index(innermost(optimizer)))

    def _before_step(self, number: int, closure: bool) -> None:
        if lets_skip(optimizer := self._optimizers[number]):
            return
        scale = getattr(optimizer, "grad_scale", None)
        if scale is not None:  # a GradScaler leaves it to a fused optimizer to divide by it
            scale = getattr(scale, "_scale", scale)
            self.put(self.iteration.number, "gradient_scale", ledger.single("scale", scale))
        if number in self.iteration.stepped:
            self._end_iteration()  # the others do not step in every iteration
        self.iteration.joined[number] = self._of.parameters.join(number, optimizer)
        self._numbers[number] += self.iteration.joined[number]
        if not closure:
            self._take_gradients(number)
            self._look_for_leftovers(number)
        if self.iteration.costly:
            self._observers.before_step()
        if weighed := self.iteration.weighed(number, self._numbers[number]):
            self._of.parameters.before(self.iteration.number, weighed)

    def _after_step(self, number: int, closure: bool) -> None:
        optimizer, iteration = self._optimizers[number], self.iteration
        if lets_skip(optimizer):
            return
        if getattr(optimizer, "grad_scale", None) is not None:
            self._of.parameters.forget_gradients()  # they lie there divided by the scale now
        if closure:
            self._take_gradients(number)
        self._of.lookout.stepped(optimizer)
        if weighed := iteration.weighed(number, self._numbers[number]):
            self._of.parameters.after(iteration.number, weighed)
            self._of.parameters.second_moments(iteration.number, optimizer)
        if self._options.is_costly(iteration.number + 1):
            self._of.parameters.snapshot(self._numbers[number])
            self._leftovers.after_step(number)
        if not iteration.stepped and (rate := rate_of(optimizer)) is not None:
            self.put(iteration.number, "learning_rate", ledger.single("lr", rate))
        iteration.stepped.add(number)
        self._skips.stepped()
        if len(iteration.stepped) == len(self._optimizers):
            self._end_iteration()

    def _look_for_leftovers(self, number: int) -> None:
        """Note whether the gradients of the step before are still there."""
        clipped = bool(self.iteration.clipped)
        if self.iteration.costly and self._leftovers.before_step(number, clipped=clipped):
            counts = {"count": self._leftovers.stale, "of": self._leftovers.steps}
            self._record.note(stale_gradients=counts)

    def clipping(self, parameters: list[Tensor]) -> None:
        """Know that gradients are about to be clipped."""
        self._guard(self._record.begin)()
        self._guard(self._of.gradients.before_clipping)(self.iteration, parameters)

    def clipped(self, parameters: list[Tensor]) -> None:
        """Know that they were."""
        self._guard(self._of.gradients.after_clipping)(self.iteration, parameters)

    def scaled_step(self, optimizer: Any, scale: Tensor | None, step: Callable[[], Any]) -> Any:
        """Note the scale of a step under a GradScaler, and whether it was skipped."""
        if innermost(optimizer) not in self._optimizers:
            return step()
        number = self._optimizers.index(innermost(optimizer))
        iteration, before = self.iteration, number in self.iteration.stepped
        if scale is not None:
            self._guard(self.put)(iteration.number, "scale", scale.detach().clone())
        result = step()
        made_none = self.iteration is iteration and (number in iteration.stepped) == before
        if made_none and self.follows:
            self._guard(self._skip)()
            self.iteration.follows_skip = True
        return result

    # -- iterations

    def _take_gradients(self, number: int) -> None:
        self._record.begin()  # what broke is noted in it
        norms = self._of.gradients.take(self.iteration, self._numbers[number])
        if self._of.lookout.spiked(self.iteration, number, norms):
            self._breakdown.write_batches()
        if self._of.lookout.sees(norms):
            self._breakdown.note(self.iteration)
            if self._of.lookout.stops:
                self.finish_iteration()
                self._stop()

    def finish_iteration(self) -> None:
        """Measure what is still to be measured of this iteration, and count it as made."""
        if self.iteration.costly:
            self._observers.measure()
        number = self.iteration.number + 1
        self._breakdown.over(self.iteration)
        self.iteration = Iteration(number, self._options.is_costly(number))

    def _end_iteration(self) -> None:
        self.finish_iteration()
        self._observers.forget()
        self._prepare()
        if self._record.due(self.iteration.number):
            # The newest waits, since its loss may follow.
            self._record.hand_over(self.iteration.number - 1)
            self._breakdown.handed_over()
            self._guard.pass_on(self._record.findings.take())

    def _prepare(self) -> None:
        """Hang hooks on the modules if the iteration at hand is to be measured in full."""
        if self._options.modules and self.iteration.costly:
            self._observers.attach(self.iteration.number)
        else:
            self._observers.detach()

    def _skip(self, *, by_loop: bool = False) -> None:
        """Begin the iteration anew: nothing was updated, as where a GradScaler met an infinity."""
        number = self.iteration.number
        count = self._skips.add(number, by_loop=by_loop)
        self._record.begin()  # it may be that no step is ever taken
        self._record.note(skipped_steps=self._skips.facts())
        if not by_loop:  # else the next loss is there already
            self._breakdown.skipped(self.iteration)
        self._observers.detach()
        self._of.ledger.drop(number)
        self._of.parameters.forget_gradients()
        self.iteration = self.iteration.again()
        self.put(number, "skipped_steps", float(count))
        self._prepare()
