"""Numbers stay on the device they were measured on, and move to the host many iterations at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray
Frame = dict[str, list[tuple[Array, Array]]]  # name -> (places, values), as often as something was put there


class Ledger:
    """What was measured at which iteration, waiting to be moved: no synchronisation happens when a number is put in."""

    def __init__(self):
        self._entries: list[tuple[int, str, Array, Tensor]] = []

    def put(self, iteration: int, name: str, places: Array, values: Tensor) -> None:
        """Keep `values` (n,), which belong to the `places` (n,) of `name`."""
        self._entries.append((iteration, name, places, values.detach().reshape(-1)))

    def drop(self, iteration: int) -> None:
        """Forget what was put in for an iteration: it begins anew."""
        self._entries = [entry for entry in self._entries if entry[0] != iteration]

    def take(self, before: int) -> dict[int, Frame]:
        """Remove what belongs to iterations below `before` and return it, moved in one transfer a device and dtype."""
        taken = [entry for entry in self._entries if entry[0] < before]
        self._entries = [entry for entry in self._entries if entry[0] >= before]
        values = _moved([tensor for *_, tensor in taken])
        frames: dict[int, Frame] = defaultdict(dict)
        for (iteration, name, places, _), array in zip(taken, values, strict=True):
            frames[iteration].setdefault(name, []).append((places, array))
        return frames


def _moved(tensors: Sequence[Tensor]) -> list[Array]:
    """Move tensors to the host as float64 arrays."""
    kinds: dict[tuple[torch.device, torch.dtype], list[int]] = defaultdict(list)
    for index, tensor in enumerate(tensors):
        kinds[tensor.device, tensor.dtype].append(index)
    result: list[Array] = [np.zeros(0)] * len(tensors)
    for indices in kinds.values():
        joined = torch.cat([tensors[index] for index in indices]).cpu()
        if joined.dtype in (torch.bfloat16, torch.float16):
            joined = joined.float()
        flat = joined.numpy().astype(np.float64)
        stops = np.cumsum([tensors[index].numel() for index in indices])[:-1]
        for index, part in zip(indices, np.split(flat, stops), strict=True):
            result[index] = part
    return result


def summed(total: Array, values: Array) -> Array:
    """Add up what was put in several times: a sum over parts."""
    return total + values


def joined(total: Array, values: Array) -> Array:
    """Take the norm of the whole from the norms of its parts."""
    return np.hypot(total, values)


def latest(total: Array, values: Array) -> Array:
    """Take what was put in last."""
    return values


def collected(frame: Frame, name: str, size: int, how: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
    """Return the numbers of a name by place (size,), NaN where nothing was put, and where something was."""
    total, known = np.full(size, np.nan), np.zeros(size, bool)
    for places, values in frame.get(name, ()):
        total[places] = np.where(known[places], how(total[places], values), values)
        known[places] = True
    return total, known


def single(frame: Frame, name: str, how: Callable[[Array, Array], Array] = latest) -> float | None:
    """Return the one number of a name that belongs to the net as a whole; None where nothing was put."""
    return float(collected(frame, name, 1, how)[0][0]) if name in frame else None
