"""What an optimizer's step did to a parameter that is not finite any more."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.measure.groups import local
from gradlab.adapters.torch.modules import clean
from gradlab.adapters.torch.origin import places, seen
from gradlab.adapters.torch.origin.answer import UPDATE, Origin
from gradlab.adapters.torch.origin.places import Frame


@dataclass(frozen=True)
class Step:
    """The last step of an optimizer: its settings, group by group, and where it was called."""

    optimizer: Any
    settings: tuple[dict[str, Any], ...]
    frames: tuple[Frame, ...]


class Updates:
    """Knows the last step of every optimizer."""

    def __init__(self, model: nn.Module):
        self._model = model
        self._steps: dict[int, Step] = {}

    def stepped(self, optimizer: Any) -> None:
        """Know that an optimizer has stepped."""
        settings = tuple(map(dict.copy, optimizer.param_groups))
        self._steps[id(optimizer)] = Step(optimizer, settings, places.frames_above(most=3))

    @torch.no_grad()
    def origin(self) -> Origin | None:
        """Return the first parameter that is not finite, and what its last step has to do with it.

        None where all are finite.
        """
        for name, parameter in self._model.named_parameters():
            if not parameter.is_floating_point() or seen.is_finite(local(parameter)):
                continue
            return self._of_parameter(clean(name), parameter)
        return None

    def explained(self, origin: Origin) -> Origin:
        """Return an origin with the numbers of the step that took its parameter out of range."""
        if not origin.parameter:
            return origin
        known = {clean(name): each for name, each in self._model.named_parameters()}
        parameter = known.get(origin.parameter)
        if parameter is None:
            return origin
        step, group = self._step_of(parameter)
        if hasattr(parameter, "to_local"):  # which shard holds the number, only its process knows
            rate = "" if group is None else f", learning rate {_number(group.get('lr')):.3g}"
            words = f"it is parameter {origin.parameter}, as the last step left it{rate}"
            return origin.with_details(source=words, key="domain")
        index = _lowest(parameter)
        now = float(parameter.detach()[index]) if index else float(parameter.detach())
        words = f"parameter {origin.parameter} is {now:.4g} at {list(index)}"
        if step is not None and group is not None:
            before = _before(step.optimizer, parameter, index, group, now)
            if before is not None:
                words += f": the last step took it there from {before:.4g}"
            words += f" (learning rate {_number(group.get('lr')):.3g})"
        return origin.with_details(source=words, key="domain", details={"value": now})

    def _step_of(self, parameter: Tensor) -> tuple[Step | None, dict[str, Any] | None]:
        for step in self._steps.values():
            for group, settings in zip(step.optimizer.param_groups, step.settings, strict=False):
                if any(each is parameter for each in group["params"]):
                    return step, settings
        return None, None

    def _of_parameter(self, name: str, parameter: Tensor) -> Origin:
        here = local(parameter)
        index = seen.first_bad(here) or ()
        step, group = self._step_of(parameter)
        origin = Origin(
            UPDATE, name.rpartition(".")[0], "update", str(seen.look(here)),
            index=() if hasattr(parameter, "to_local") else index, key="update", parameter=name,
        )  # fmt: skip
        if step is None or group is None:
            words = "no optimizer that is watched has stepped it: it was written over, or loaded so"
            return origin.with_details(key="overwritten", why=words)
        key, words, details = _reason(step.optimizer, parameter, index, group)
        own = None if key == "overwritten" else places.outermost(step.frames)
        return origin.with_details(
            key=key, why=words, details=details, place=None if own is None else places.place([own])
        )


def _reason(
    optimizer: Any, parameter: Tensor, index: tuple[int, ...], group: dict[str, Any]
) -> tuple[str, str, dict[str, Any]]:
    """Say which number of a step made an element that is not finite."""
    rate, epsilon = _number(group.get("lr")), _number(group.get("eps"))
    decay = _number(group.get("weight_decay"))
    state = optimizer.state.get(parameter, {})
    second = _at(state.get("exp_avg_sq", state.get("square_avg", state.get("sum"))), index)
    first = _at(state.get("exp_avg", state.get("momentum_buffer")), index)
    kind = str(parameter.dtype).removeprefix("torch.")
    numbers = {
        "learning_rate": rate, "eps": epsilon, "weight_decay": decay, "second_moment": second,
        "first_moment": first,
    }  # fmt: skip
    details = {name: value for name, value in numbers.items() if math.isfinite(value)}
    if math.isnan(rate) or math.isinf(rate):
        return "rate", f"the learning rate of the step was {rate}", details
    if second == 0 and _rounded(epsilon, parameter.dtype) == 0:
        rounds = f", and eps={epsilon:.3g} is 0 in {kind}" if epsilon else " and eps is 0"
        return (
            "epsilon",
            f"{type(optimizer).__name__} divides {first:.3g} by 0: the second moment is 0{rounds}",
            details,
        )
    if math.isinf(second):
        return "second moment", f"the second moment overflows {kind}", details
    if abs(rate * decay) > 2:
        return (
            "weight decay",
            f"weight decay {decay:.3g} times learning rate {rate:.3g} is above 2: every step turns "
            "the weights around and makes them larger",
            details,
        )
    built_in = type(optimizer).__module__.startswith("torch.optim")
    divides_by_zero = _rounded(epsilon, parameter.dtype) == 0 and not math.isnan(epsilon)
    if built_in and math.isnan(_at(parameter, index)) and not divides_by_zero:
        words = "no number of its last step makes NaN: it was written over, or loaded so, since"
        return "overwritten", words, details
    return "update", f"a step of learning rate {rate:.3g} left {kind}'s range", details


def _at(values: Any, index: tuple[int, ...]) -> float:
    values = local(values) if isinstance(values, Tensor) else values
    if not isinstance(values, Tensor) or values.ndim != len(index):
        return math.nan
    return float(values[index]) if index else float(values)


def _rounded(value: float, dtype: torch.dtype) -> float:
    return float(torch.tensor(0.0 if math.isnan(value) else value, dtype=dtype))


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return math.nan


@torch.no_grad()
def _lowest(parameter: Tensor) -> tuple[int, ...]:
    flat = int(parameter.detach().reshape(-1).argmin())
    return tuple(seen.unravel(flat, parameter.shape))


def _before(
    optimizer: Any, parameter: Tensor, index: tuple[int, ...], group: dict[str, Any], now: float
) -> float | None:
    """Return what an element was before Adam's last step; None where that cannot be told."""
    state = optimizer.state.get(parameter, {})
    first, second = _at(state.get("exp_avg"), index), _at(state.get("exp_avg_sq"), index)
    betas, step = group.get("betas"), _number(state.get("step"))
    if math.isnan(first) or math.isnan(second) or betas is None or not step >= 1:
        return None
    mean = first / (1 - betas[0] ** step)
    root = math.sqrt(second / (1 - betas[1] ** step)) + _number(group.get("eps"))
    rate = _number(group.get("lr"))
    return now + rate * mean / root if root > 0 and math.isfinite(rate) else None
