"""Puts what is seen of the loss into the record: numbers into the ledger, operations beside it."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradlab.adapters.torch.ledger import Ledger, single
from gradlab.adapters.torch.observe.loss_side import LossSide

SCALED = "multiply"  # how a GradScaler's scale appears in the graph
SAME = 1e-3


class LossObserver:
    """An observer (see `Observer`) of the loss.

    Parameters
    ----------
    side : LossSide
    ledger : Ledger
        With a table "net".
    """

    def __init__(self, side: LossSide, ledger: Ledger):
        self._side, self._ledger = side, ledger
        self._iteration = 0
        self._stages: dict[int, list[tuple[str, Tensor]]] = {}
        self._autocast: str | None = None  # until a pass is seen; "" where it is off

    def attach(self, iteration: int) -> None:
        """Begin to see an iteration."""
        self._iteration = iteration
        self._side.attach(iteration)

    def begin_pass(self) -> None:
        """Know that another forward pass begins."""
        if self._autocast is None:
            self._autocast = autocast_type()

    def settle(self) -> None:
        """Know that the first iteration has shown what it shows."""

    def before_step(self) -> None:
        """Know that an optimizer is about to step: the batch may be run in evaluation mode."""
        self._side.evaluate()

    def measure(self) -> None:
        """Put what was seen of the iteration so far into the ledger."""
        numbers = self._side.measure()
        for name, value in numbers.steps.items():
            self._ledger.put_of_net(self._iteration, name, single(name, value))
        if numbers.stage.factors:
            rows = [(operation, factor) for _, operation, factor in numbers.stage.factors]
            self._stages[self._iteration] = rows

    def forget(self) -> None:
        """Forget the iteration."""
        self._side.forget()

    def detach(self) -> None:
        """See no more."""
        self._side.detach()

    def stages(
        self, first: int, before: int, scales: np.ma.MaskedArray
    ) -> dict[int, list[tuple[str, float]]]:
        """Return the operations of iterations from `first` on; earlier ones are forgotten.

        `scales` is what a GradScaler multiplied the loss by in each of them: no operation of the
        user's, and not told.
        """
        self._stages = {n: self._stages[n] for n in sorted(self._stages) if n >= first}
        taken = {n: stage for n, stage in self._stages.items() if n < before}
        rows = [(n, *row) for n, stage in taken.items() for row in stage]
        if not rows:
            return {}
        device = rows[0][2].device
        factors = torch.stack([factor.to(device) for *_, factor in rows]).cpu().tolist()
        result: dict[int, list[tuple[str, float]]] = {}
        for (number, operation, _), factor in zip(rows, factors, strict=True):
            result.setdefault(number - first, []).append((operation, factor))
        scale = np.ma.filled(scales, 1.0)
        return {row: _unscaled(stage, float(scale[row])) for row, stage in result.items()}

    def config(self) -> dict[str, Any]:
        """Return what is known of criterion and precision by now, for the record's `config`."""
        known = self._side.describe()
        criterion = {} if known is None else {"criterion": known}
        return criterion | ({"autocast": self._autocast} if self._autocast else {})

    def facts(self) -> dict[str, Any]:
        """Return why something of the loss is not seen, for the record's provenance."""
        found = {
            "loss_not_seen": self._side.trouble,
            "not_evaluated": self._side.not_evaluated,
            "unheld": self._side.unheld(),
        }
        return {name: reason for name, reason in found.items() if reason is not None}


def autocast_type() -> str:
    """Return the number type that torch.autocast multiplies in now; "" where it is off."""
    for device in ("cuda", "cpu", "xpu", "mps"):
        with contextlib.suppress(RuntimeError):  # a device that this PyTorch does not know
            if torch.is_autocast_enabled(device):
                return str(torch.get_autocast_dtype(device)).removeprefix("torch.")
    return ""


def _unscaled(stage: list[tuple[str, float]], scale: float) -> list[tuple[str, float]]:
    """Leave out the multiplication of the loss by a GradScaler's scale: the last operation."""
    *before, (operation, factor) = stage
    if scale in (0.0, 1.0) or not operation.endswith(SCALED):
        return stage
    left = factor / scale
    return before if abs(left - 1) < SAME else [*before, (operation, left)]
