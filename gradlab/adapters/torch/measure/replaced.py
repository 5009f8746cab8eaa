"""Parameters that are made anew while a net is trained, and that no optimizer is told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.measure.thawed import held_by
from gradlab.adapters.torch.rows import Row


class Replaced:
    """Finds where another parameter stands than at the start, under the same name.

    The optimizer holds the old one, and moves what the model no longer uses. Those of a model in
    shards are made anew by design.

    Parameters
    ----------
    model : nn.Module
    optimizers : sequence of Optimizer
    """

    def __init__(self, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]):
        self._model, self._optimizers = model, optimizers
        sharded = any(hasattr(each, "_get_fsdp_state") for each in model.modules())
        self._first = {} if sharded else dict(model.named_parameters())
        self._names: dict[int, str] = {}
        self._seen: dict[str, tuple[Tensor, int]] = {}  # how often they had been written to

    def begin(self, rows: Sequence[Row]) -> None:
        """Know what the rows of the record are called."""
        self._names = {id(row.parameter): row.name for row in rows if row.learns}

    def facts(self) -> dict[str, list[str]]:
        """Return the names of those in no optimizer, for the record's provenance."""
        new = {
            name: each
            for name, each in self._model.named_parameters()
            if name in self._first and each is not self._first[name] and each.requires_grad
        }
        if not new:
            return {}
        held: set[Any] = set[int]().union(*map(held_by, self._optimizers))
        left = [name for name in new if id(new[name]) not in held and not self._moves(name, new)]
        olds = [id(self._first[name]) for name in left]
        found = [self._names[old] for old in olds if old in self._names]
        return {"replaced": found} if found else {}

    def _moves(self, name: str, new: Mapping[str, Tensor]) -> bool:
        """Whether somebody else has written to a new one since it was seen first."""
        now = new[name]
        if now.is_inference():
            return True
        before, version = self._seen.setdefault(name, (now, now._version))
        if before is not now:
            self._seen[name] = now, now._version
        return before is now and now._version > version
