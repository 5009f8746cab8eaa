"""`diagnose(run)`: the verdict on a run, root causes first."""

from gradlab.diagnosis.judge import (
    LEARNED,
    NOT_LEARNED,
    SLOW,
    Diagnosis,
    accuracy,
    clipped,
    diagnose,
    outcome,
    outcomes,
    registry,
    summary,
)

__all__ = [
    "LEARNED",
    "NOT_LEARNED",
    "SLOW",
    "Diagnosis",
    "accuracy",
    "clipped",
    "diagnose",
    "outcome",
    "outcomes",
    "registry",
    "summary",
]
