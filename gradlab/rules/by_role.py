"""What stands out among the same layer of all blocks, and what a residual stream lacks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlab.rules.remedies import Remedy, remedy
from gradlab.rules.wording import number
from gradlab.run import Run

APART = 10.0  # times the usual weights: far beyond what an initializer's chance gives
LEAST = 3  # blocks that hold the same layer
NORMS = "put a norm, such as nn.LayerNorm(width), before each branch"


def apart_at_the_start(run: Run, layers: Sequence[int]) -> Remedy | None:
    """Return what to do where the initial weights of these layers are far larger than their like.

    Their like are the layers of the same role in other blocks; None where they are not, or where
    the net has no blocks.
    """
    if "weight_norm" not in run or not layers:
        return None
    roles = [str(role) for role in run.layer("role")]
    blocks = [str(block) for block in run.layer("block")]
    norms = np.median(run["weight_norm"][0], axis=0)
    times = []
    for layer in layers:
        like = [
            k
            for k, (role, block) in enumerate(zip(roles, blocks, strict=True))
            if block and role == roles[layer - 1] and k + 1 not in layers
        ]
        usual = float(np.median(norms[like])) if len(like) >= LEAST else np.nan
        times.append(norms[layer - 1] / usual if usual > 0 else np.nan)
    if not np.min(times) > APART:
        return None
    names = [str(name) for name in run.layer("name")]
    shown = names[layers[0] - 1] + (" and the others" if len(layers) > 1 else "")
    much = number(float(np.median(times)))
    return remedy(
        "initialize",
        f"initialize {shown} as in the other blocks: these weights started {much} times as large",
        evidence=f"{much} times the weights of the same layer in other blocks at iteration 0",
        layers=list(layers),
    )


def norms_for_a_bare_stream(run: Run) -> Remedy | None:
    """Return where to put norms, in a residual stream that has none; else None."""
    table = run.blocks
    inside = table[(table["kind"] != "addition") & (table["norm"] != "")]
    if len(inside) < 2 or set(inside["norm"]) != {"none"}:
        return None
    scale = f"1/sqrt({2 * len(inside)})"
    return remedy(
        "normalize",
        f"{NORMS}, or scale what each branch adds by {scale}",
        evidence="no norm stands before the branches or behind the sums",
    )
