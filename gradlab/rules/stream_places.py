"""Where along a residual stream the gradient grows: in which blocks, and in which branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.rules.cause import factor
from gradlab.rules.places import span_of_blocks
from gradlab.rules.snippets import LOOKUPS
from gradlab.rules.windows import nanmedian
from gradlab.run import ADDITION, Run


@dataclass(frozen=True)
class Growth:
    """Where a stream's gradient grows.

    Attributes
    ----------
    log_gain : float
        ln of the factor by which it grows over the blocks named.
    blocks : tuple of str
        Those whose own factor would pass the limit if every block had it.
    branches : tuple of str
        What they add that does it, as the names of the blocks' parts: "attn", "mlp"; empty where
        the record does not tell the branches apart.
    layers : tuple of int
        The matrices (from 1) of these branches, else of the blocks.
    """

    log_gain: float
    blocks: tuple[str, ...]
    branches: tuple[str, ...]
    layers: tuple[int, ...]

    @property
    def place(self) -> str:
        """Where, in words: "attn and mlp of blocks.8 to blocks.23"."""
        shown = self.of_blocks
        return f"{' and '.join(self.branches)} of {shown}" if self.branches else shown

    @property
    def of_blocks(self) -> str:
        """The blocks, in words."""
        return span_of_blocks(self.blocks) or (
            f"{len(self.blocks)} blocks ({self.blocks[0]} first)"
            if len(self.blocks) > 2
            else " and ".join(self.blocks)
        )

    @property
    def sentence(self) -> str:
        """The place and the factor, as a finding says it."""
        each = factor(self.log_gain / len(self.blocks))
        more = f", about {each} a block" if len(self.blocks) > 1 else ""
        return f"{factor(self.log_gain)} times in {self.place}{more}"

    @property
    def evidence(self) -> str:
        """The sentence as what was measured."""
        return f"at iteration 0 the residual stream's gradient grows {self.sentence}"


def growth_of_gradient(run: Run, which: Sequence[int], limit: float) -> Growth | None:
    """Find the blocks in which the gradient of a stream grows on its way back, at iteration 0.

    Growth is a product over blocks. A block is named where its factor is above limit^(1 / blocks):
    if all had it, the product would pass the limit; the others would not pass it together.

    Parameters
    ----------
    which : sequence of int
        The replicates (from 0) whose median counts.
    limit : float
        The factor over all blocks that is too much.

    Returns
    -------
    Growth or None
        None where no stream was recorded, or none of its blocks stands out.
    """
    logs = run.block_statistic("stream_log_gain")[:1, list(which)]
    if not logs.size or not np.isfinite(logs).any():
        return None
    with np.errstate(all="ignore"):
        gains = nanmedian(np.where(np.isfinite(logs), logs, np.nan).reshape(-1, logs.shape[2]))
    table = run.blocks
    added = np.array(table["kind"] == ADDITION)
    named = _above(gains, ~added, limit)
    if not len(named):
        return None
    named = _with_gaps(named, np.flatnonzero(~added))
    blocks = tuple(str(table["block"].iloc[k]) for k in named)
    branches = _branches(run, _above(gains, added, limit), blocks)
    return Growth(
        float(np.nansum(gains[named])),
        blocks,
        branches,
        _matrices(run, blocks, branches),
    )


def _above(gains: np.ndarray, among: np.ndarray, limit: float) -> np.ndarray:
    """Return the rows whose factor is more than their share of the limit."""
    known = among & np.isfinite(gains)
    share = np.log(limit) / max(1, known.sum())
    return np.flatnonzero(known & (np.nan_to_num(gains) > share))


def _with_gaps(named: np.ndarray, every: np.ndarray) -> np.ndarray:
    """Return the blocks named and those between two of them: one that is small by chance."""
    hit = np.isin(every, named)
    between = np.zeros_like(hit)
    between[1:-1] = hit[:-2] & hit[2:]
    return every[hit | between]


def _branches(run: Run, growing: np.ndarray, blocks: tuple[str, ...]) -> tuple[str, ...]:
    """Return the branches that grow in at least half of the blocks named."""
    table = run.blocks
    counts: dict[str, int] = {}
    for k in growing:
        block, _, branch = str(table["block"].iloc[k]).rpartition(".")
        if block in blocks:
            counts[branch] = counts.get(branch, 0) + 1
    return tuple(branch for branch, count in counts.items() if 2 * count >= len(blocks))


def branch_of(role: object) -> str:
    """Return the branch that a layer is part of: "attn" of "attn.proj"."""
    return str(role).split(".")[0]


def _matrices(run: Run, blocks: tuple[str, ...], branches: tuple[str, ...]) -> tuple[int, ...]:
    """Return the matrices of the branches of blocks; of the blocks whole where none is named."""
    homes, roles, kinds = (run.layer(name) for name in ("block", "role", "kind"))
    return tuple(
        k + 1
        for k in range(run.matrices.shape[2])
        if str(homes[k]) in blocks
        and str(kinds[k]).lower() not in LOOKUPS
        and (not branches or branch_of(roles[k]) in branches)
    )
