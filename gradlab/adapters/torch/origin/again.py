"""A batch that was kept is run again: what is not finite in it, and which rows have the largest
gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradlab.adapters.torch.measure.groups import local
from gradlab.adapters.torch.origin import seen, trace
from gradlab.adapters.torch.origin.answer import Origin
from gradlab.adapters.torch.origin.batch import Batch
from gradlab.adapters.torch.origin.together import Together
from gradlab.adapters.torch.origin.trace import Forward, Told
from gradlab.adapters.torch.origin.untouched import untouched
from gradlab.adapters.torch.sharding import reshard
from gradlab.errors import ArgumentError

ROWS_SEEN = 256  # whose gradients are computed one by one


@dataclass(frozen=True, eq=False)
class Replay:
    """What a batch showed when it was run again.

    Attributes
    ----------
    iteration : int
    origin : Origin or None
        Where a number was not finite first; None where all were.
    output : the model's answer, without its graph
    loss : float or None
        Of the loss function that was given.
    example_grad_norms : tuple of float
        The norm of each example's part of the parameters' gradient, by row; empty where the
        examples cannot be told apart.
    trouble : str
        Why something is not known.
    """

    iteration: int
    origin: Origin | None
    output: Any
    loss: float | None = None
    example_grad_norms: tuple[float, ...] = ()
    trouble: str = ""

    @property
    def worst_rows(self) -> list[int]:
        """Rows by their gradients' norms: those that are not finite first, then the largest."""
        norms = np.array(self.example_grad_norms, np.float64)
        return np.argsort(-np.where(np.isfinite(norms), norms, np.inf), kind="stable").tolist()

    def __str__(self) -> str:
        told = "every number is finite" if self.origin is None else str(self.origin)
        rows = ", ".join(str(row) for row in self.worst_rows[:5])
        first = f"; rows with the largest gradients: {rows}" if rows else ""
        loss = "" if self.loss is None else f"; the loss is {self.loss:.6g}"
        return f"iteration {self.iteration} again: {told}{loss}{first}"


def run_again(
    model: nn.Module,
    batch: Batch,
    loss_fn: Callable[[Any], Tensor] | None,
    together: Together,
) -> Replay:
    """Run the newest forward pass of a batch again, with the weights as they are now.

    Parameters
    ----------
    loss_fn : callable, optional
        Takes what the model answers, and returns the loss. Without it, the gradient that came to
        the model's outputs in that iteration is gone back from.
    together : Together
        The processes among which the parameters lie in shards: all of them call this.

    Raises
    ------
    ArgumentError
        `loss_fn` returns no single number.
    """
    call = batch.calls[-1]
    told = _told(model, call, loss_fn, together)
    norms: tuple[float, ...] = ()
    with untouched(model, call.generators):
        output = call()
        loss = None if loss_fn is None else _loss(loss_fn, output)
        if together.alone:
            norms = _by_example(model, call, trace.outputs_of(output), loss)
        value = None if loss is None else float(loss.detach())
    reshard(model)
    trouble = told.trouble
    if not together.alone and not trouble:
        trouble = "in shards, the gradient is not taken apart by example"
    if not all(seen.is_finite(local(each)) for each in model.parameters()):
        trouble = "the weights are not finite any more: on_nonfinite='stop' keeps them as they were"
    return Replay(batch.iteration, told.origin, _bare(output), value, norms, trouble)


def _told(
    model: nn.Module,
    call: Forward,
    loss_fn: Callable[[Any], Tensor] | None,
    together: Together,
) -> Told:
    if loss_fn is None:
        return trace.of_pass(call, together)
    return trace.of_call(model, lambda: _loss(loss_fn, call()), together)


def _loss(loss_fn: Callable[[Any], Tensor], output: Any) -> Tensor:
    loss = loss_fn(output)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise ArgumentError("loss_fn must return the loss, a single number")
    return loss


def _by_example(
    model: nn.Module, call: Forward, outputs: Sequence[Tensor], loss: Tensor | None
) -> tuple[float, ...]:
    """Return the norm of each example's part of the gradient: its row's, gone back from alone."""
    if not outputs or not outputs[0].ndim or len(outputs[0]) > ROWS_SEEN:
        return ()
    gradients: Sequence[Tensor | None] = call.gradients
    if loss is not None and loss.requires_grad:
        gradients = torch.autograd.grad(loss, outputs, retain_graph=True, allow_unused=True)
    rows = len(outputs[0])
    pairs = [
        (output, gradient)
        for output, gradient in zip(outputs, gradients, strict=False)
        if gradient is not None and gradient.shape == output.shape and len(output) == rows
    ]
    if not pairs:
        return ()
    norms = []
    for row in range(rows):
        parts = [gradient[row : row + 1] for _, gradient in pairs]
        norms.append(_norm(model, [output[row : row + 1] for output, _ in pairs], parts))
    if all(math.isfinite(each) for each in norms):
        return tuple(norms)
    # In a batch, 0 times the infinity of one row is NaN in all: each row goes alone.
    return _alone(model, call, [gradient for _, gradient in pairs], rows) or tuple(norms)


def _norm(model: nn.Module, ends: Sequence[Tensor], gradients: Sequence[Tensor]) -> float:
    leaves = [each for each in model.parameters() if each.requires_grad]
    found = torch.autograd.grad(ends, leaves, gradients, retain_graph=True, allow_unused=True)
    squares = [each.double().square().sum() for each in found if each is not None]
    return math.sqrt(float(sum(squares))) if squares else 0.0


def _alone(
    model: nn.Module, call: Forward, gradients: Sequence[Tensor], rows: int
) -> tuple[float, ...]:
    """Return the norms of rows that go through the model one by one; nothing where it refuses."""

    def cut(value: Any, row: int) -> Any:
        whole = isinstance(value, Tensor) and value.ndim and len(value) == rows
        return value[row : row + 1] if whole else value

    norms = []
    for row in range(rows):
        arguments = tuple(cut(each, row) for each in call.arguments)
        keywords = {name: cut(each, row) for name, each in call.keywords.items()}
        try:
            outputs = trace.outputs_of(call.again(arguments, keywords))
            parts = [each[row : row + 1] for each in gradients]
            norms.append(_norm(model, outputs, parts))
        except (RuntimeError, ValueError):  # a norm over the batch, say, needs more than one row
            return ()
    return tuple(norms)


def _bare(value: Any) -> Any:
    """Return an answer without its graph."""
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_bare(each) for each in value)
    if type(value) is dict:
        return {name: _bare(each) for name, each in value.items()}
    return [each.detach() for each in seen.floating(value)]
