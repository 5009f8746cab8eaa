"""`Inputs`: what the first call of the first module shows of the data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradlab.adapters.torch.measure import statistics


@dataclass
class Inputs:
    """What is known of the data.

    Attributes
    ----------
    batch_size : int or None
    rms, correlation : float or None
        Root mean square of the entries; mean cosine between two examples.
    """

    batch_size: int | None = None
    rms: float | None = None
    correlation: float | None = None

    def look(self, read: Tensor | None, z: Tensor) -> None:
        """Learn from what the first module reads, or answers where it looks something up."""
        shown = z if read is None else read
        if self.batch_size is not None or not shown.ndim:
            return
        self.batch_size = len(shown)
        if read is None:
            return
        flat = statistics.wide(read).reshape(len(read), -1).double()
        if not bool(flat.isfinite().all()):
            return  # a broken batch says nothing of the data
        self.rms = float(flat.square().mean().sqrt())
        length = torch.linalg.vector_norm(flat, dim=1)
        unit, n = flat[length > 0] / length[length > 0, None], int((length > 0).sum())
        if n > 1:
            self.correlation = float((unit.sum(dim=0).square().sum() - n) / (n * (n - 1)))
