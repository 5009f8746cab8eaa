"""The statistics that two records are compared by, in the order in which an iteration makes them.

They are sizes: norms, root mean squares, the loss. A cosine, a mean near 0 or a share of units has
no scale of its own to measure a difference by, and all of them follow from the sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["layer", "step", "block"]
Floor = Literal["none", "largest", "weights", "first"]
Order = Literal["forwards", "backwards"]

PHASES = ("weights", "data", "forward", "loss", "backward", "clipping", "update", "held-out")
"""Of an iteration, in the order in which one follows from the other."""

MEANINGS = {
    "weights": "the weights differ before this update",
    "data": "the weights agree, and the batches do not: other data, or another order",
    "forward": "weights and batch agree as far as recorded, and the forward pass does not: other "
    "data, dropout, another mode, or other code in this layer",
    "loss": "all that is recorded before the loss agrees, and the loss does not: other data or "
    "targets, dropout, or another loss",
    "backward": "the loss agrees, and the gradient does not: another loss scale, a detached or "
    "masked part, or another order of sums",
    "clipping": "the gradient agrees until it is clipped",
    "update": "the gradient agrees, and the step does not: another learning rate, optimizer or "
    "weight decay, or an optimizer that lost its state",
    "held-out": "the training agrees, and what is measured on held-out data does not",
}
"""Phase -> what it means that the records part there."""

START = "they start from different weights: another seed, initialization or checkpoint"


@dataclass(frozen=True)
class Compared:
    """One statistic that is compared.

    Attributes
    ----------
    name, kind : str
        As in `gradlab.statistics`.
    phase : str
        Of PHASES.
    order : str
        In which order the layers make it.
    floor : str
        Where differences are rounding, however small the number: "largest", beside the largest of
        the layers; "weights", beside the weights that an update is added to; "first", beside the
        statistic's first value.
    """

    name: str
    kind: Kind
    phase: str
    order: Order = "forwards"
    floor: Floor = "none"


COMPARED = (
    Compared("weight_norm", "layer", "weights"),
    Compared("examples", "step", "data"),
    Compared("input_rms", "step", "data"),
    Compared("target_rms", "step", "data"),
    Compared("activation_rms", "layer", "forward"),
    Compared("slope_rms", "layer", "forward"),
    Compared("stream_rms", "block", "forward"),
    Compared("loss", "step", "loss", floor="first"),
    Compared("criterion_loss", "step", "loss", floor="first"),
    Compared("delta_norm", "layer", "backward", "backwards", "largest"),
    Compared("per_example_grad_norm", "layer", "backward", "backwards", "largest"),
    Compared("grad_norm", "layer", "backward", "backwards", "largest"),
    Compared("stream_grad_norm", "block", "backward", "backwards", "largest"),
    Compared("grad_norm", "step", "backward"),
    Compared("clipped_grad_norm", "step", "clipping"),
    Compared("learning_rate", "step", "update"),
    Compared("second_moment_rms", "layer", "update", floor="largest"),
    Compared("update_norm", "layer", "update", floor="weights"),
    Compared("validation_loss", "step", "held-out", floor="first"),
    Compared("validation_accuracy", "step", "held-out"),
    Compared("score", "step", "held-out", floor="first"),
)
"""Within a phase, what is made first stands first."""
