"""What is wrapped around a training while one trial lasts: its steps, its criterion, its model.

Everything is put back when the trial ends.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Optimizer = torch.optim.Optimizer
TINY = 1e-30  # a probability of 0 has no logarithm


class Enough(BaseException):
    """A short trial has had its steps; no `except Exception` of a loop keeps it."""


class Stage:
    """The live objects of one trial, and what is to be put back afterwards.

    Attributes
    ----------
    model : Module
    optimizers : list of Optimizer
    stack : ExitStack
        Closed when the trial has been scored.
    """

    def __init__(self, model: nn.Module, optimizers: Sequence[Optimizer], stack: ExitStack):
        self.model = model
        self.optimizers = list(optimizers)
        self.stack = stack

    def stop_after(self, steps: int) -> None:
        """Raise Enough where any optimizer is about to take a step beyond so many."""
        for optimizer in self.optimizers:
            count = [0]

            def before(*_arguments: Any, count: list[int] = count) -> None:
                if count[0] >= steps:
                    raise Enough
                count[0] += 1

            self.keep(optimizer.register_step_pre_hook(before))

    def at_each_step(
        self,
        before: Callable[[Optimizer, int], None],
        after: Callable[[Optimizer], None] | None = None,
    ) -> None:
        """Call `before(optimizer, number)` ahead of each step, and `after(optimizer)` behind it."""
        for optimizer in self.optimizers:
            count = [0]

            def ahead(each: Optimizer, *_arguments: Any, count: list[int] = count) -> None:
                before(each, count[0])
                count[0] += 1

            def behind(each: Optimizer, *_arguments: Any) -> None:
                if after is not None:
                    after(each)

            self.keep(optimizer.register_step_pre_hook(ahead))
            self.keep(optimizer.register_step_post_hook(behind))

    def rates(self, rate: Callable[[float, float, int], float]) -> None:
        """Take each step at `rate(now, at the first step, number)`; the group keeps its own.

        A schedule goes on from the rate that it had set itself.
        """
        first: dict[int, float] = {}
        own: dict[int, Any] = {}

        def before(optimizer: Optimizer, number: int) -> None:
            for group in optimizer.param_groups:
                key = id(group)
                own[key] = group["lr"]
                now = float(group["lr"])
                first.setdefault(key, now)
                _set_rate(group, rate(now, first[key], number))

        def after(optimizer: Optimizer) -> None:
            for group in optimizer.param_groups:
                if id(group) in own:
                    _set_rate(group, own[id(group)])

        self.at_each_step(before, after)

    def patch(self, place: Any, name: str, wrapper: Callable[..., Any]) -> None:
        """Let `place.name` be `wrapper(original, ...)` while the trial lasts."""
        original = getattr(place, name)

        def ours(*arguments: Any, **keywords: Any) -> Any:
            return wrapper(original, *arguments, **keywords)

        setattr(place, name, ours)
        self.stack.callback(setattr, place, name, original)

    def keep(self, handle: Any) -> None:
        """Remove a hook when the trial ends."""
        self.stack.callback(handle.remove)

    def before_model(self, hook: Callable[[tuple, dict], tuple[tuple, dict]]) -> None:
        """Let the model be called with what `hook(arguments, keywords)` returns."""
        self.keep(
            self.model.register_forward_pre_hook(
                lambda _module, args, kwargs: hook(args, kwargs), with_kwargs=True
            )
        )

    def behind_model(self, hook: Callable[[Any], Any]) -> None:
        """Let the model answer what `hook(answer)` returns."""
        self.keep(self.model.register_forward_hook(lambda _module, _args, answer: hook(answer)))


Apply = Callable[[Stage], None]
Option = tuple[str, str, Apply]
"""What a table calls a change, the line to change, and the change itself."""


def _set_rate(group: dict[str, Any], value: Any) -> None:
    if isinstance(group["lr"], Tensor) and not isinstance(value, Tensor):
        group["lr"] = torch.full_like(group["lr"], value)
    else:
        group["lr"] = value


class Standardizer:
    """Brings floating point inputs to mean 0 and deviation 1, by those of the first batch.

    Columns of a table each have their own; the pixels of a picture have one mean and deviation.
    """

    def __init__(self) -> None:
        self._known: dict[Any, tuple[Tensor, Tensor]] = {}

    def __call__(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """Return arguments and keywords, standardized."""
        given = tuple(self._one(place, value) for place, value in enumerate(args))
        return given, {name: self._one(name, value) for name, value in kwargs.items()}

    def _one(self, key: Any, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.dim() < 2:
            return value
        if key not in self._known:
            axes = tuple(range(value.dim() - 1)) if value.dim() < 4 else None
            wide = value.detach().double()
            mean = wide.mean(axes) if axes else wide.mean()
            spread = wide.std(axes, correction=0) if axes else wide.std(correction=0)
            spread = torch.where(spread > 0, spread, torch.ones_like(spread))
            self._known[key] = (mean.to(value.dtype), spread.to(value.dtype))
        mean, spread = self._known[key]
        return (value - mean) / spread


class Unscaled(torch.autograd.Function):
    """Answers in the targets' units: y = deviation z + mean, of what the model answers, z.

    Gradients are divided by deviation^degree, the loss's own growth with its units: the training is
    the one on standardized targets, and the answers stay in the user's units.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, mean: float, deviation: float, degree: int) -> Tensor:
        """Return y."""
        ctx.factor = deviation ** (1 - degree)
        return z * deviation + mean

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return dLoss/dz, of the loss on standardized targets."""
        return gradients[0] * ctx.factor, None, None, None


def with_answer(output: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a model's output with its answer changed: the first tensor of real numbers in it.

    Libraries answer with a tuple, a mapping or a dataclass; a `loss` in it is no answer.
    """
    if isinstance(output, Tensor):
        return change(output) if output.is_floating_point() else output
    if isinstance(output, Mapping):
        named: Any = output
    elif dataclasses.is_dataclass(output) and not isinstance(output, type):
        named = {each.name: getattr(output, each.name) for each in dataclasses.fields(output)}
    elif isinstance(output, (tuple, list)):
        named = dict(enumerate(output))
    else:
        return output
    for name, value in named.items():
        if name != "loss" and isinstance(value, Tensor) and value.is_floating_point():
            return _replaced(output, name, change(value))
    return output


