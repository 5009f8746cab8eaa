"""Gradients at every step; weights and their actual updates on demand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradlab.adapters.torch import _statistics as statistics
from gradlab.adapters.torch._ledger import Ledger
from gradlab.adapters.torch._rows import Row, flat_shape

Array = np.ndarray


@dataclass(eq=False)
class Group:
    """Parameters of one shape that are measured in one call: several small ones, or a large one by itself.

    Attributes
    ----------
    numbers : list of int
        Of the parameters.
    matrices : bool
        Whether they are weight matrices; biases, scales and shifts count in the net's norms alone.
    transposed : bool
        Whether each is (fan_out, fan_in).
    change : Tensor, optional
        (k, a, b): W before this update, then W_before - W_after.
    """

    numbers: list[int]
    matrices: bool
    transposed: bool
    change: Tensor | None = None
    last_change: Tensor | None = None
    followed: tuple[Array, Tensor] | None = None  # numbers of followed weights, and where they lie in the stack


class Parameters:
    """Measures the parameters that a set of optimizers trains; of a sharded one, the shard that lies here."""

    def __init__(self, rows: Sequence[Row], model: nn.Module, trained: Iterable[Tensor], *, updates: bool):
        held = {id(parameter) for parameter in trained}
        self.all = [parameter for parameter in model.parameters() if id(parameter) in held]
        self._number = {id(parameter): number for number, parameter in enumerate(self.all)}
        self._updates = updates
        self._groups = self._grouped({id(row.parameter): row.transposed for row in rows})
        self._measured_last: int | None = None
        self._following = 0
        self._unclipped: dict[int, Tensor] = {}

    def numbers_of(self, rows: Sequence[Row]) -> Array:
        """Return the number of each row's parameter; -1 where no optimizer trains it."""
        return np.array([self._number.get(id(row.parameter), -1) for row in rows], np.intp)

    def of(self, optimizer: torch.optim.Optimizer) -> list[int]:
        """Return the numbers of what one optimizer trains."""
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        return [number for number, parameter in enumerate(self.all) if id(parameter) in held]

    def _grouped(self, transposed: dict[int, bool]) -> list[Group]:
        groups: dict[Any, Group] = {}
        for number, parameter in enumerate(self.all):
            mine = local(parameter)
            small = mine.numel() <= statistics.SMALL
            matrix, turned = id(parameter) in transposed, transposed.get(id(parameter), False)
            key = (tuple(mine.shape), mine.dtype, mine.device, matrix, turned, None if small else number)
            groups.setdefault(key, Group([], matrix, turned)).numbers.append(number)
        return [group for group in groups.values() if local(self.all[group.numbers[0]]).numel()]

    def gradients(self, numbers: Sequence[int]) -> tuple[Array, Tensor] | None:
        """Return which of the parameters have a gradient, and its norm; None where none has."""
        gradients = [(number, gradient) for number in numbers if (gradient := self.all[number].grad) is not None]
        if not gradients:
            return None
        tensors = [_entries(gradient) for _, gradient in gradients]
        present = np.array([number for number, _ in gradients], np.intp)
        first = tensors[0].device
        if all(tensor.device == first for tensor in tensors):
            return present, statistics.norms(tensors)
        return present, torch.cat([statistics.norms([tensor]).to(first) for tensor in tensors])

    def follow(self, rows: Sequence[Row], positions: Array) -> None:
        """Follow single weights: (layer from 1, row, column) of W (fan_in, fan_out) each."""
        places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number, (layer, i, j) in enumerate(positions.tolist()):
            row = rows[layer - 1]
            fan_in, fan_out = row.fans
            places[id(row.parameter)].append((number, j * fan_in + i if row.transposed else i * fan_out + j))
        for group in self._groups:
            size = self.all[group.numbers[0]].numel()
            found = [
                (number, index * size + flat)
                for index, parameter in enumerate(group.numbers)
                for number, flat in places.get(id(self.all[parameter]), ())
            ]
            if found and local(self.all[group.numbers[0]]).numel() == size:  # of shards none is followed
                numbers, flats = zip(*found, strict=True)
                device = self.all[group.numbers[0]].device
                group.followed = np.array(numbers, np.intp), torch.tensor(flats, device=device)
        self._following = len(positions)

    def followed(self, parts: list[tuple[Array, Array]]) -> Array:
        """Return the values (W,) of the followed weights from what `before` put into the ledger."""
        values = np.full(self._following, np.nan)
        for numbers, part in parts:
            values[numbers] = part
        return values

    def follow_now(self) -> Array | None:
        """Return the values (W,) of the followed weights as they are; None where none is followed."""
        found = [
            (group.followed[0], self._stacked(group).reshape(-1)[group.followed[1]].double().cpu().numpy())
            for group in self._groups
            if group.followed is not None
        ]
        return self.followed(found) if found else None

    @torch.no_grad()
    def before(self, ledger: Ledger, iteration: int, numbers: Iterable[int]) -> None:
        """Measure the weights before an update, and keep them."""
        for group in self._touched(numbers):
            stack = self._stacked(group)
            if group.matrices:
                places = np.array(group.numbers, np.intp)
                weight = statistics.wide(stack)
                ledger.put(iteration, "parameters", ("weight_norm",), places, statistics.whole_norms(weight))
                units = weight.transpose(1, 2) if group.transposed else weight
                cut = stack[0].numel() < self.all[group.numbers[0]].numel() and not group.transposed  # through units
                if units.shape[-1] > 1 and not cut:
                    ledger.put(iteration, "parameters", ("unit_similarity",), places, statistics.unit_similarity(units))
            if group.followed is not None:
                numbers_followed, flat = group.followed
                ledger.put(iteration, "followed", ("value",), numbers_followed, stack.reshape(-1)[flat])
            if self._updates:
                group.change, group.last_change = group.last_change, group.change
                if group.change is None:
                    group.change = torch.empty_like(stack)
                group.change.copy_(stack)

    @torch.no_grad()
    def keep_gradients(self, numbers: Iterable[int]) -> None:
        """Keep gradients as they are before they are clipped, until `after`."""
        for number in numbers:
            gradient = self.all[number].grad
            if gradient is not None:
                self._unclipped[number] = gradient.detach().clone()

    @torch.no_grad()
    def after(self, ledger: Ledger, iteration: int, numbers: Iterable[int]) -> None:
        """Measure the gradients, and what the update made of them did to what `before` kept."""
        follows = self._measured_last == iteration - 1
        for group in self._touched(numbers):
            change = self._change(group, ledger, iteration, follows) if self._updates else None
            self._of_gradients(group, ledger, iteration, change)
        self._measured_last = iteration
        self._unclipped.clear()

    def _change(self, group: Group, ledger: Ledger, iteration: int, follows: bool) -> Tensor:
        """Return W_before - W_after, rounded as it was, and measure it."""
        assert group.change is not None
        group.change.sub_(self._stacked(group))
        change, places = statistics.wide(group.change), np.array(group.numbers, np.intp)
        if group.matrices:
            ledger.put(iteration, "parameters", ("update_norm",), places, statistics.whole_norms(change))
            ledger.put(iteration, "parameters", ("after_bad",), places, statistics.nonfinite_count(change))
            if follows and group.last_change is not None:
                last = statistics.wide(group.last_change)
                ledger.put(iteration, "parameters", ("update_inner",), places, statistics.inner(change, last))
        return change

    def _of_gradients(self, group: Group, ledger: Ledger, iteration: int, change: Tensor | None) -> None:
        kept = {number: self._unclipped.get(number, self.all[number].grad) for number in group.numbers}
        present = [index for index, number in enumerate(group.numbers) if kept[number] is not None]
        if not present:
            return
        places = np.array(group.numbers, np.intp)[present]
        gradient = statistics.wide(torch.stack([_flat(_dense(kept[number])) for number in places.tolist()]))
        if group.matrices:
            ledger.put(iteration, "parameters", ("grad_max",), places, statistics.largest(gradient))
            ledger.put(iteration, "parameters", ("grad_bad",), places, statistics.nonfinite_count(gradient))
        if change is None:
            return
        change = change if len(present) == len(change) else change[present]
        ledger.put(iteration, "parameters", ("decrease",), places, statistics.inner(gradient, change))
        if group.matrices:
            lost, wanted = statistics.lost(change, gradient)
            ledger.put(iteration, "parameters", ("lost",), places, lost)
            ledger.put(iteration, "parameters", ("wanted",), places, wanted)

    @torch.no_grad()
    def second_moments(self, ledger: Ledger, iteration: int, optimizer: torch.optim.Optimizer) -> None:
        """Measure the mean of v_hat of an adaptive optimizer, after its step."""
        found = [
            (self._number[id(parameter)], *moment)
            for settings in optimizer.param_groups
            for parameter in settings["params"]
            if id(parameter) in self._number
            and (moment := _second_moment(optimizer.state.get(parameter, {}), settings)) is not None
        ]
        if not found:
            return
        moments = [local(moment) for _, moment, _ in found]
        sums = torch.stack(statistics.foreach_norm([statistics.wide(moment) for moment in moments], 1))  # v >= 0
        places = np.array([number for number, *_ in found], np.intp)
        ledger.put(iteration, "parameters", ("moment_sum",), places, sums)
        ledger.put(iteration, "parameters", ("moment_scale",), places, torch.stack([scale for *_, scale in found]))
        ledger.put(
            iteration, "parameters", ("moment_n",), places, torch.tensor([float(moment.numel()) for moment in moments])
        )

    def _touched(self, numbers: Iterable[int]) -> list[Group]:
        wanted = set(numbers)
        return [group for group in self._groups if not wanted.isdisjoint(group.numbers)]

    def _stacked(self, group: Group) -> Tensor:
        if len(group.numbers) == 1:
            return _flat(self.all[group.numbers[0]])[None]
        return torch.stack([_flat(self.all[number]) for number in group.numbers])


def local(tensor: Any) -> Tensor:
    """Return the part of a sharded tensor that lies here; any other tensor is whole."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def _flat(tensor: Tensor) -> Tensor:
    mine = local(tensor.detach())
    return mine.reshape(flat_shape(mine))


def _entries(gradient: Any) -> Tensor:
    """Return the entries of a gradient: of a sparse one those it has; the others are 0."""
    return gradient.coalesce().values() if gradient.is_sparse else local(gradient)


def _dense(gradient: Any) -> Tensor:
    return gradient.to_dense() if gradient.is_sparse else gradient


def _second_moment(state: dict[str, Any], settings: dict[str, Any]) -> tuple[Tensor, Tensor] | None:
    """Return v and the factor that makes it v_hat; None where an optimizer has none, or has not stepped."""
    if "exp_avg_sq" in state and "step" in state and "betas" in settings:  # Adam and its kin
        step = torch.as_tensor(state["step"], dtype=torch.float32)
        return state["exp_avg_sq"], 1 / (1 - settings["betas"][1] ** step)
    for key in ("square_avg", "sum"):  # RMSprop, Adagrad
        if isinstance(state.get(key), Tensor):
            return state[key], torch.ones(())
    return None
