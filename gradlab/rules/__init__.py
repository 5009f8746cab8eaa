"""The rules: one file per pathology, and what they share.

A rule measures and judges; it never prints, draws, or knows another rule. To add one, subclass `Rule` in a file of its
own and name it in `BUILT_IN` (or, from another package, in the entry point group `gradlab.rules`).
"""

from gradlab.rules.base import Finding, Hits, Rule, Window
from gradlab.rules.dead_units import DeadUnits
from gradlab.rules.diverging_weights import DivergingWeights
from gradlab.rules.exploding_activations import ExplodingActivations
from gradlab.rules.exploding_gradient import ExplodingGradient
from gradlab.rules.frozen_layer import FrozenLayer
from gradlab.rules.gradient_spike import GradientSpike
from gradlab.rules.lost_update import LostUpdate
from gradlab.rules.no_progress import NoProgress
from gradlab.rules.nonfinite import NonFinite
from gradlab.rules.overfitting import Overfitting
from gradlab.rules.saturated_units import SaturatedUnits
from gradlab.rules.stale_gradient import StaleGradient
from gradlab.rules.stalled_optimizer import StalledOptimizer
from gradlab.rules.unbroken_symmetry import UnbrokenSymmetry
from gradlab.rules.unstable_loss import UnstableLoss
from gradlab.rules.update_too_large import UpdateTooLarge
from gradlab.rules.vanishing_gradient import VanishingGradient

BUILT_IN: tuple[type[Rule], ...] = (
    NonFinite,
    VanishingGradient,
    ExplodingGradient,
    GradientSpike,
    StaleGradient,
    DeadUnits,
    SaturatedUnits,
    ExplodingActivations,
    LostUpdate,
    FrozenLayer,
    DivergingWeights,
    UpdateTooLarge,
    UnbrokenSymmetry,
    StalledOptimizer,
    UnstableLoss,
    NoProgress,
    Overfitting,
)

__all__ = ["BUILT_IN", "Finding", "Hits", "Rule", "Window"]
