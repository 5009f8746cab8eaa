"""Where in an iteration the first number appeared that is not finite."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradlab.adapters.torch.columns import anywhere, flat
from gradlab.adapters.torch.ledger import Column
from gradlab.statistics import PHASES

Array = np.ndarray


def own_phases(tables: Mapping[str, Mapping[str, Column]]) -> list[str | None]:
    """Say where a non-finite number appeared first in one of several processes, by what is its own.

    The gradients of the parameters are not: they are made of what all processes have.
    """
    return phases(flat(tables["net"]), tables["modules"], None)


def phases(
    net: Mapping[str, Column], m: Mapping[str, Column], p: Mapping[str, Column] | None
) -> list[str | None]:
    """Say where a non-finite number appeared first in each iteration; None where nowhere."""

    def counted(column: Column) -> Array:
        return anywhere(column[1] & (column[0] > 0))

    loss, known = net["loss"]
    hits = [
        counted(m["z_bad"]) | net["broke_forward"][1],
        known & ~np.isfinite(loss),
        counted(m["delta_bad"]),
    ]
    if p is not None:
        gradient, known = p["grad_norm"]
        hits[2] |= counted(p["grad_bad"]) | anywhere(known & ~np.isfinite(gradient))
        hits.append(counted(p["after_bad"]))
    if not np.any(hits):
        return [None] * len(loss)
    return [
        next((PHASES[k] for k, hit in enumerate(row) if hit), None)
        for row in np.transpose(hits).tolist()
    ]
