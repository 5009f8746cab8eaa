"""What is seen between the model and the loss, at the iterations that are measured in full.

    attach(iteration)      before the forward pass: hooks on the model, and the criteria report
    their calls evaluate()             before the optimizer steps: the batch once more in evaluation
    mode, where that is due measure()              when the iteration has ended detach()
    at any time: hooks and reports end, and nothing is kept of the iteration

Whatever fails here ends the observation of the loss, never the training; `trouble` says what it
was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

from gradlab.adapters.torch.observe import functions, targets
from gradlab.adapters.torch.observe.criterion import Call, Criterion
from gradlab.adapters.torch.observe.evaluation import Evaluation, autocast_on, tensors_in
from gradlab.adapters.torch.observe.hooks import Guard, untouchable
from gradlab.adapters.torch.observe.output_stage import OutputStage, Stage
from gradlab.adapters.torch.observe.spacing import is_due
from gradlab.adapters.torch.observe.unheld import Unheld

CALLS_SEEN = 256  # of criteria in an iteration; more are no training step
# Iterations between two comparisons of answers with their targets: a share of those so far, and at
# most so many.
SHARE, APART = 10, 50


@dataclass
class LossNumbers:
    """The numbers of an iteration.

    Attributes
    ----------
    steps : dict of str to Tensor or float
        By column of `Run.steps`, each a single number, wherever it was computed. NaN of
        `criterion_baseline` and of `output_gain` means that none is known; NaN of the others is
        what was found.
    stage : Stage
        The factors of the output stage.
    """

    steps: dict[str, Tensor | float] = field(default_factory=dict)
    stage: Stage = field(default_factory=Stage)


class LossSide:
    """Watches a model's answers, the criterion, and `backward`.

    Attributes
    ----------
    trouble : str or None
        What ended the observation before its time.
    """

    def __init__(self, model: nn.Module):
        self._model = model
        self._held = tuple(model.parameters())  # to list them takes a walk through all modules
        self._sharded = any(hasattr(each, "_get_fsdp_state") for each in model.modules())
        self._criterion, self._evaluation = Criterion(), Evaluation(model)
        self._guard = Guard(self._failed)
        self._stage = OutputStage(self._parameters, self._guard)
        self._handles: list[Any] = []
        self._attached, self._iteration = False, 0
        self._unheld = Unheld(model, sharded=self._sharded)
        self._compared, self._compares = 0, True  # when answers were last compared, and whether now
        self._begin()
        self.trouble: str | None = None

    def attach(self, iteration: int) -> None:
        """Begin to see an iteration."""
        if self.trouble is not None:
            return
        self._begin()
        self._iteration = iteration
        self._compares = is_due(iteration, self._compared, share=SHARE, most=APART)
        self._compared = iteration if self._compares else self._compared
        for part in (self._criterion, self._stage, self._evaluation):
            part.attach(iteration)
        functions.listen(self)  # each time: the training may go on in another thread
        if not self._attached:
            self._attached = True
            if isinstance(self._model, torch.jit.ScriptModule):
                return  # takes no hooks
            before, after = self._guard(self._before_forward), self._guard(self._returned)
            self._handles = [
                self._model.register_forward_pre_hook(before, with_kwargs=True),
                self._model.register_forward_hook(after),
            ]

    def forget(self) -> None:
        """Forget the iteration: it is over, or begins anew."""
        self._begin()
        for part in (self._criterion, self._stage):
            part.forget()

    def detach(self) -> None:
        """See no more, and forget what was not measured."""
        if not self._attached:
            return
        functions.leave(self)
        for handle in self._handles:
            handle.remove()
        self._handles, self._attached = [], False
        self._begin()
        for part in (self._criterion, self._stage, self._evaluation):
            part.detach()

    def evaluate(self) -> None:
        """Run the batch in evaluation mode, if it is time; call it before an optimizer steps."""
        if self._attached:
            self._guard(self._evaluate)()

    def measure(self) -> LossNumbers:
        """Return the numbers of the iteration so far; none where nothing is new."""
        result = LossNumbers()
        if self._attached and self._news:
            self._news = False
            self._guard(self._measure)(result)
        return result

    def describe(self) -> dict[str, Any] | None:
        """Return name, reduction and shapes of the criterion, or None where none was seen."""
        return self._criterion.describe()

    @property
    def not_evaluated(self) -> str | None:
        """Why the model is not run in evaluation mode, if that is so."""
        return self._evaluation.reason

    def unheld(self) -> dict[str, Any] | None:
        """Return what is known of weights that are no parameters of the model."""
        found: list[dict[str, Any] | None] = []
        self._guard(lambda: found.append(self._unheld.facts()))()
        return found[0] if found else None

    # -- what is reported ------------------------------------------------------------------------

    def criterion(self, name: str, arguments: dict[str, Any], result: Tensor) -> None:
        """A criterion has answered."""
        self._guard(self._called)(name, arguments, result)

    def backward(self, roots: Sequence[Tensor]) -> Callable[[], None]:
        """`backward` begins."""
        if looked_at():
            return _nothing
        self._news = True
        finish = self._guard(self._stage.backward)(roots, self._confirm)
        return _nothing if finish is None else self._guard(finish)

    def _called(self, name: str, arguments: dict[str, Any], result: Tensor) -> None:
        if self._evaluation.replaying:
            self._evaluation.replayed(name, result)
            return
        if not (result.requires_grad and torch.is_grad_enabled()) or looked_at():
            return
        if self._seen >= CALLS_SEEN:
            return
        place = functions.outside()
        call = targets.read(name, arguments, result, place, compares=self._compares)
        if call is None:
            return
        answer = arguments[call.answer_name]
        call.autocast = autocast_on(answer.device.type)
        self._seen += 1
        self._stage.mark(answer, "answer", call)
        self._stage.mark(result, "result", call)
        self._evaluation.called(call, answer)

    def _confirm(self, call: Call | None) -> None:
        if call is None:
            self._own_loss = True
        else:
            self._criterion.confirm(call)

    def _before_forward(
        self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        if self._counts(module):
            self._evaluation.before_forward(arguments, keywords)
            if not self._unheld.done:
                self._unheld.before(tensors_in((arguments, keywords)))

    def _returned(self, module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        if not self._counts(module):
            return
        for tensor in tensors_in(output):
            if type(tensor) is Tensor and tensor.requires_grad:
                self._stage.mark(
                    tensor, "returned" if tensor.numel() > 1 or tensor.ndim > 1 else "loss"
                )
        self._evaluation.after_forward(output)
        if not self._unheld.done:
            self._unheld.returned(self._iteration, tensors_in(output))

    def _counts(self, module: nn.Module) -> bool:
        """Whether a pass is one of the training: no replica, no checkpoint that computes again."""
        recomputed = torch._C._current_graph_task_id() != -1
        return module is self._model and not (recomputed or untouchable() or looked_at())

    # -- what is made of it ----------------------------------------------------------------------

    def _evaluate(self) -> None:
        found = self._evaluation.measure(self._criterion.last, self._own_loss)
        self._evaluated |= found
        self._news = self._news or bool(found)

    def _measure(self, result: LossNumbers) -> None:
        result.stage = self._stage.measure()
        result.steps = self._criterion.measure() | self._evaluated
        if result.stage.gain is not None:
            result.steps["output_gain"] = result.stage.gain

    def _begin(self) -> None:
        self._seen = 0
        self._own_loss = False
        self._news = False  # whether `backward` or an evaluation has shown more since
        self._evaluated: dict[str, Tensor | float] = {}

    def _parameters(self) -> set[int]:
        if self._sharded:
            return set()  # what the graph leads to are gathered copies
        return {id(parameter) for parameter in self._held if parameter.requires_grad}

    def _failed(self, error: Exception) -> None:
        self.trouble = f"{type(error).__name__}: {error}"
        self.detach()


def looked_at() -> bool:
    """Whether somebody looks at every operation now: `Watch.trace`, a counter of FLOPs."""
    return _get_current_dispatch_mode() is not None


def _nothing() -> None:
    """Do nothing: where the observation has ended."""
