"""What a file of data holds, and how messages quote its texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Array = np.ndarray

LEAST_ROWS = 10


class Table(NamedTuple):
    """What a file holds.

    Features (n, d), the raw target (n,) or (n, k), and a split where the file has one.
    """

    x: Array
    y: Array
    feature_names: tuple[str, ...] = ()
    train: int | None = None  # the first so many rows are the training part


def shown(text: str) -> str:
    """Quote a text for a message: control characters escaped, cut at 40 characters."""
    return repr(text if len(text) <= 40 else text[:40] + "...")


def listed(names: Sequence[str]) -> str:
    """Quote the first twenty names."""
    return ", ".join(shown(name) for name in names[:20]) + (", ..." if len(names) > 20 else "")
