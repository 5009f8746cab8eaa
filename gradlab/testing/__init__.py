"""Assertions on gradients, for pytest, unittest and plain scripts.

    from gradlab.testing import assert_healthy, assert_gradient_bounds

    assert_healthy(run)
    assert_gradient_bounds(run, minimum=1e-6, layers="hidden*", iterations=slice(10, None))

Each takes a Run, the path of a run's folder, or the recorder that still records it. A failure is an
AssertionError that names the worst layer, the iteration and the replicate, the cause and what to
try; docs/testing-gradients.md shows them.
"""

from __future__ import annotations

from gradlab.testing.bounds import assert_gradient_bounds, assert_ratio
from gradlab.testing.finite_differences import assert_gradients_match
from gradlab.testing.health import assert_healthy, assert_no_exploding, assert_no_vanishing
from gradlab.testing.profile import assert_profile
from gradlab.testing.select import GradientError

__all__ = [
    "GradientError",
    "assert_gradient_bounds",
    "assert_gradients_match",
    "assert_healthy",
    "assert_no_exploding",
    "assert_no_vanishing",
    "assert_profile",
    "assert_ratio",
]

GradientError.__module__ = __name__  # where a traceback should say it lives
