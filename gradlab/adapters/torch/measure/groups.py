"""Parameters of one shape, measured together.

Here those on a device, in `_host` those in main memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradlab.adapters.torch.ledger import Ledger, Slot
from gradlab.adapters.torch.measure import statistics
from gradlab.adapters.torch.numbers import OF_HISTOGRAMS
from gradlab.adapters.torch.rows import flat_shape

Array = np.ndarray


class Group:
    """Parameters of one shape and optimizer: several small ones, or a large one by itself.

    Attributes
    ----------
    numbers : list of int
        Of the parameters.
    matrices : bool
        Whether they are weight matrices: vectors have no units to compare.
    transposed : bool
        Whether each is (fan_out, fan_in).
    updates : bool
        Whether actual updates are measured.
    """

    def __init__(
        self,
        numbers: Sequence[int],
        parameters: Sequence[Tensor],
        matrices: bool,
        transposed: bool,
        updates: bool,
    ):
        self.numbers, self.parameters = list(numbers), list(parameters)
        self.places = np.array(self.numbers, np.intp)
        self.matrices, self.transposed, self.updates = matrices, transposed, updates
        self.shape = flat_shape(local(self.parameters[0]))
        # Numbers of followed weights, and where they lie in the stack.
        self.followed: tuple[Array, Any] | None = None
        self.unclipped: dict[
            int, Tensor
        ] = {}  # gradients as they were before they were clipped, by index
        self._slots: dict[tuple[str, ...], Slot] = {}
        self._measured = -2  # the iteration that was measured last
        self._snapshot = False  # whether the weights are kept as the last update left them

    @property
    def size(self) -> int:
        """How many entries each parameter has here."""
        return self.shape[0] * self.shape[1]

    @property
    def has_units(self) -> bool:
        """Whether the weights of two units can be compared here.

        A shard may cut through all of them.
        """
        cut = self.size < self.parameters[0].numel() and not self.transposed
        return self.matrices and self.shape[0 if self.transposed else 1] > 1 and not cut

    def follow(self, numbers: Array, flats: Array) -> None:
        """Follow single weights, which lie at `flats` of the stack."""
        self.followed = numbers, torch.as_tensor(flats, device=local(self.parameters[0]).device)

    def put(
        self, ledger: Ledger, iteration: int, names: tuple[str, ...], values: Array | Tensor
    ) -> None:
        """Put the numbers of all parameters into the ledger, (names, k)."""
        if names not in self._slots:
            self._slots[names] = ledger.tables["parameters"].slot(names, self.places)
        ledger.put_at(iteration, self._slots[names], values)

    def keep_gradients(self) -> None:
        """Keep the gradients as they are, before they are clipped, until `after`."""
        for index, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                self.unclipped[index] = parameter.grad.detach().clone()

    def forget_gradients(self) -> None:
        """Keep them no longer: there was no update."""
        self.unclipped.clear()

    def gradients(self) -> list[Any]:
        """Return the gradients as the loss left them; None for a parameter without one."""
        return [self.unclipped.get(index, p.grad) for index, p in enumerate(self.parameters)]

    def gradient_norms(self) -> tuple[Array, Array | Tensor] | None:
        """Return which of the parameters have a gradient, by number, and its norm.

        None where none has.
        """
        raise NotImplementedError

    def before(self, ledger: Ledger, iteration: int) -> None:
        """Measure the weights before an update, and keep them."""
        raise NotImplementedError

    def snapshot(self) -> None:
        """Keep the weights as an update left them, for the next `before` to compare with."""
        raise NotImplementedError

    def after(self, ledger: Ledger, iteration: int) -> None:
        """Measure the gradients, and what the update made of them did to what `before` kept."""
        self.measure(ledger, iteration, self._measured == iteration - 1)
        self._measured = iteration
        self.forget_gradients()

    def histograms(self, ledger: Ledger, iteration: int) -> None:
        """Count the gradients' entries by powers of two, before `after` lets go of them."""
        kept = self.gradients()
        for place, gradient in zip(self.places.tolist(), kept, strict=True):
            if gradient is not None:
                mine = local(dense(gradient)).detach().reshape(1, -1)
                places = np.array([place], np.intp)
                names = tuple(OF_HISTOGRAMS)
                counts = statistics.power_histogram(mine)
                ledger.put(iteration, "histograms", names, places, counts)

    def measure(self, ledger: Ledger, iteration: int, follows: bool) -> None:
        """Do so; `follows`: the update before this one was measured too."""
        raise NotImplementedError

    def followed_now(self) -> tuple[Array, Array]:
        """Return the numbers of the followed weights and their values as they are."""
        raise NotImplementedError

    def moments(self, ledger: Ledger, iteration: int, found: Sequence[tuple[Tensor, Any]]) -> None:
        """Measure v and the factor that makes it v_hat, of each parameter."""
        raise NotImplementedError


