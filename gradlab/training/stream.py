"""The residual stream of the built-in engine, from the arrays of one step.

At x_l = x_{l-1} + a z_l the gradient g_l = dLoss/dx_l comes back by the skip, unchanged, and
through the branch: g_{l-1} = g_l + b_l.
"""

from __future__ import annotations

import numpy as np

from gradlab.nn.loop import Step

Array = np.ndarray


def block_signals(step: Step) -> dict[str, Array]:
    """Return the statistics of a net's residual blocks, (S, B) each; nothing without any.

    They are those of `gradlab.statistics.BLOCK_STATISTICS`; of a skip that nothing changes
    `skip_log_gain` is 0. What is not defined is masked.
    """
    modified, model = step.work.modified, step.model
    inside = [k for k, skips in enumerate(model.skips) if skips]
    if modified is None or not inside:
        return {}
    streams, deltas = modified.streams, modified.stream_deltas
    rms = _columns([_length(streams[k]) / np.sqrt(_count(streams[k])) for k in inside])
    after = _columns([_length(deltas[k]) for k in inside])
    before = _columns([_length(deltas[k - 1]) for k in inside])
    branches = [deltas[k - 1] - deltas[k] for k in inside]
    branch = _columns([_length(each) for each in branches])
    inner = _columns([_inner(each, deltas[k]) for each, k in zip(branches, inside, strict=True)])
    with np.errstate(all="ignore"):
        found = {
            "stream_rms": rms,
            "stream_grad_norm": after,
            "stream_log_gain": np.log(before / after),
            "branch_share": branch / (branch + after),
            "skip_log_gain": np.zeros_like(after),
            "branch_cosine": np.clip(inner / (branch * after), -1, 1),
        }
    # A NaN is a fault and stays; what a gradient of exactly 0 leaves undefined was not recorded.
    undefined = {
        "stream_log_gain": (before == 0) | (after == 0),
        "branch_share": branch + after == 0,
        "branch_cosine": (branch == 0) | (after == 0),
    }
    return {
        name: np.ma.masked_array(values, undefined.get(name, False))
        for name, values in found.items()
    }


def _columns(values: list[Array]) -> Array:
    """Stack the numbers of blocks, () or (S,) each, to (S, B)."""
    return np.stack([np.atleast_1d(each) for each in values], axis=-1)


def _length(values: Array) -> Array:
    return np.sqrt(_inner(values, values))


def _inner(first: Array, second: Array) -> Array:
    """Return the sum of products over examples and units, in float64."""
    return np.einsum("...bn,...bn->...", first, second, dtype=np.float64)


def _count(values: Array) -> int:
    return values.shape[-1] * values.shape[-2]
