"""How a gradient changes along a sequence, where no recurrent layer shows it.

A recurrence written by hand, a state space, or a decaying sum over the past: none of them is a
module. But what they read comes from one, and the gradient that arrives at its answers has come
back through time. Where they forget, it falls from each position to the one before it, while that
of attention, of sets or of pictures goes up and down. Growth tells nothing: that of a causal mean
grows towards the first position, too, which all the others read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gradlab.adapters.torch.ledger import Ledger
from gradlab.adapters.torch.measure import statistics
from gradlab.adapters.torch.numbers import TIME
from gradlab.adapters.torch.observe.call import Call
from gradlab.adapters.torch.observe.wiring import Wiring

LEAST = 12  # positions: of fewer, chance makes one in some thousands fall nearly all the way
STEADY = 0.9  # of the steps are falls


class Positions:
    """Measures the gradient along sequences, of nets in which no module has a time of its own.

    What `Recurrences` measures inside such a module says more.
    """

    def __init__(self, wiring: Wiring, ledger: Ledger):
        self._wiring, self._ledger = wiring, ledger

    def along_sequences(self, iteration: int, calls: Sequence[Call], rows: Tensor) -> None:
        """Measure calls of one shape by the norms of their gradients' rows, (calls, rows)."""
        read = calls[0].read  # delta may come flat, a row for each position of each example
        if read is None or self._wiring.recurs():
            return
        found = of_sequence(rows, read.shape)
        if found is not None:
            self._put(iteration, [call.module for call in calls], found)

    def along_loops(self, iteration: int, calls: Sequence[Call]) -> None:
        """Measure modules that a loop calls at each position, once in one forward pass."""
        loops: dict[int, list[Call]] = defaultdict(list)
        for call in calls:
            if call.delta is not None and call.read is not None and call.read.ndim == 2:
                loops[call.module].append(call)
        for module, seen in loops.items():
            deltas = [call.delta for call in seen if call.delta is not None]
            alike = len({(call.begun, call.read.shape) for call in seen if call.read is not None})
            if len(deltas) < LEAST or alike > 1 or self._wiring.recurs():
                continue
            wide = statistics.double(deltas[0].device)
            lengths = torch.stack([torch.linalg.vector_norm(each, dtype=wide) for each in deltas])
            self._put(iteration, [module], over_time(lengths[None]))

    def _put(self, iteration: int, modules: Sequence[int], found: Sequence[Tensor]) -> None:
        places = np.array(modules, np.intp)
        for name, each in zip(TIME, found, strict=True):
            value = each.numpy() if each.device.type == "cpu" else each
            self._ledger.put(iteration, "modules", (name,), places, value)


def over_time(lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradient's length at the first and the last position, and the steps between.

    Parameters
    ----------
    lengths : Tensor (n, T)
        Norms of the gradient at each position.

    Returns
    -------
    tuple of Tensor (n,)
        The last length counts as 1, and the first as what the slower half of the steps would leave:
        through time a gradient changes by a factor a step, while what reaches the last position
        by a way of its own changes it there alone. NaN where the lengths do not fall steadily
        towards the first position, or fewer than 12 positions got a gradient at all: what selects
        the last position cuts off the others, and forgets nothing.
    """
    logs = lengths.log()
    steps = logs[:, :-1] - logs[:, 1:]  # from a position to the one before it
    known = steps.isfinite()
    count = known.sum(dim=1)
    steady = (count >= LEAST - 1) & ((known & (steps < 0)).sum(dim=1) >= STEADY * count)
    half = steps.shape[1] // 2
    early, late = (
        steps[:, part].where(known[:, part], 0.0).sum(dim=1) / known[:, part].sum(dim=1)
        for part in (slice(None, half), slice(half, None))
    )
    slower = early.where(early.abs() < late.abs(), late)  # what underflows early has no step
    total = slower * count
    none = torch.full_like(total, float("nan"))
    return total.exp().where(steady, none), torch.ones_like(total), count.to(total.dtype)


def of_sequence(rows: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor, Tensor] | None:
    """Return `over_time` of signals (batch, T, width) or (T, batch, width).

    Parameters
    ----------
    rows : Tensor (n, rows)
        Norms of the gradients of n answers, at each of their rows.
    shape : torch.Size
        Of what was read: examples and positions, in one order or the other, and features. Positions
        are told from examples by what is steady: those have no order.
    """
    if len(shape) != 3 or rows.shape[1] != shape[0] * shape[1]:
        return None
    squares = rows.square().reshape(len(rows), shape[0], shape[1])
    found: tuple[Tensor, Tensor, Tensor] | None = None
    for axis in (2, 1):  # examples first is usual
        if squares.shape[axis] < LEAST:
            continue
        first, last, steps = over_time(squares.sum(dim=3 - axis).sqrt())
        if found is not None:
            known = ~found[0].isnan()
            first = found[0].where(known, first)
            steps = found[2].where(known, steps)
        found = first, last, steps
    return found
