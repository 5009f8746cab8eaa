"""Gradients at every step; weights and their actual updates on demand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from operator import attrgetter, is_
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradlab.adapters.torch.ledger import Ledger
from gradlab.adapters.torch.measure import statistics
from gradlab.adapters.torch.measure.arrays import array_of, norms
from gradlab.adapters.torch.measure.groups import DeviceGroup, Group, entries, local
from gradlab.adapters.torch.measure.host import STACKED, HostGroup
from gradlab.adapters.torch.measure.moments import second_moment
from gradlab.adapters.torch.measure.replaced import Replaced
from gradlab.adapters.torch.measure.thawed import Thawed, held_by
from gradlab.adapters.torch.rows import Row
from gradlab.sums import roots, where_unsafe

Array = np.ndarray
Norms = list[
    tuple[Array, Array | Tensor]
]  # numbers of parameters, and the norms of their gradients


PLANS_KEPT = 64
_quietly = np.errstate(all="ignore")  # overflow and NaN are data here


class Parameters:
    """Measures the parameters that a set of optimizers trains.

    Of a sharded one, the shard that lies here.

    Attributes
    ----------
    trained : list of Tensor
        Those that are trained from the start.
    all : list of Tensor
        These, and then those that may join them: frozen ones, and ones that no optimizer holds.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        ledger: Ledger,
        *,
        updates: bool,
    ):
        self._ledger = ledger
        held = [held_by(optimizer) for optimizer in optimizers]
        every = [each for each in model.parameters() if not each.is_complex()]
        anywhere = set[int]().union(*held)
        # Frozen ones are not trained, though an optimizer may hold them.
        self.trained = [each for each in every if each.requires_grad and id(each) in anywhere]
        known = {id(each) for each in self.trained}
        self.all = [*self.trained, *(each for each in every if id(each) not in known)]
        self._waiting = [*range(len(self.trained), len(self.all))]
        self._number = {id(parameter): number for number, parameter in enumerate(self.all)}
        self._held, self._updates, self._rows = held, updates, rows
        self._thawed, self._replaced = Thawed(optimizers), Replaced(model, optimizers)
        self._made: list[Group] | None = None
        self._plans: dict[tuple[int, ...], tuple[list[Group], list[int]]] = {}
        self._following = 0
        self._joined: tuple[list[Array], Array] = [], np.zeros(0, np.intp)

    def arrange(self, rows: Sequence[Row]) -> None:
        """Know what each parameter is used for, as far as that is not too late."""
        if self._made is None:
            self._rows = rows
        self._thawed.begin(rows)
        self._replaced.begin(rows)

    def facts(self) -> dict[str, Any]:
        """Return, for the provenance, what is in no optimizer since it thawed or was made anew."""
        return {**self._thawed.facts(), **self._replaced.facts()}

    @property
    def _groups(self) -> list[Group]:
        if self._made is None:
            self._made = self._grouped(range(len(self.trained)))
        return self._made

    def numbers_of(self, rows: Sequence[Row]) -> Array:
        """Return the number of each row's parameter; -1 where the model does not have it."""
        return np.array([self._number.get(id(row.parameter), -1) for row in rows], np.intp)

    def number_of(self, parameter: Tensor) -> int | None:
        """Return the number of a parameter; None where no optimizer trains it."""
        number = self._number.get(id(parameter))
        return None if number in self._waiting else number

    def of(self, optimizer: torch.optim.Optimizer) -> list[int]:
        """Return the numbers of what one optimizer trains."""
        held = held_by(optimizer)
        waiting = set(self._waiting)
        return [n for n, each in enumerate(self.all) if id(each) in held and n not in waiting]

    def join(self, owner: int, optimizer: torch.optim.Optimizer) -> list[int]:
        """Measure, from now on, what an optimizer has come to train: unfrozen, or added to it.

        Return the numbers of these.
        """
        thawed = [number for number in self._waiting if self.all[number].requires_grad]
        held = held_by(optimizer) if thawed else set()
        new = [number for number in thawed if id(self.all[number]) in held]
        if new:
            self._held[owner] |= held
            self._waiting = sorted(set(self._waiting) - set(new))
            self._groups.extend(self._grouped(new))
            self._plans.clear()
        return new

    def _grouped(self, numbers: Sequence[int]) -> list[Group]:
        transposed = {id(row.parameter): row.transposed for row in self._rows if row.is_matrix}
        groups: dict[Any, list[int]] = defaultdict(list)
        for number in numbers:
            parameter = self.all[number]
            mine = local(parameter)
            if not mine.numel():
                continue
            most = STACKED if mine.device.type == "cpu" else statistics.SMALL
            matrix, turned = id(parameter) in transposed, transposed.get(id(parameter), False)
            owner = next(n for n, each in enumerate(self._held) if id(parameter) in each)
            alone = None if mine.numel() <= most else number
            groups[owner, mine.shape, mine.dtype, mine.device, matrix, turned, alone].append(number)
        return [
            (HostGroup if device.type == "cpu" else DeviceGroup)(
                numbers, [self.all[number] for number in numbers], matrix, turned, self._updates
            )
            for (_, _, _, device, matrix, turned, _), numbers in groups.items()
        ]

    def _plan(self, numbers: Sequence[int]) -> tuple[list[Group], list[int]]:
        """Return the groups of which all are wanted, and the numbers of the others."""
        key = tuple(numbers)
        if key not in self._plans:
            if len(self._plans) > PLANS_KEPT:
                self._plans.clear()
            wanted = set(key)
            whole = [group for group in self._groups if wanted.issuperset(group.numbers)]
            covered = {number for group in whole for number in group.numbers}
            left = [n for n in key if n not in covered and local(self.all[n]).numel()]
            self._plans[key] = whole, left
        return self._plans[key]

    @torch.no_grad()
    @_quietly
    def gradients(self, numbers: Sequence[int]) -> Norms:
        """Return the norms of the gradients there are.

        Those in main memory together, then those of each device.
        """
        groups, others = self._plan(numbers)
        summed = [
            each
            for group in groups
            if isinstance(group, HostGroup) and (each := group.gradient_squares())
        ]
        away = [
            each
            for group in groups
            if isinstance(group, DeviceGroup) and (each := group.gradient_norms())
        ]
        host = [(self._places_of(summed), _roots(summed))] if summed else []
        for number in others:
            gradient = self.all[number].grad
            if gradient is not None:
                mine, place = entries(gradient), np.array([number], np.intp)
                if mine.device.type == "cpu":
                    host.append((place, norms(array_of(mine).reshape(1, -1))))
                else:
                    away.append((place, statistics.norms([mine])))
        if len(host) > 1:
            host = [
                (
                    np.concatenate([places for places, _ in host]),
                    np.concatenate([values for _, values in host]),
                )
            ]
        return [*host, *away]

    def _places_of(self, summed: Sequence[tuple[Array, Array, Array]]) -> Array:
        """Return the numbers of the parameters: the same array for the same groups."""
        parts = [numbers for numbers, *_ in summed]
        known, whole = self._joined
        if len(known) != len(parts) or not all(map(is_, known, parts)):
            whole = np.concatenate(parts)
            self._joined = parts, whole
        return whole

    def follow(self, rows: Sequence[Row], positions: Array) -> None:
        """Follow single weights: (layer from 1, row, column) of W (fan_in, fan_out) each."""
        places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number, (layer, i, j) in enumerate(positions.tolist()):
            row = rows[layer - 1]
            fan_in, fan_out = row.fans
            places[id(row.parameter)].append(
                (number, j * fan_in + i if row.transposed else i * fan_out + j)
            )
        for group in self._groups:
            size = group.parameters[0].numel()
            found = [
                (number, index * size + flat)
                for index, parameter in enumerate(group.parameters)
                for number, flat in places.get(id(parameter), ())
            ]
            if found and group.size == size:  # of shards none is followed
                numbers, flats = np.array(found, np.intp).T
                group.follow(numbers, flats)
        self._following = len(positions)

    @torch.no_grad()
    def follow_now(self) -> Array | None:
        """Return the values (W,) of the followed weights as they are.

        None where none is followed.
        """
        found = [group.followed_now() for group in self._groups if group.followed is not None]
        values = np.full(self._following, np.nan)
        for numbers, part in found:
            values[numbers] = part
        return values if found else None

    @torch.no_grad()
    @_quietly
    def before(self, iteration: int, numbers: Sequence[int]) -> None:
        """Measure the weights before an update, and keep them."""
        for group in self._plan(numbers)[0]:
            group.before(self._ledger, iteration)

    @torch.no_grad()
    def keep_gradients(self, numbers: Sequence[int]) -> None:
        """Keep gradients as they are before they are clipped, until `after`."""
        wanted = set(numbers)
        for group in self._groups:
            if not wanted.isdisjoint(group.numbers):
                group.keep_gradients()

    def forget_gradients(self) -> None:
        """Keep none: there was no update."""
        for group in self._groups:
            group.forget_gradients()

    @torch.no_grad()
    @_quietly
    def after(self, iteration: int, numbers: Sequence[int]) -> None:
        """Measure the gradients, and what the update made of them did to what `before` kept."""
        for group in self._plan(numbers)[0]:
            if "histograms" in self._ledger.tables:
                group.histograms(self._ledger, iteration)
            group.after(self._ledger, iteration)

    @torch.no_grad()
    def snapshot(self, numbers: Sequence[int]) -> None:
        """Keep the weights as an update left them, for the next `before` to compare with."""
        for group in self._plan(numbers)[0]:
            group.snapshot()

    @torch.no_grad()
    @_quietly
    def second_moments(self, iteration: int, optimizer: torch.optim.Optimizer) -> None:
        """Measure the mean of v_hat of an adaptive optimizer, after its step."""
        settings = {id(p): group for group in optimizer.param_groups for p in group["params"]}
        for group in self._groups:
            first = group.parameters[0]
            if not (group.matrices and id(first) in settings and optimizer.state.get(first)):
                continue
            found = [
                second_moment(optimizer.state.get(p, {}), settings[id(p)]) for p in group.parameters
            ]
            known = [each for each in found if each is not None]
            if len(known) == len(found):
                group.moments(self._ledger, iteration, known)


def _roots(summed: Sequence[tuple[Array, Array, Array]]) -> Array:
    """Return the norms whose squares were summed; one look tells whether all are safe."""
    squares = np.concatenate([each for _, each, _ in summed])
    narrowest = min([rows.dtype for *_, rows in summed], key=_item_size)
    if where_unsafe(squares, narrowest) is None:
        return np.sqrt(squares)
    return np.concatenate([roots(each, rows) for _, each, rows in summed])


_item_size = attrgetter("itemsize")
