"""`Uses`: what each parameter is used for, found out in the first iteration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from gradlab.adapters.torch.modules import LOOKUPS, PRODUCTS, is_scripted, tensors_of
from gradlab.adapters.torch.observe.hooks import Guard
from gradlab.adapters.torch.observe.product import ENTRY_BY_ENTRY, consumers, ends_in, products
from gradlab.adapters.torch.rows import Row


def is_open(row: Row) -> bool:
    """Whether the class of its module leaves open what a parameter is used for."""
    known = isinstance(row.owner, (*PRODUCTS, *LOOKUPS, nn.LayerNorm, nn.RMSNorm))
    return row.parameter.ndim > 1 and not known


class Uses:
    """Finds out in the first iteration what parameters are used for: an `Observer`.

    Attributes
    ----------
    found : dict of int to (bool or None)
        By parameter's id: whether the matrix is kept as (fan_out, fan_in); None of a parameter that
        multiplies nothing.
    plain : set of int
        Those whose module answers z = h W + b, and nothing else.
    """

    def __init__(self, rows: Sequence[Row], guard: Guard):
        self._guard = guard
        self._owners: dict[int, nn.Module] = {}
        self._wanted: dict[int, set[int]] = {}
        for row in rows:
            if is_open(row) and not is_scripted(row.owner):
                self._owners[id(row.owner)] = row.owner
                self._wanted.setdefault(id(row.owner), set()).add(id(row.parameter))
        self._open: dict[int, int] = {}
        self._handles: list[Any] = []
        self._settled = False
        self.found: dict[int, bool | None] = {}
        self.plain: set[int] = set()

    def attach(self, iteration: int) -> None:
        """Hang hooks on the modules whose class is not known, until the first iteration is over."""
        if self._settled or self._handles:
            return
        for key, owner in self._owners.items():
            before = self._guard(partial(self._before, key))
            after = self._guard(partial(self._after, key))
            self._handles.append(owner.register_forward_pre_hook(before))
            self._handles.append(owner.register_forward_hook(after))

    def begin_pass(self) -> None:
        """Nothing is kept from one forward pass to the next."""

    def before_step(self) -> None:
        """Nothing of this waits for gradients."""

    def settle(self) -> None:
        """Know enough, and look no more."""
        self._settled = True
        self.detach()

    def measure(self) -> None:
        """Nothing of this is measured."""

    def forget(self) -> None:
        """Nothing of this belongs to one iteration."""

    def detach(self) -> None:
        """Take all hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def applied(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows as the graph shows them to be; those it does not show, as they are.

        Where no matrix would be left (all weights are drawn anew in each pass, say), all stay.
        """
        applied = [self._applied(row) for row in rows]
        return applied if any(row.is_matrix for row in applied) else list(rows)

    def _applied(self, row: Row) -> Row:
        if id(row.parameter) not in self.found or not is_open(row):
            return row
        transposed = self.found[id(row.parameter)]
        return row.as_vector() if transposed is None else row.as_matrix(transposed)

    def _before(self, key: int, module: nn.Module, arguments: Any) -> None:
        self._open[key] = torch.autograd._get_sequence_nr()  # pyright: ignore[reportPrivateImportUsage]

    def _after(self, key: int, module: nn.Module, arguments: Any, output: Any) -> None:
        start = self._open.pop(key, None)
        answers = [each for each in tensors_of(output) if each.requires_grad]
        if start is None or not answers:
            return
        for parameter, kinds in consumers(answers, start, self._wanted[key]).items():
            if kinds <= ENTRY_BY_ENTRY:
                self.found.setdefault(parameter, None)
        for product in products(answers, start, self._wanted[key]):
            self.found[id(product.parameter)] = product.transposed
            if ends_in(answers[0].grad_fn, product.node):
                self.plain.add(id(product.parameter))
