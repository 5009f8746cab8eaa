"""The batches that broke a training, or made its gradient spike: kept, and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gradlab.adapters.torch.modules import clean
from gradlab.adapters.torch.observe.module_state import every_tensor
from gradlab.adapters.torch.origin import seen
from gradlab.adapters.torch.origin.trace import Forward

KEPT_BYTES = 256 << 20  # of all batches that are kept
SPIKES_KEPT = 3  # the newest

NONFINITE, SPIKED = "non-finite", "spike"


@dataclass(frozen=True, eq=False, repr=False)
class Batch:
    """What the model was given in one iteration.

    Attributes
    ----------
    iteration : int
    why : str
        "non-finite" or "spike".
    calls : tuple of Forward
        Its forward passes: `arguments` and `keywords` of each.
    rows : tuple of int
        Those at fault, as far as that can be told.
    """

    iteration: int
    why: str
    calls: tuple[Forward, ...]
    rows: tuple[int, ...] = ()

    def __repr__(self) -> str:
        rows = f"{len(self.rows)} rows at fault" if len(self.rows) > 8 else f"rows={self.rows}"
        return f"Batch(iteration={self.iteration}, why={self.why!r}, {rows})"

    @property
    def size(self) -> int:
        """How many bytes it holds: of its tensors, and of the gradients at the answers."""
        held = [[call.arguments, call.keywords, call.gradients] for call in self.calls]
        tensors = [tensor for each in held for tensor in every_tensor(each)]
        return sum(each.numel() * each.element_size() for each in tensors)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return its tensors as arrays, by the names of the model's arguments."""
        found: dict[str, np.ndarray] = {}
        for number, call in enumerate(self.calls):
            prefix = f"pass{number}." if len(self.calls) > 1 else ""
            names = call.names
            given = [
                (names[n] if n < len(names) else f"argument{n}", each)
                for n, each in enumerate(call.arguments)
            ]
            for name, value in [*given, *call.keywords.items()]:
                tensors = list(every_tensor(value))
                for part, tensor in enumerate(tensors):
                    key = f"{prefix}{clean(name)}" + (f".{part}" if len(tensors) > 1 else "")
                    found[key] = _array(tensor)
        return found

    def write(self, folder: Path) -> Path:
        """Write it to `batch-ITERATION.npz` in a folder: plain arrays, no pickle."""
        path = folder / f"batch-{self.iteration}.npz"
        with path.open("wb") as file:
            np.savez(file, **self.arrays())  # pyright: ignore[reportArgumentType]
        return path


class Batches:
    """The batches that are kept, bounded in size.

    Parameters
    ----------
    keep : bool
        Whether any is kept beyond its iteration.
    """

    def __init__(self, *, keep: bool):
        self._keep = keep
        self._written: list[Batch] = []
        self.all: list[Batch] = []

    def add(self, batch: Batch) -> None:
        """Keep a batch, if it is not too large; of spikes, the newest."""
        if not self._keep or not batch.calls:
            return
        spikes = [each for each in self.all if each.why == SPIKED]
        is_spike = batch.why == SPIKED
        dropped = spikes[: max(0, len(spikes) + 1 - SPIKES_KEPT)] if is_spike else []
        kept = [each for each in self.all if each not in dropped]
        if sum(each.size for each in kept) + batch.size <= KEPT_BYTES:
            self.all = [*kept, batch]

    def write(self, folder: Path) -> None:
        """Write those that were not written yet."""
        for each in self.all:
            if each not in self._written:
                each.write(folder)
                self._written.append(each)

    @property
    def to_skip(self) -> list[int]:
        """Numbers of batches to leave out, in the form of Lightning's `skip_batches.json`.

        Each that broke or spiked, and the one before it, whose update may have been to blame.
        """
        numbers = {n for each in self.all for n in (each.iteration - 1, each.iteration)}
        return sorted(n for n in numbers if n >= 0)


def rows_at_fault(calls: Sequence[Forward]) -> list[int]:
    """Return the rows of a batch whose gradient at the model's answer is not finite."""
    for call in calls:
        for gradient in call.gradients:
            if gradient is not None and not seen.is_finite(gradient):
                return seen.bad_rows(gradient)
    return []


def _array(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
