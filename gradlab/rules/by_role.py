"""What stands out among the same layer of all blocks, and what a residual stream lacks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlab.rules.remedies import Remedy, remedy
from gradlab.rules.stream_places import ADDITION, Growth
from gradlab.rules.wording import number
from gradlab.run import Run

APART = 10.0  # times the usual weights: far beyond what an initializer's chance gives
LEAST = 3  # blocks that hold the same layer


def apart_at_the_start(run: Run, layers: Sequence[int]) -> Remedy | None:
    """Return what to do where the initial weights of these layers are far larger than their like.

    Their like are the layers of the same role in other blocks; None where they are not, or where
    the net has no blocks.
    """
    times = _times_their_like(run, layers)
    if times is None or not np.min(times) > APART:
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


def apart_in_the_stream(run: Run, layers: Sequence[int]) -> Remedy | None:
    """Return `apart_at_the_start` of those of these layers whose weights stand out; else None."""
    times = _times_their_like(run, layers)
    if times is None:
        return None
    return apart_at_the_start(
        run, [k for k, much in zip(layers, times, strict=True) if much > APART]
    )


def _times_their_like(run: Run, layers: Sequence[int]) -> list[float] | None:
    """Return how many times as large as their like in other blocks these layers' weights began."""
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
    return times


def norms_for_a_bare_stream(run: Run, where: Growth | None = None) -> Remedy | None:
    """Return where to put norms, in the blocks of a residual stream that have none; else None.

    Parameters
    ----------
    where : Growth, optional
        The blocks and branches that need them; without it all blocks.
    """
    table = run.blocks
    inside = table[(table["kind"] != ADDITION) & (table["norm"] != "")]
    if len(inside) < 2:
        return None
    if where is not None:
        inside = inside[inside["block"].isin(where.blocks)]
    if set(inside["norm"]) != {"none"}:
        return None
    width = branch_width(run, where)
    norm = f"nn.LayerNorm({width or 'width'})"
    place = f"{norm}, before each branch"
    if where is not None and len(where.blocks) < (table["kind"] != ADDITION).sum():
        place = f"{norm}, before {where.place}"
    scale = f"1/sqrt({2 * len(inside)})"
    told = {} if where is None else {"blocks": list(where.blocks), "branches": list(where.branches)}
    return remedy(
        "normalize",
        f"put a norm, such as {place}, or scale what each branch adds by {scale}",
        evidence="no norm stands before the branches or behind the sums",
        **told,
        **({} if width is None else {"width": width}),
    )


def branch_width(run: Run, where: Growth | None) -> int | None:
    """Return how many numbers the first matrix of each branch reads; None where they differ."""
    if where is None or not where.branches:
        return None
    homes, roles, reads = (run.layer(name) for name in ("block", "role", "fan_in"))
    first: dict[tuple[str, str], float] = {}
    for layer in where.layers:
        branch = (str(homes[layer - 1]), str(roles[layer - 1]).split(".")[0])
        first.setdefault(branch, float(reads[layer - 1]))
    widths = set(first.values())
    width = widths.pop() if len(widths) == 1 else np.nan
    return int(width) if np.isfinite(width) else None
