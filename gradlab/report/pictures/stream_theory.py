"""What theory predicts of a run's residual stream, from the weights that it started with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlab import theory
from gradlab.errors import ArgumentError
from gradlab.report.pictures.series import Band
from gradlab.rules.config_numbers import config_number
from gradlab.run import ADDITION, Run
from gradlab.theory import Branch

Array = np.ndarray

ATTENTION = (2, 4)  # maps without an activation: fused and output; query, key, value and output
FEED_FORWARD, GATED = 2, 3
RESIDUAL = "residual"  # the kind of block of the built-in engine: a layer by itself
# Attention passes on values that are all alike (1), or averages over many that are not (0).
MIXING = (0.0, 0.5, 1.0)


def expect(run: Run, inside: Sequence[int], last: float) -> dict[str, Band]:
    """Return what theory expects of the blocks in these rows of `run.blocks`, by statistic (B,).

    Empty where it does not know the kind of block, or what the branches are made of. The size
    behind the first block is the one that was measured, and so is the gradient behind the last
    block, `last`.
    """
    table = run.blocks
    norms = {str(table["norm"].iloc[k]) for k in inside}
    size = _first_size(run, inside[0])
    stacks = {str(table["path"].iloc[k]).rpartition(".")[0] for k in inside}
    one = len(norms) == len(stacks) == 1  # an encoder and a decoder are two streams
    if not one or not norms <= {"before", "after", "none"} or "weight_norm" not in run:
        return {}
    if not size > 0:
        return {}
    norm = norms.pop()
    predictions = []
    for mixing in MIXING:
        blocks = [_branches(run, k, mixing) for k in inside[1:]]
        if not all(blocks):
            return {}
        try:
            with np.errstate(all="ignore"):
                predictions.append(theory.predict_stream(blocks, norm, size**2))
        except ArgumentError:  # an activation that theory does not know
            return {}
    logs = [np.append(sum(each.log_gain), each.log_grad_ratio) for each in predictions]
    return {
        "stream_grad_norm": _band([last * np.exp(log) for log in logs]),
        "stream_rms": _band([np.append(size, each.rms) for each in predictions]),
    }


def _band(values: Sequence[Array]) -> Band:
    low, middle, high = values
    return Band(middle, low, high, np.zeros(len(middle), int))


def _first_size(run: Run, block: int) -> float:
    """Return the stream's root mean square behind the first block at the start; else NaN."""
    values = run.block_statistic("stream_rms")[0, :, block]
    return float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else np.nan


def _branches(run: Run, block: int, mixing: float) -> list[Branch]:
    """Return the branches of a block; none where one of them is not understood."""
    table = run.blocks
    if table["kind"].iloc[block] == RESIDUAL:
        return _residual(run, table["layers"].iloc[block])
    inside = table[(table["kind"] == ADDITION) & (table["path"] == table["path"].iloc[block])]
    found = [_branch(run, layers, mixing) for layers in inside["layers"]]
    known = [each for each in found if each is not None]
    # Without a norm what attention reads grows, it chooses ever more sharply, and is not linear.
    sharp = table["norm"].iloc[block] == "none" and any(
        each.activation == "identity" for each in known
    )
    return known if len(known) == len(found) and not sharp else []


def _residual(run: Run, layers: Sequence[int]) -> list[Branch]:
    """Return the branch of a layer of the built-in engine, a W phi(norm(x))."""
    if run.config.get("norm") == "batch":  # it takes the mean over the batch away, too
        return []
    scale = config_number(run, "residual", 1.0) ** 2
    applied = str(run.layers["activation"].iloc[layers[0] - 1])
    return [Branch((scale * _variance(run, layers[0]),), applied)]


def _branch(run: Run, layers: Sequence[int], mixing: float) -> Branch | None:
    """Tell feed-forward, gated and attention apart by how many maps there are, and where phi is."""
    rows = run.layers.iloc[[number - 1 for number in layers]]
    rows = rows[~rows["kind"].str.startswith("Embedding")]
    applied = list(rows["activation"])
    bent = [k for k, name in enumerate(applied) if name != "identity"]
    s = [_variance(run, int(number)) for number in rows["layer"]]
    if not all(value > 0 for value in s):
        return None
    if not bent and len(s) in ATTENTION:
        return Branch((float(np.mean(s[:-1])), s[-1]), mixing=mixing)
    if bent == [0] and len(s) == FEED_FORWARD:
        return Branch((s[0], s[1]), applied[0])
    if len(bent) == 1 and bent[0] < GATED - 1 and len(s) == GATED:
        gate = bent[0]
        return Branch((s[gate], s[1 - gate], s[2]), applied[gate])
    return None


def _variance(run: Run, layer: int) -> float:
    """Return fan_in Var W = ||W||^2 / fan_out of a layer at the start, the median over seeds."""
    fan_out = run.layers["fan_out"].iloc[layer - 1]
    norm = float(np.median(run["weight_norm"][0, :, layer - 1]))
    return norm**2 / float(fan_out) if fan_out else 0.0
