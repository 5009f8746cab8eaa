"""Where the weight matrices stand in a net of repeated blocks: shared by the pictures of blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures.axes import elided, title
from gradlab.report.pictures.draw import Spec
from gradlab.report.wording import escape
from gradlab.run import Run

Array = np.ndarray


@dataclass(frozen=True)
class BlockGrid:
    """The layers of a net by block and role.

    Attributes
    ----------
    blocks : list of str
        In the order of the forward pass.
    roles : list of str
        In the order in which a block holds them.
    layers : ndarray of int (R, B)
        The layer's number from 0; -1 where a block has no layer of this role.
    """

    blocks: list[str]
    roles: list[str]
    layers: Array

    def of(self, values: Array) -> Array:
        """Arrange values by layer (L,) by role and block (R, B); NaN where there is no layer."""
        return np.where(self.layers >= 0, values[self.layers], np.nan)


def collect(run: Run) -> BlockGrid | None:
    """Return the grid of a run's weight matrices; None where it has fewer than two blocks."""
    table = run.layers[["block", "role"]].fillna("").astype(str).to_numpy()
    places = [(block, role, k) for k, (block, role) in enumerate(table) if block and role]
    blocks = list(dict.fromkeys(block for block, _, _ in places))
    roles = list(dict.fromkeys(role for _, role, _ in places))
    if len(blocks) < 2:
        return None
    layers = np.full((len(roles), len(blocks)), -1)
    for block, role, k in places:
        layers[roles.index(role), blocks.index(block)] = k
    return BlockGrid(blocks, roles, layers)


def block_axis(blocks: list[str]) -> Spec:
    """An axis of blocks at 0, 1, ...: their names where these are few or short, else thinned."""
    step = max(1, -(-len(blocks) // 12))
    ticks = list(range(0, len(blocks), step))
    stems = {block.rpartition(".")[0] for block in blocks}
    alike = len(stems) == 1 and all(block.rpartition(".")[2].isdigit() for block in blocks)
    name = f"block ({stems.pop()}.*)" if alike else "block"
    shown = [block.rpartition(".")[2] if alike else elided(block) for block in blocks]
    return {
        "title": title(escape(name)),
        "range": [-0.5, len(blocks) - 0.5],
        "tickvals": ticks,
        "ticktext": [escape(shown[k]) for k in ticks],
        **({} if alike else {"tickangle": -40}),
    }
