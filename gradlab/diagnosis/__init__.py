"""`diagnose(run)`: the verdict on a run, root causes first."""

from gradlab.diagnosis.judge import diagnose
from gradlab.diagnosis.known_rules import registry
from gradlab.diagnosis.training_outcome import (
    LEARNED,
    NOT_LEARNED,
    SLOW,
    accuracy,
    clipped,
    outcome,
    outcomes,
    summary,
)
from gradlab.diagnosis.verdict import Diagnosis

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
