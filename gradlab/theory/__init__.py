"""What theory predicts of a network at initialization."""

from gradlab.theory.depth import critical_gain, depth_below, fixed_point
from gradlab.theory.initializers import INITIALIZERS, weight_variance
from gradlab.theory.mean_field import Prediction, predict
from gradlab.theory.silent import dead_at_init, silent_fraction
from gradlab.theory.stream import Branch, StreamPrediction, predict_stream

__all__ = [
    "INITIALIZERS",
    "Branch",
    "Prediction",
    "StreamPrediction",
    "critical_gain",
    "dead_at_init",
    "depth_below",
    "fixed_point",
    "predict",
    "predict_stream",
    "silent_fraction",
    "weight_variance",
]
