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
from typing import Any

import numpy as np
import torch

from gradlab.adapters.torch.ledger import Ledger
from gradlab.adapters.torch.measure import statistics
from gradlab.adapters.torch.numbers import TIME
from gradlab.adapters.torch.observe.call import Call
from gradlab.adapters.torch.observe.spacing import is_due
from gradlab.adapters.torch.observe.wiring import Wiring

Numbers = Any  # a Tensor, or an array where it is in main memory: small calls cost less there

LEAST = 12  # positions: of fewer, chance makes one in some thousands fall nearly all the way
STEADY = 0.9  # of the steps are falls
# A module that showed none is asked again after this share of the iterations so far, or so many.
SHARE, OLDEST = 5, 50


class Positions:
    """Measures the gradient along sequences, of nets in which no module has a time of its own.

    What `Recurrences` measures inside such a module says more.
    """

    def __init__(self, wiring: Wiring, ledger: Ledger):
        self._wiring, self._ledger = wiring, ledger
        self._without: dict[int, int] = {}  # by module: when its gradient last showed no time

    def along_sequences(self, iteration: int, calls: Sequence[Call], rows: Numbers) -> None:
        """Measure calls of one shape by the norms of their gradients' rows, (calls, rows)."""
        read = calls[0].read  # delta may come flat, a row for each position of each example
        if read is None or self._wiring.recurs():
            return
        # What showed none is asked again later: as attention it will show none then, mostly.
        last = min([self._without.get(call.module, -OLDEST) for call in calls])
        if not is_due(iteration, last, share=SHARE, most=OLDEST):
            return
        found = of_sequence(rows, read.shape)
        if found is not None:
            self._put(iteration, [call.module for call in calls], found)
            if isinstance(found[0], np.ndarray) and np.isnan(found[0]).all():
                self._without |= {call.module: iteration for call in calls}

    def along_loops(self, iteration: int, calls: Sequence[Call]) -> None:
        """Measure modules that a loop calls at each position, once in one forward pass."""
        if len(calls) - len({call.module for call in calls}) < LEAST - 1:
            return  # none is called so often
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

    def _put(self, iteration: int, modules: Sequence[int], found: Sequence[Numbers]) -> None:
        stack: Any = np.stack if isinstance(found[0], np.ndarray) else torch.stack
        self._ledger.put(iteration, "modules", TIME, np.array(modules, np.intp), stack(found))


def over_time(lengths: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return the gradient's length at the first and the last position, and the steps between.

    Parameters
    ----------
    lengths : Tensor or array (n, T)
        Norms of the gradient at each position.

    Returns
    -------
    tuple of Tensor or array (n,)
        The last length counts as 1, and the first as what the slower half of the steps would leave:
        through time a gradient changes by a factor a step, while what reaches the last position
        by a way of its own changes it there alone. NaN where the lengths do not fall steadily
        towards the first position, or fewer than 12 positions got a gradient at all: what selects
        the last position cuts off the others, and forgets nothing.
    """
    on_host = isinstance(lengths, np.ndarray)
    xp: Any = np if on_host else torch
    with np.errstate(all="ignore"):
        logs = xp.log(lengths)
        steps = logs[:, :-1] - logs[:, 1:]  # from a position to the one before it
        known = xp.isfinite(steps)
        count = known.sum(1)
        steady = (count >= LEAST - 1) & ((known & (steps < 0)).sum(1) >= STEADY * count)
        last = xp.ones_like(lengths[:, 0])
        if on_host and not steady.any():  # as in most nets
            return last * np.nan, last, count + 0 * last
        half = steps.shape[1] // 2
        early, late = (
            xp.where(known[:, part], steps[:, part], 0.0).sum(1) / known[:, part].sum(1)
            for part in (slice(None, half), slice(half, None))
        )
        slower = xp.where(xp.abs(early) < xp.abs(late), early, late)  # what underflows has no step
        first = xp.exp(slower * count)
        return xp.where(steady, first, float("nan")), last, count + 0 * last


def of_sequence(rows: Numbers, shape: torch.Size) -> tuple[Numbers, Numbers, Numbers] | None:
    """Return `over_time` of signals (batch, T, width) or (T, batch, width).

    Parameters
    ----------
    rows : Tensor or array (n, rows)
        Norms of the gradients of n answers, at each of their rows.
    shape : torch.Size
        Of what was read: examples and positions, in one order or the other, and features. Positions
        are told from examples by what is steady: those have no order.
    """
    if len(shape) != 3 or rows.shape[1] != shape[0] * shape[1]:
        return None
    xp: Any = np if isinstance(rows, np.ndarray) else torch
    squares = (rows * rows).reshape(len(rows), shape[0], shape[1])
    found: tuple[Numbers, Numbers, Numbers] | None = None
    for axis in (2, 1):  # examples first is usual
        if squares.shape[axis] < LEAST:
            continue
        first, last, steps = over_time(xp.sqrt(squares.sum(3 - axis)))
        if found is not None:
            known = ~xp.isnan(found[0])
            first = xp.where(known, found[0], first)
            steps = xp.where(known, found[2], steps)
        found = first, last, steps
    return found