class DeviceGroup(Group):
    """Parameters on a device: measured there, and nothing synchronised."""

    _change: Tensor | None = None  # (k, a, b): W before this update, then W_before - W_after
    _last_change: Tensor | None = None  # that of the update before, or a snapshot

    def gradient_norms(self) -> tuple[Array, Tensor] | None:
        """Return which of the parameters have a gradient, and its norm."""
        present = [
            index for index, parameter in enumerate(self.parameters) if parameter.grad is not None
        ]
        if not present:
            return None
        tensors = [entries(self.parameters[index].grad) for index in present]
        return self.places[present], statistics.norms(tensors)

    def before(self, ledger: Ledger, iteration: int) -> None:
        """Measure the weights before an update, and keep them."""
        stack = self._stacked()
        weight = statistics.wide(stack)
        self.put(ledger, iteration, ("weight_norm",), statistics.whole_norms(weight))
        if self.has_units:
            units = weight.transpose(1, 2) if self.transposed else weight
            self.put(ledger, iteration, ("unit_similarity",), statistics.unit_similarity(units))
        if self.followed is not None:
            numbers, flats = self.followed
            ledger.put(iteration, "followed", ("value",), numbers, stack.reshape(-1)[flats])
        if self.updates:
            self._keep(ledger, iteration, stack)

    def _keep(self, ledger: Ledger, iteration: int, stack: Tensor) -> None:
        """Keep the weights, and measure what has changed them since the last update."""
        self._change, self._last_change = self._last_change, self._change
        if self._change is None:
            self._change = torch.empty_like(stack)
        elif self._snapshot:
            outside = statistics.wide(self._change.sub_(stack))
            self.put(ledger, iteration, ("outside_norm",), statistics.whole_norms(outside))
        self._change.copy_(stack)
        self._snapshot = False

    def snapshot(self) -> None:
        """Keep the weights as an update left them, for the next `before` to compare with."""
        if self.updates:
            stack = self._stacked()
            if self._last_change is None:
                self._last_change = torch.empty_like(stack)
            self._last_change.copy_(stack)
            self._snapshot = True

    def measure(self, ledger: Ledger, iteration: int, follows: bool) -> None:
        """Measure the gradients and the update."""
        kept = self.gradients()
        present = [index for index, gradient in enumerate(kept) if gradient is not None]
        places, gradient = self.places[present], None
        if present:
            gradients = [self._flat(dense(kept[index])) for index in present]
            gradient = statistics.wide(torch.stack(gradients))
            self._put_some(
                ledger, iteration, places, "grad_bad", statistics.nonfinite_count(gradient)
            )
            self._put_some(ledger, iteration, places, "grad_max", statistics.largest(gradient))
        if self._change is None or not self.updates:
            return
        chosen = slice(None) if len(present) == len(kept) else present
        if gradient is not None:
            with_weight = statistics.inner(gradient, statistics.wide(self._change)[chosen])
            self._put_some(ledger, iteration, places, "weight_inner", with_weight)
        change = self._changed(ledger, iteration, follows)
        if gradient is not None:
            change = change[chosen]
            decrease, (lost, wanted) = (
                statistics.inner(gradient, change),
                statistics.lost(change, gradient),
            )
            self._put_some(ledger, iteration, places, "decrease", decrease)
            self._put_some(ledger, iteration, places, "lost", lost)
            self._put_some(ledger, iteration, places, "wanted", wanted)

    def _put_some(
        self, ledger: Ledger, iteration: int, places: Array, name: str, values: Tensor
    ) -> None:
        ledger.put(iteration, "parameters", (name,), places, values)

    def _changed(self, ledger: Ledger, iteration: int, follows: bool) -> Tensor:
        """Return W_before - W_after, rounded as it was, and measure it."""
        assert self._change is not None
        change = statistics.wide(self._change.sub_(self._stacked()))
        self.put(ledger, iteration, ("update_norm",), statistics.whole_norms(change))
        self.put(ledger, iteration, ("after_bad",), statistics.nonfinite_count(change))
        if follows and self._last_change is not None:
            last = statistics.wide(self._last_change)
            self.put(ledger, iteration, ("update_inner",), statistics.inner(change, last))
        return change

    def followed_now(self) -> tuple[Array, Array]:
        """Return the followed weights as they are."""
        assert self.followed is not None
        numbers, flats = self.followed
        return numbers, self._stacked().reshape(-1)[flats].double().cpu().numpy()

    def moments(self, ledger: Ledger, iteration: int, found: Sequence[tuple[Tensor, Any]]) -> None:
        """Measure v and the factor that makes it v_hat."""
        moments = [statistics.wide(local(moment)) for moment, _ in found]
        sums = torch.stack(statistics.foreach_norm(moments, 1)).double()  # v >= 0
        scales = torch.stack(
            [torch.as_tensor(scale, dtype=torch.float64).to(sums.device) for _, scale in found]
        )
        self.put(ledger, iteration, ("moment_sum",), sums)
        self.put(ledger, iteration, ("moment_scale",), scales)
        self.put(ledger, iteration, ("moment_n",), np.full(len(found), float(self.size)))

    def _flat(self, tensor: Tensor) -> Tensor:
        return local(tensor.detach()).reshape(self.shape)

    def _stacked(self) -> Tensor:
        if len(self.parameters) == 1:
            return self._flat(self.parameters[0])[None]
        return torch.stack([self._flat(parameter) for parameter in self.parameters])


def local(tensor: Any) -> Tensor:
    """Return the part of a sharded tensor that lies here; any other tensor is whole."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def entries(gradient: Any) -> Tensor:
    """Return the entries of a gradient: of a sparse one those it has; the others are 0."""
    return gradient.coalesce().values() if gradient.is_sparse else local(gradient)


def dense(gradient: Any) -> Any:
    """Return a gradient with all its entries."""
    return gradient.to_dense() if gradient.is_sparse else gradient
