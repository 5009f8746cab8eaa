"""What stands out among the same layer of all blocks, and what a residual stream lacks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlab.rules.places import place, span_of_blocks
from gradlab.rules.remedies import Remedy, remedy
from gradlab.rules.stream_places import Growth, branch_of
from gradlab.rules.wording import number
from gradlab.run import ADDITION, Run

APART = 10.0  # times the usual weights: far beyond what an initializer's chance gives
GROWN = 2.0  # times the usual weights: initializers agree within some percent
LEAST = 3  # blocks that hold the same layer


def apart_at_the_start(run: Run, layers: Sequence[int], least: float = APART) -> Remedy | None:
    """Return what to do where the initial weights of these layers are far larger than their like.

    Their like are the layers of the same role in other blocks; None where they are not more than
    `least` times as large, or where the net has no blocks.
    """
    times = _times_their_like(run, layers)
    if times is None or not np.min(times) > least:
        return None
    shown = place(run, layers)
    much = number(float(np.median(times)))
    return remedy(
        "initialize",
        f"initialize {shown} as in the other blocks: these weights started {much} times as large",
        evidence=f"{much} times the weights of the same layer in other blocks at iteration 0",
        layers=list(layers),
        factor=float(np.median(times)),
    )


def apart_in_the_stream(run: Run, layers: Sequence[int]) -> Remedy | None:
    """Return `apart_at_the_start` of those of these layers whose weights stand out; else None.

    The layers are those of blocks in which a gradient was seen to grow: less is needed there.
    """
    times = _times_their_like(run, layers)
    if times is None:
        return None
    apart = [layer for layer, much in zip(layers, times, strict=True) if much > GROWN]
    return apart_at_the_start(run, apart, GROWN)


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
    before = f"{norm}, before each branch"
    if where is not None and len(where.blocks) < (table["kind"] != ADDITION).sum():
        before = f"{norm}, before {where.place}"
    count = len(where.branches) if where is not None and where.branches else 2
    count *= len(inside)
    scale = f"what each of the {count} branches adds by 1/sqrt({count})"
    told = {} if where is None else {"blocks": list(where.blocks), "branches": list(where.branches)}
    evidence = "no norm stands before the branches or behind the sums"
    return remedy(
        "normalize",
        f"put a norm, such as {before}, or scale {scale}",
        evidence=evidence if where is None else f"{evidence} of {where.of_blocks}",
        **told,
        **({} if width is None else {"width": width}),
    )


def unlike_the_others(run: Run, where: Growth) -> str:
    """Say that blocks have no norm where the others of the stream have; "" where that is not so."""
    table = run.blocks[(run.blocks["kind"] != ADDITION) & (run.blocks["norm"] != "")]
    here = table["block"].isin(where.blocks)
    bare, others = set(table["norm"][here]) == {"none"}, table[~here]
    if not bare or others.empty or (others["norm"] == "none").any():
        return ""
    known = span_of_blocks([str(each) for each in others["block"]]) or "the others"
    return f"; no norm stands there, as one does in {known}"


def branch_width(run: Run, where: Growth | None) -> int | None:
    """Return how many numbers the first matrix of each branch reads; None where they differ."""
    if where is None or not where.branches:
        return None
    homes, roles, reads = (run.layer(name) for name in ("block", "role", "fan_in"))
    first: dict[tuple[str, str], float] = {}
    for layer in where.layers:
        branch = (str(homes[layer - 1]), branch_of(roles[layer - 1]))
        first.setdefault(branch, float(reads[layer - 1]))
    widths = set(first.values())
    width = widths.pop() if len(widths) == 1 else np.nan
    return int(width) if np.isfinite(width) else None
