"""A loss seen for one or several iterations, without a watch around it."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from gradlab.adapters.torch.observe.loss_side import LossNumbers, LossSide


def seen(
    model: nn.Module, *steps: Callable[[], Tensor | None], iteration: int = 0
) -> list[LossNumbers]:
    """Run each step as an iteration of its own; it calls `backward` or returns a loss."""
    side = LossSide(model)
    found = []
    try:
        for number, step in enumerate(steps):
            side.attach(iteration + number)
            loss = step()
            if loss is not None:
                loss.backward()
            side.evaluate()
            found.append(side.measure())
    finally:
        side.detach()
    assert side.trouble is None, side.trouble
    return found


def last(
    model: nn.Module, *steps: Callable[[], Tensor | None], iteration: int = 0
) -> dict[str, float]:
    """Return the step columns of the last iteration."""
    numbers = seen(model, *steps, iteration=iteration)[-1].steps
    return {name: float(value) for name, value in numbers.items()}
