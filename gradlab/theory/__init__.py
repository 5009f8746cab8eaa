"""What theory predicts of a network at initialization."""

from gradlab.theory.mean_field import (
    INITIALIZERS,
    Prediction,
    critical_gain,
    dead_at_init,
    depth_below,
    fixed_point,
    predict,
    silent_fraction,
    weight_variance,
)

__all__ = [
    "INITIALIZERS",
    "Prediction",
    "critical_gain",
    "dead_at_init",
    "depth_below",
    "fixed_point",
    "predict",
    "silent_fraction",
    "weight_variance",
]
