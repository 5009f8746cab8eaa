"""Parameters that get no gradient and are none the worse for it."""

from __future__ import annotations

import numpy as np

from gradlab.run import Run

Array = np.ndarray


def in_use(run: Run, mask: Array) -> Array:
    """Return which of these parameters (L,) data meet, and nobody writes.

    A net that follows another one, and a part that is never called, get no gradient on purpose.
    """
    norm = np.where(run.recorded("weight_norm"), run["weight_norm"], np.nan)
    highest = np.nanmax(norm, axis=(0, 1), initial=-np.inf)
    lowest = np.nanmin(norm, axis=(0, 1), initial=np.inf)
    return mask & (highest <= lowest) & ~listed(run, "not_called")


def listed(run: Run, fact: str) -> Array:
    """Return which parameters (L,) a list in the record's provenance names."""
    names = run.provenance.get(fact)
    names = names if isinstance(names, list) else ()
    return np.array([name in names for name in run.layer("name")], bool)
