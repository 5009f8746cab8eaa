"""Changes of how steps are taken: rate, schedule, clipping, decay, sign, emptied gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from gradlab.adapters.torch.cures.around import Apply, Optimizer, Option, Stage
from gradlab.rules import Remedy
from gradlab.run import Run

USUAL_FACTOR = 10.0


def lower_rate(remedy: Remedy, run: Run) -> Iterator[Option]:
    """Take smaller steps: by the factor of the remedy, and by 10, 100 and 1,000."""
    yield from _rate(remedy, run, up=False)


def raise_rate(remedy: Remedy, run: Run) -> Iterator[Option]:
    """Take larger steps: by the factor of the remedy, by 10, and by 10 and 100 times the factor."""
    yield from _rate(remedy, run, up=True)


def _rate(remedy: Remedy, run: Run, *, up: bool) -> Iterator[Option]:
    factor = float(remedy.parameters.get("factor", USUAL_FACTOR))
    further = (factor * 10, factor * 100) if up else (USUAL_FACTOR**2, USUAL_FACTOR**3)
    for each in dict.fromkeys((factor, USUAL_FACTOR, *further)):
        if not 1 < each < math.inf:
            continue
        times = each if up else 1 / each
        yield f"lr {_new_rate(run, times)}", f"lr={_new_rate(run, times)}", _scaling(times)


def _scaling(times: float) -> Apply:
    return lambda stage: stage.rates(lambda now, _first, _number: now * times)


def _new_rate(run: Run, times: float) -> str:
    rate = run.config.get("learning_rate")
    if isinstance(rate, float) and rate > 0:  # a warm-up may begin at 0
        return f"{rate * times:.3g}"
    return f"times {times:.3g}"


def warm_up(remedy: Remedy, run: Run) -> Iterator[Option]:
    """Let the rate rise over the first steps."""
    least = max(1, run.iterations // 4)
    length = min(int(remedy.parameters.get("iterations", 50)), least)

    def apply(stage: Stage) -> None:
        stage.rates(lambda now, _first, number: now * min(1.0, (number + 1) / length))

    line = f"LinearLR(optimizer, start_factor=0.01, total_iters={length}), stepped each iteration"
    yield f"warm-up {length}", line, apply


def hold_rate(remedy: Remedy, run: Run) -> Iterator[Option]:
    """Hold the rate at the schedule's largest, at its first, or at the optimizer's own.

    Of a warm-up that is too long, the largest is not yet what it leads to: the optimizer's own is.
    """
    rates = run.step("learning_rate")[:, 0]
    known = rates[rates == rates]
    largest = float(known.max()) if len(known) else 0.0

    def apply(stage: Stage) -> None:
        stage.rates(lambda now, first, _number: max(now, first, largest * (len(known) > 0)))

    def held(stage: Stage) -> None:
        stage.rates(lambda _now, first, _number: first)

    line = "leave the schedule out, or give it as many steps as the training has"
    if remedy.action == "shorten warm-up":
        yield "lr of the optimizer held", line, _hold_own
    yield f"lr held at {largest:.3g}", line, apply
    yield "lr of the first step held", line, held
    base = run.config.get("learning_rate")
    if remedy.action != "shorten warm-up" and isinstance(base, float) and base > largest:
        yield f"lr held at {base:.3g}", line, lambda stage: stage.rates(lambda *_: base)


def _hold_own(stage: Stage) -> None:
    """Hold the rates that the optimizers were made with."""
    own = {
        id(group): group.get("initial_lr", group["lr"])
        for optimizer in stage.optimizers
        for group in optimizer.param_groups
    }

    def before(optimizer: Optimizer, _number: int) -> None:
        for group in optimizer.param_groups:
            group["lr"] = own.get(id(group), group["lr"])

    stage.at_each_step(before)


def clip(remedy: Remedy, _run: Run) -> Iterator[Option]:
    """Shorten long gradients ahead of each step."""
    most = float(remedy.parameters.get("norm", 1.0))

    def before(optimizer: Optimizer, _number: int) -> None:
        held = [each for group in optimizer.param_groups for each in group["params"]]
        nn.utils.clip_grad_norm_([each for each in held if each.grad is not None], most)

    line = f"nn.utils.clip_grad_norm_(model.parameters(), {most:g}) before optimizer.step()"
    yield f"clip {most:g}", line, lambda stage: stage.at_each_step(before)


def raise_clip(remedy: Remedy, _run: Run) -> Iterator[Option]:
    """Let a clipping that is there already leave longer gradients."""
    most = float(remedy.parameters.get("max_norm", 1.0))
    module = torch.nn.utils.clip_grad

    def wrapper(
        original: Callable[..., Any], parameters: Any, _old: float, *rest: Any, **named: Any
    ) -> Any:
        return original(parameters, most, *rest, **named)

    def apply(stage: Stage) -> None:
        stage.patch(module, "_clip_grads_with_norm_", wrapper)

    yield f"clip {most:g}", f"clip_grad_norm_(model.parameters(), {most:g})", apply


def usual_epsilon(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    """Give the optimizer PyTorch's usual epsilon."""
    yield "eps 1e-08", "eps=1e-8", _grouping(eps=1e-8)


def _grouping(**values: Any) -> Apply:
    """Set these in each group of an optimizer that has them."""

    def apply(stage: Stage) -> None:
        for optimizer in stage.optimizers:
            for group in optimizer.param_groups:
                group.update({key: value for key, value in values.items() if key in group})

    return apply


def lower_decay(remedy: Remedy, run: Run) -> Iterator[Option]:
    """Lower the weight decay, or take it away."""
    old = run.config.get("weight_decay")
    wanted = remedy.parameters.get("weight_decay")
    if wanted is None and isinstance(old, float):
        wanted = old / 100
    for value in dict.fromkeys((wanted, 0.0)):
        if value is not None:
            line = f"weight_decay={value:g}"
            yield f"weight decay {value:g}", line, _grouping(weight_decay=value)


def flip_sign(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    """Step against the gradient, where steps go along it."""

    def before(optimizer: Optimizer, _number: int) -> None:
        for group in optimizer.param_groups:
            for each in group["params"]:
                if each.grad is not None:
                    each.grad.neg_()

    def apply(stage: Stage) -> None:
        flipped = [
            group
            for optimizer in stage.optimizers
            for group in optimizer.param_groups
            if group.get("maximize")
        ]
        for group in flipped:
            group["maximize"] = False
        if not flipped:
            stage.at_each_step(before)

    yield "sign flipped", "loss.backward() on the loss itself, not on its negative", apply


def empty_gradients(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    """Empty the gradients behind each step."""

    def apply(stage: Stage) -> None:
        stage.at_each_step(lambda *_: None, lambda optimizer: optimizer.zero_grad())

    yield "zero_grad", "optimizer.zero_grad() after each optimizer.step()", apply
