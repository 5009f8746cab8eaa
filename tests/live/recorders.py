"""What a Lookout looks at, made by hand: a recorder, a clock, and verdicts."""

import numpy as np

from gradlab.diagnosis import Diagnosis
from gradlab.rules import Finding
from tests.rules.runs import make_run


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Recorded:
    """What a Lookout sees of a Recorder."""

    def __init__(self, run=None):
        self.acknowledged, self.broke = 0, False
        self._run = run or make_run(5)

    def written(self):
        return self._run


class Judge:
    """Finds what it is told to, takes the seconds it is told to, and counts how often."""

    def __init__(self, clock, *verdicts, cost=0.0):
        self.clock, self.verdicts, self.cost, self.calls = clock, list(verdicts), cost, 0

    def __call__(self, run):
        self.clock.now += self.cost
        verdict = self.verdicts[min(self.calls, len(self.verdicts) - 1)]
        self.calls += 1
        return Diagnosis("made", tuple(map(found, verdict)), {})


def found(rule, severity="error"):
    """Return a finding; "GL101*" is a warning."""
    if rule.endswith("*"):
        rule, severity = rule[:-1], "warning"
    seeds = {"hit": 1, "total": 1, "which": [0]}
    message = f"What {rule} found."
    return Finding(rule, "odd", severity, (1,), (3, 9), seeds, np.nan, 0.0, message)
