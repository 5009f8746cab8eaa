"""Parameters in main memory, measured by NumPy on the same bytes.

That takes a tenth of the time that a tensor kernel takes.

What is large is gone through in chunks that stay in a core's cache, so that each number comes from
memory once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradlab import measures
from gradlab.adapters.torch.ledger import Ledger
from gradlab.adapters.torch.measure.arrays import (
    array_of,
    bad,
    dots,
    norms,
    some_units,
)
from gradlab.adapters.torch.measure.groups import Group, dense, entries, local
from gradlab.sums import products, roots

Array = np.ndarray

# Entries: larger parameters are measured one by one, smaller ones of one shape stacked.
STACKED = 1 << 13
# Entries at a time: few enough for a core's cache, enough for a call to be worth it.
CHUNK = 1 << 16

_OF_NUMPY = torch.float32, torch.float64
GRADIENT = "gradient"
_OF_CHANGE = "update_norm", "after_bad"
_OF_BOTH = "decrease", "lost", "wanted"


class HostGroup(Group):
    """Parameters in main memory, as (k, n) arrays."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        first = local(self.parameters[0])
        self._sharded = hasattr(self.parameters[0], "to_local")
        # A stack has the parameters' own format; arrays are float32 at least.
        self._format = first.dtype, (len(self.parameters), *first.shape)
        self._buffers: dict[str, tuple[Tensor, Array | None]] = {}
        self._stack_is_new = False  # whether that stack holds the gradients as they are
        self._held = False  # whether it holds them as they were before they were clipped
        self._change: Array | None = None  # (k, n): W before this update, then W_before - W_after
        self._last_change: Array | None = None
        self._flags = np.empty((2, min(CHUNK, len(self.parameters) * self.size)), bool)

    def _stacked(self, tensors: Sequence[Any], role: str) -> Array:
        """Return tensors as an array (k, n).

        A large one as it is, small ones copied into the buffer of their role.
        """
        if self._sharded:
            tensors = [local(tensor) for tensor in tensors]
        if len(tensors) == 1:
            return array_of(tensors[0]).reshape(1, -1)
        if role not in self._buffers:
            buffer = torch.empty(self._format[1], dtype=self._format[0])
            same = buffer.dtype in _OF_NUMPY  # the array looks at the buffer's memory
            self._buffers[role] = (
                buffer,
                array_of(buffer).reshape(len(tensors), -1) if same else None,
            )
        buffer, array = self._buffers[role]
        torch.stack(list(tensors), out=buffer)
        return array_of(buffer).reshape(len(tensors), -1) if array is None else array

    def keep_gradients(self) -> None:
        """Keep them; the stack that was just measured holds them already."""
        self._held = self._stack_is_new
        if not self._held:
            super().keep_gradients()

    def forget_gradients(self) -> None:
        """Keep them no longer."""
        super().forget_gradients()
        self._held = self._stack_is_new = False

    def gradient_norms(self) -> tuple[Array, Array] | None:
        """Return which of the parameters have a gradient, and its norm."""
        found = self.gradient_squares()
        return None if found is None else (found[0], roots(found[1], found[2]))

    def gradient_squares(self) -> tuple[Array, Array, Array] | None:
        """Return which parameters have a gradient, its sums of squares, and the entries, (k, n)."""
        gradients = [parameter.grad for parameter in self.parameters]
        self._stack_is_new = False
        try:
            gradient = self._stacked(gradients, "weight" if self._held else GRADIENT)
            self._stack_is_new = len(gradients) > 1 and not self._held
        except (TypeError, AttributeError, RuntimeError):  # one is missing, or sparse
            return self._some_squares(gradients)
        return self.places, dots(gradient, gradient), gradient

    def _some_squares(self, gradients: Sequence[Any]) -> tuple[Array, Array, Array] | None:
        present = [index for index, gradient in enumerate(gradients) if gradient is not None]
        if not present:
            return None
        rows = [array_of(entries(gradients[index])).reshape(1, -1) for index in present]
        each = np.concatenate([norms(row) for row in rows])
        return self.places[present], each**2, each[:, None]

    def before(self, ledger: Ledger, iteration: int) -> None:
        """Measure the weights before an update, and keep them."""
        weight = self._stacked(self.parameters, "weight")
        if self.updates:
            self._change, self._last_change = self._last_change, self._change
            if self._change is None:
                self._change = np.empty_like(weight)
        values = self._copied(weight)
        if self.has_units:
            units = weight.reshape(-1, *self.shape)
            units = units.swapaxes(1, 2) if self.transposed else units
            values["unit_similarity"] = measures.unit_similarity(some_units(units))
        self.put(ledger, iteration, tuple(values), np.array(list(values.values())))
        if self.followed is not None:
            numbers, flats = self.followed
            found = weight.ravel()[flats].astype(np.float64)
            ledger.put(iteration, "followed", ("value",), numbers, found)

    def _copied(self, weight: Array) -> dict[str, Array]:
        """Return the norms of the weights, and of what has changed them since the last update.

        Copy them where their update is to be measured. A change whose square underflows is none.
        """
        if self._change is None:
            return {"weight_norm": norms(weight)}
        squares, outside = np.zeros(len(weight)), np.zeros(len(weight))
        for part in self._parts():
            copy, now = self._change[part], weight[part]
            if self._snapshot:
                np.subtract(now, copy, out=copy)
                outside[part[0]] += dots(copy, copy)
            np.copyto(copy, now)
            squares[part[0]] += dots(copy, copy)
        values = {"weight_norm": roots(squares, weight)}
        if self._snapshot:
            values["outside_norm"] = np.sqrt(outside)
        self._snapshot = False
        return values

    def snapshot(self) -> None:
        """Keep the weights as an update left them, for the next `before` to compare with."""
        if self.updates:
            if self._last_change is None:
                self._last_change = np.empty_like(self._stacked(self.parameters, "weight"))
            self._copy_into(self._last_change)
            self._snapshot = True

    def _copy_into(self, copy: Array) -> None:
        """Copy the parameters into an array (k, n)."""
        dtype, shape = self._format
        if self._sharded or len(self.parameters) == 1 or dtype not in _OF_NUMPY:
            np.copyto(copy, self._stacked(self.parameters, "weight"))
        else:
            torch.stack(list(self.parameters), out=torch.from_numpy(copy).view(shape))

    def measure(self, ledger: Ledger, iteration: int, follows: bool) -> None:
        """Measure the gradients and the update."""
        gradient, present = self._kept()
        after = None
        if self.updates:
            after = self._stacked(self.parameters, "weight")
        names, values = self._statistics(gradient, after, self._last_change if follows else None)
        if gradient is not None and len(present) < len(self.parameters):
            self._put_some(ledger, iteration, names, values, present)
        elif names:
            self.put(ledger, iteration, names, values)

    def _kept(self) -> tuple[Array | None, list[int]]:
        """Return the gradients as the loss left them, 0 where there is none, and which exist."""
        if self._held or self._stack_is_new:
            buffer, array = self._buffers[GRADIENT]
            array = array_of(buffer).reshape(len(buffer), -1) if array is None else array
            return array, list(range(len(array)))
        kept = self.gradients()
        present = [index for index, gradient in enumerate(kept) if gradient is not None]
        if len(present) == len(kept):
            return self._stacked([dense(each) for each in kept], GRADIENT), present
        if not present:
            return None, present
        rows = {index: array_of(local(dense(kept[index]))).ravel() for index in present}
        gradient = np.zeros((len(kept), self.size), rows[present[0]].dtype)
        for index, row in rows.items():
            gradient[index] = row
        return gradient, present

    def _put_some(
        self,
        ledger: Ledger,
        iteration: int,
        names: tuple[str, ...],
        values: Array,
        present: Sequence[int],
    ) -> None:
        """Put what there is: of a parameter without a gradient, only what concerns its update."""
        for name, row in zip(names, values, strict=True):
            some = slice(None) if name in (*_OF_CHANGE, "update_inner") else list(present)
            ledger.put(iteration, "parameters", (name,), self.places[some], row[some])

    def _parts(self) -> Iterator[tuple[slice, slice]]:
        """Go through (k, n) in chunks: some rows at a time, or some columns of a single one."""
        k, n = len(self.parameters), self.size
        if k == 1:
            for start in range(0, n, CHUNK):
                yield slice(0, 1), slice(start, start + CHUNK)
            return
        few = max(1, CHUNK // n)
        for start in range(0, k, few):
            yield slice(start, start + few), slice(0, n)

    def _statistics(
        self, gradient: Array | None, after: Array | None, last: Array | None
    ) -> tuple[tuple[str, ...], Array]:
        """Return names and their values (names, k).

        Where `after` is given, the update is left in `_change`.
        """
        change = None if after is None else self._change
        names = "square", "inner", "weight_inner", "decrease", "top", "lost", "wanted"
        sums = {name: np.zeros(len(self.parameters)) for name in names}
        for part in self._parts():
            rows = part[0]
            g = None if gradient is None else gradient[part]
            if change is not None and after is not None:
                c = change[part]  # W before the update
                if g is not None:
                    sums["weight_inner"][rows] += dots(g, c)
                np.subtract(c, after[part], out=c)
                sums["square"][rows] += dots(c, c)
                if last is not None:
                    sums["inner"][rows] += dots(c, last[part])
                if g is not None:
                    sums["decrease"][rows] += dots(g, c)
                    self._count(c, g, sums["lost"][rows], sums["wanted"][rows])
            if g is not None:
                top = np.maximum(g.max(axis=1), -g.min(axis=1))
                np.maximum(sums["top"][rows], top, out=sums["top"][rows])
        return self._named(sums, gradient, change, last)

    def _named(
        self,
        sums: dict[str, Array],
        gradient: Array | None,
        change: Array | None,
        last: Array | None,
    ) -> tuple[tuple[str, ...], Array]:
        values: dict[str, Array] = {}
        if change is not None:
            values["update_norm"] = roots(sums["square"], change)
            values["after_bad"] = bad(sums["square"], change)
            if last is not None:
                values["update_inner"] = products(sums["inner"], change, last)
        if gradient is not None:
            values["grad_max"], values["grad_bad"] = sums["top"], bad(sums["top"], gradient)
            if change is not None:
                values["decrease"] = products(sums["decrease"], gradient, change)
                values |= {name: sums[name] for name in ("weight_inner", "lost", "wanted")}
        return tuple(values), np.array(list(values.values()))

    def _count(self, change: Array, gradient: Array, lost: Array, wanted: Array) -> None:
        """Add how many entries have a gradient, and how many of these did not change at all."""
        still, pulled = (flags[: change.size].reshape(change.shape) for flags in self._flags)
        np.equal(change, 0, out=still)
        np.not_equal(gradient, 0, out=pulled)
        if np.count_nonzero(pulled) == pulled.size:  # as in most nets
            wanted += pulled.size // len(pulled)
        else:
            wanted += [np.count_nonzero(row) for row in pulled]
        if still.any():
            np.logical_and(still, pulled, out=still)
            lost += [np.count_nonzero(row) for row in still]

    def followed_now(self) -> tuple[Array, Array]:
        """Return the followed weights as they are."""
        assert self.followed is not None
        numbers, flats = self.followed
        return numbers, self._stacked(self.parameters, "weight").ravel()[flats].astype(np.float64)

    def moments(self, ledger: Ledger, iteration: int, found: Sequence[tuple[Tensor, Any]]) -> None:
        """Measure v and the factor that makes it v_hat."""
        stack = self._stacked([moment for moment, _ in found], "weight")
        size = np.full(len(found), float(self.size))  # of shards, which are of different sizes
        values = [size * measures.mean(stack[:, None]), size, [float(scale) for _, scale in found]]
        self.put(ledger, iteration, ("moment_sum", "moment_n", "moment_scale"), np.array(values))