def _replaced(output: Any, name: Any, value: Tensor) -> Any:
    """Return an output of the same kind with one of its parts replaced."""
    if isinstance(output, Mapping):
        changed = copy.copy(output)
        changed[name] = value  # pyright: ignore[reportIndexIssue]
        return changed
    if isinstance(output, (tuple, list)):
        parts = [value if place == name else each for place, each in enumerate(output)]
        made: Any = type(output)
        return made(*parts) if hasattr(output, "_fields") else made(parts)
    return dataclasses.replace(output, **{name: value})


def without_softmax(stage: Stage) -> None:
    """Give cross_entropy the logarithm of probabilities: log_softmax of it is itself."""

    def wrapper(original: Callable[..., Any], input: Tensor, *rest: Any, **named: Any) -> Any:
        return original(input.clamp_min(TINY).log(), *rest, **named)

    stage.patch(functional, "cross_entropy", wrapper)


def without_last(stage: Stage, operation: str) -> None:
    """Pass by the module that makes the model's last operation, such as a ReLU behind the head."""
    kind = operation.replace("_", "").lower()
    seen: list[tuple[Tensor, Tensor]] = []  # what the last such module was given, and answered

    def note(_module: nn.Module, given: tuple[Any, ...], answer: Tensor) -> None:
        seen[:] = [(given[0], answer)]

    def passed_by(output: Tensor) -> Tensor:
        given, answer = seen.pop() if seen else (output, output)
        same = output.data_ptr() == answer.data_ptr() and output.numel() == answer.numel()
        return given.reshape(output.shape) if same else output

    for module in stage.model.modules():
        if type(module).__name__.lower() == kind:
            if getattr(module, "inplace", False):
                setattr(module, "inplace", False)  # noqa: B010 - or what it was given would be lost
            stage.keep(module.register_forward_hook(note))
    stage.behind_model(lambda output: with_answer(output, passed_by))


def without_sigmoid(stage: Stage) -> None:
    """Give binary_cross_entropy_with_logits the logits of probabilities."""

    def wrapper(original: Callable[..., Any], input: Tensor, *rest: Any, **named: Any) -> Any:
        return original(torch.logit(input, 1e-7), *rest, **named)

    stage.patch(functional, "binary_cross_entropy_with_logits", wrapper)


ERRORS = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")


def same_shapes(stage: Stage) -> None:
    """Give the errors' criteria targets of the shape of the answers."""

    def wrapper(
        original: Callable[..., Any], input: Tensor, target: Tensor, *rest: Any, **named: Any
    ) -> Any:
        if input.shape != target.shape and input.numel() == target.numel():
            target = target.reshape(input.shape)
        return original(input, target, *rest, **named)

    for name in ERRORS:
        stage.patch(functional, name, wrapper)
