"""`Inputs`: what the first calls of the modules that read data show of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from gradlab.adapters.torch.measure import statistics


@dataclass(frozen=True)
class Feature:
    """The feature of the largest size among those that a linear map reads off the data.

    Attributes
    ----------
    module, number, of : int
        The module's number, the feature's place and how many there are.
    rms, others_rms : float
        Root mean square of its entries, and of all other features' (0 where there are none).
    """

    module: int
    number: int
    of: int
    rms: float
    others_rms: float


@dataclass
class Inputs:
    """What is known of the data.

    Attributes
    ----------
    batch_size : int or None
    rms, correlation : float or None
        Root mean square of the entries; mean cosine between two examples.
    feature : Feature or None
        The largest of all linear maps that read data.
    sequence : (int, int) or None
        Times and examples, as a recurrent or attention layer takes them that reads times first.
    positions : int or None
        Of the longest sequence that a recurrent layer of PyTorch's has gone through.
    """

    batch_size: int | None = None
    rms: float | None = None
    correlation: float | None = None
    feature: Feature | None = None
    sequence: tuple[int, int] | None = None
    positions: int | None = None
    _seen: set[int] = field(default_factory=set)

    def look_at_features(self, module: int, read: Tensor) -> None:
        """Learn from the first batch of data, (..., features), that a linear map reads."""
        if module in self._seen or not read.ndim or not read.numel():
            return
        self._seen.add(module)
        flat = statistics.wide(read.detach()).reshape(-1, read.shape[-1]).double()
        squares = flat.square().mean(dim=0).cpu().numpy()
        if not np.isfinite(squares).all():
            return  # a broken batch says nothing of the data
        number, of = int(squares.argmax()), len(squares)
        others = np.delete(squares, number).mean() if of > 1 else 0.0
        found = Feature(module, number, of, float(squares[number] ** 0.5), float(others**0.5))
        if self.feature is None or found.rms > self.feature.rms:
            self.feature = found

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
