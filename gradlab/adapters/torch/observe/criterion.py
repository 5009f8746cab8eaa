"""What the usual criteria tell: the loss by itself, and what a constant answer would have cost.

A call counts once `backward` has gone through it: what a user computes to look at is no training.
Calls of different criteria, from different lines or of different heads are different tasks, and no
baseline is claimed for their mixture.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradlab.adapters.torch.observe.constant import Frequencies, Pool

TASKS_KEPT = 16
OF_NUMBERS = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")


@dataclass(eq=False)
class Call:
    """One call of a criterion, without its graph: what is kept keeps no activations alive.

    Attributes
    ----------
    total, count : Tensor or float
        Their ratio is the value by the mean reduction.
    known_count : bool
        Whether the count is known; else only a value that is a mean already can be told.
    pool : Pool or None
        What the targets tell; None where the best constant is not known.
    steady : Tensor or None
        Whether all targets of the call are one number: so are those of a discriminator.
    place : tuple
        Where it was called from.
    fit : Tensor or None
        See `exchanged.own_over_exchanged`.
    right : Tensor or None
        See `exchanged.right_share`.
    chances : Tensor, bool or None
        Whether the answers are probabilities; None where no criterion minds.
    other_axis : Tensor, bool or None
        See `chances.over_other_axis`.
    misread : tuple of int or None
        See `viewed.misread_shape`.
    log_input : bool or None
        Whether answers are logarithms of what the targets are compared with, where a criterion
        asks.
    heads : frozenset of int
        The parameters of the last trainable map before it, once `backward` has shown them.
    number : int
        Of the call, in time.
    pooled : bool
        Whether its targets are among those seen.
    """

    name: str
    reduction: str
    arguments: dict[str, Any]
    answer_name: str
    answer_shape: tuple[int, ...]
    target_shape: tuple[int, ...]
    count: Tensor | float
    known_count: bool
    total: Tensor | float | None = None
    pool: Pool | None = None
    steady: Tensor | None = None
    target_sums: tuple[int, Tensor, Tensor] | None = None
    place: tuple[Any, ...] = ()
    fit: Tensor | None = None
    right: Tensor | None = None
    chances: Tensor | bool | None = None
    other_axis: Tensor | bool | None = None
    misread: tuple[int, ...] | None = None
    log_input: bool | None = None
    autocast: tuple[str, bool, torch.dtype] = ("cpu", False, torch.bfloat16)
    heads: frozenset[int] = field(default_factory=frozenset)
    number: int = field(default_factory=itertools.count().__next__)
    pooled: bool = False

    def total_of(self, result: Tensor) -> Tensor | float | None:
        """Return what a result adds up to: count times its mean; None where that cannot be told."""
        value: Any = result.detach().double()
        if self.reduction != "none" and value.device.type == "cpu" and value.numel() == 1:
            value = np.float64(value.item())  # it divides by 0 as a tensor does
        if self.reduction == "mean":
            return value * self.count
        if not self.known_count:
            return None
        if self.reduction == "batchmean":
            return value * self.answer_shape[0]
        return value.sum()

    @property
    def task(self) -> tuple[Any, ...]:
        """What two calls must share to be one task."""
        outcomes = len(self.pool.sums) if isinstance(self.pool, Frequencies) else None
        return self.name, self.place, outcomes, self.heads


class Criterion:
    """Pools the targets of the criterion that a training minimizes."""

    def __init__(self):
        self._pools: dict[Any, Pool | None] = {}
        self._calls: list[Call] = []
        self._latest: dict[str, Any] | None = None
        # Of the call that `_latest` describes: its `chances` and its `other_axis`.
        self._given: tuple[Tensor | bool | None, Tensor | bool | None] = None, None

    def attach(self, iteration: int) -> None:
        """Begin an iteration."""
        self.forget()

    def confirm(self, call: Call) -> None:
        """Know that `backward` went through a call."""
        if not any(call is each for each in self._calls):
            for earlier in self._calls:
                earlier.arguments = {}  # only the last batch may be asked for again
            self._calls.append(call)
            self._calls.sort(key=lambda each: each.number)

    @property
    def last(self) -> Call | None:
        """The last call of the iteration, if all of its calls are of one task."""
        return self._calls[-1] if len(self._tasks) == 1 else None

    @property
    def _tasks(self) -> list[Any]:
        return list(dict.fromkeys(call.task for call in self._calls))

    @torch.no_grad()
    def measure(self) -> dict[str, Tensor | float]:
        """Return the numbers of the iteration so far, by column; a baseline of NaN is not known."""
        calls, tasks = self._calls, self._tasks
        for call in calls:
            if not call.pooled:
                call.pooled = True
                self._pool(call)
        if calls:
            self._latest, self._given = _described(calls), _given(calls)
        if len(tasks) != 1:
            return {**_largest_targets(calls)}
        result: dict[str, Tensor | float] = {}
        if all(call.total is not None for call in calls):
            total = _summed([call.total for call in calls])
            result["criterion_loss"] = total / _summed([call.count for call in calls])
        pool = self._pools.get(tasks[0])
        if pool is not None:
            unclear = [call.steady for call in calls if call.steady is not None]
            baseline = pool.loss()
            if unclear:
                clear = ~torch.stack(unclear).any()
                baseline = torch.as_tensor(baseline, device=clear.device).where(clear, torch.nan)
            result["criterion_baseline"] = baseline
        fits = [call.fit for call in calls if call.fit is not None]
        if len(fits) == len(calls):
            result["target_fit"] = _summed(fits) / len(fits)
        shares = [call.right for call in calls if call.right is not None]
        if shares and len(shares) == len(calls):
            result["right_share"] = _summed(shares) / len(shares)
        return result | _scale_of_targets(calls)

    def forget(self) -> None:
        """Forget the calls of the iteration, not their targets."""
        self._calls = []

    def detach(self) -> None:
        """Forget the calls of an iteration that was not measured."""
        self.forget()

    def describe(self) -> dict[str, Any] | None:
        """Return name, reduction and shapes of the last criterion, or None where none was seen.

        Where it was given probabilities and asks for something else, or logarithms of those of
        another axis than the classes', that is said.
        """
        known, (chances, axis) = self._latest, self._given
        if self._calls:
            known, (chances, axis) = _described(self._calls), _given(self._calls)
        if known is None:
            return None
        if chances is not None and bool(chances):
            return known | {"answers": "probabilities"}
        if axis is not None and bool(axis):
            return known | {"answers": "probabilities of another axis"}
        return known

    def _pool(self, call: Call) -> None:
        if call.task not in self._pools:
            if len(self._pools) < TASKS_KEPT:
                self._pools[call.task] = call.pool
            return
        known = self._pools[call.task]
        self._pools[call.task] = (
            None if known is None or call.pool is None else known.join(call.pool)
        )


def _scale_of_targets(calls: Sequence[Call]) -> dict[str, Tensor]:
    sums = [call.target_sums for call in calls if call.target_sums is not None]
    if not sums:
        return {}
    n = sum(each[0] for each in sums)
    scale = (_summed([each[2] for each in sums]) / n).sqrt()
    return {"target_mean": _summed([each[1] for each in sums]) / n, "target_rms": scale}


def _largest_targets(calls: Sequence[Call]) -> dict[str, Tensor]:
    """Return the scale of the targets of that task whose are the largest: it sets the loss."""
    tasks = dict.fromkeys(call.task for call in calls if call.name in OF_NUMBERS)
    scales = [_scale_of_targets([call for call in calls if call.task == task]) for task in tasks]
    known = [each for each in scales if each]
    if len(known) < 2:
        return known[0] if known else {}
    columns = {name: torch.stack([each[name] for each in known]) for name in known[0]}
    largest = columns["target_rms"].argmax()
    return {name: values[largest] for name, values in columns.items()}


def _summed(values: Sequence[Any]) -> Any:
    device = next((each.device for each in values if isinstance(each, Tensor)), None)
    moved = [each.to(device) if isinstance(each, Tensor) else each for each in values]
    return sum(moved[1:], moved[0])


def _given(calls: Sequence[Call]) -> tuple[Tensor | bool | None, Tensor | bool | None]:
    return calls[-1].chances, calls[-1].other_axis


def _described(calls: Sequence[Call]) -> dict[str, Any]:
    last = calls[-1]
    known = {
        "name": last.name,
        "answer_shape": list(last.answer_shape),
        "target_shape": list(last.target_shape),
        "reduction": last.reduction,
    }
    if last.misread is not None:
        known["misread_shape"] = list(last.misread)
    if last.log_input is not None:
        known["log_input"] = last.log_input
    tasks = list(dict.fromkeys(call.task for call in calls))
    if len(tasks) > 1:
        known["tasks"] = [task[0] for task in tasks]
    return known
