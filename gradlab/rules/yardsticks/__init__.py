"""What rules measure by: whether a net learns, how far its loss moves, how much of the gradient a
layer gets.

Each yardstick is defined once, with its reason. None changes when a constant is added to the logged
loss, except the comparison with a baseline that the user gave for that very loss.
"""

from __future__ import annotations

from gradlab.rules.yardsticks.answers import largest_entropy
from gradlab.rules.yardsticks.beside_constant import (
    AS_GOOD_AS_CONSTANT,
    LEARNED,
    NOT_LEARNED,
    SLOW,
    UNKNOWN,
)
from gradlab.rules.yardsticks.facts import (
    batch_size,
    column,
    given_probabilities,
    objective,
    window_size,
)
from gradlab.rules.yardsticks.harm import (
    failed,
    harmed,
    learned,
    learns,
    never_set_back,
    severity,
    unfinished,
    unharmed,
    worse_than_constant,
)
from gradlab.rules.yardsticks.layers import (
    LOOKUP,
    delta_growth,
    gradient_share,
    hardly_moved,
    stream_growth,
    travelled,
    weighted_gradient,
)
from gradlab.rules.yardsticks.loss import (
    above_constant,
    constant_level,
    constant_loss,
    is_yardstick,
    loss_scale,
    of_no_logarithms,
    over_other_axis,
    sign_flipped,
)
from gradlab.rules.yardsticks.outcome import outcomes
from gradlab.rules.yardsticks.targets import alike_within_batches
from gradlab.rules.yardsticks.trends import trend

__all__ = [
    "AS_GOOD_AS_CONSTANT",
    "LEARNED",
    "LOOKUP",
    "NOT_LEARNED",
    "SLOW",
    "UNKNOWN",
    "above_constant",
    "alike_within_batches",
    "batch_size",
    "column",
    "constant_level",
    "constant_loss",
    "delta_growth",
    "failed",
    "given_probabilities",
    "gradient_share",
    "hardly_moved",
    "harmed",
    "is_yardstick",
    "largest_entropy",
    "learned",
    "learns",
    "loss_scale",
    "never_set_back",
    "objective",
    "of_no_logarithms",
    "outcomes",
    "over_other_axis",
    "severity",
    "sign_flipped",
    "stream_growth",
    "travelled",
    "trend",
    "unfinished",
    "unharmed",
    "weighted_gradient",
    "window_size",
    "worse_than_constant",
]
