"""The columns of a Run that belong to a block, or to the net as a whole."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradlab import measures
from gradlab.adapters.torch.columns import anywhere, numbers_only
from gradlab.adapters.torch.ledger import Column


def of_blocks(b: Mapping[str, Column]) -> dict[str, Column]:
    """Make the statistics of blocks, and of the additions inside them; nothing without any."""
    if not b:
        return {}
    (norm, known), (n, _) = b["stream_norm"], b["stream_n"]
    (out, came), (into, arrived) = b["out_norm"], b["in_norm"]
    (skip, split), (branch, _), (inner, _) = b["skip_norm"], b["branch_norm"], b["branch_inner"]
    with np.errstate(all="ignore"):
        # In front of an addition: ||s + b||; blocks have been measured there.
        together = np.sqrt(np.maximum(skip**2 + branch**2 + 2 * inner, 0))
        factor = np.log(np.where(arrived, into, together) / out)
        share, cosine = branch / (branch + skip), inner / (branch * skip)
        of_addition = split & ~known
        return {
            "stream_rms": (norm / np.sqrt(n), known),
            "stream_grad_norm": (out, came),
            "stream_log_gain": (factor, came & (arrived | of_addition) & np.isfinite(factor)),
            "branch_share": (share, split & (branch + skip > 0)),
            "skip_log_gain": (np.log(skip / out), of_addition & came & (skip > 0) & (out > 0)),
            "branch_cosine": (np.clip(cosine, -1, 1), split & (branch > 0) & (skip > 0)),
        }


def of_steps(whole: Mapping[str, Column], net: Mapping[str, Column]) -> dict[str, Column]:
    """Make the rows of `steps`: norms of the net as a whole, over all parameters, biases too."""
    before, known = whole["grad_norm"]
    after, clipped = whole["after_norm"]
    decrease, measured = whole["decrease"]
    after = np.where(clipped, after, before)
    names = "loss", "learning_rate", "validation_loss", "validation_accuracy", "score", "examples"
    evaluated = "evaluation_loss", "evaluation_train_loss", "nonfinite_buffers"
    seen = "criterion_loss", "target_rms", "target_mean", *evaluated
    skipped, any_skipped = net["skipped_steps"]
    return {
        **{name: net[name] for name in (*names, *seen)},
        **{
            name: numbers_only(net[name])
            for name in ("criterion_baseline", "target_fit", "right_share", "output_gain")
        },
        "loss_scale": net["scale"],
        "skipped_steps": (np.where(any_skipped, skipped, 0.0), np.ones(len(skipped), bool)),
        "grad_norm": (measures.total_norm(np.where(known, before, 0)), anywhere(known)),
        "clipped_grad_norm": (measures.total_norm(np.where(known, after, 0)), anywhere(clipped)),
        "expected_decrease": (np.where(measured, decrease, 0).sum(axis=1), anywhere(measured)),
    }
