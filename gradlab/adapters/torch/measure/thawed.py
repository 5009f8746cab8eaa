"""Parameters that thaw while a net is trained, and that no optimizer is told of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradlab.adapters.torch.rows import Row


class Thawed:
    """Finds what was frozen at first, gets a gradient later, and is never moved by anyone.

    An optimizer that was made of what asked for gradients then does not hold it. PyTorch counts how
    often a tensor is written to: what another loop trains, or loads, is written to.

    Parameters
    ----------
    optimizers : sequence of Optimizer
    """

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer]):
        self._optimizers = optimizers
        self._frozen: dict[str, tuple[Tensor, int]] = {}
        self._reached: set[str] = set()

    def begin(self, rows: Sequence[Row]) -> None:
        """Know which parameters are frozen at the first step."""
        frozen = [row for row in rows if not row.learns and not row.parameter.is_inference()]
        self._frozen = {row.name: (row.parameter, row.parameter._version) for row in frozen}

    def facts(self) -> dict[str, list[str]]:
        """Return the names of those that are in no optimizer, for the record's provenance.

        Nothing where a gradient has reached none of them.
        """
        asking = {
            name: parameter
            for name, (parameter, version) in self._frozen.items()
            if parameter.requires_grad and parameter._version == version
        }
        self._reached |= {name for name, each in asking.items() if each.grad is not None}
        if not self._reached:
            return {}
        held = set[int]().union(*map(held_by, self._optimizers))
        inside = {name for name, each in asking.items() if id(each) in held}
        return {"thawed": [name for name in asking if name in self._reached - inside]}


def held_by(optimizer: Any) -> set[int]:
    """Return the ids of what an optimizer holds."""
    return {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
