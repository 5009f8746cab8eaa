"""`Change`, `Score`, `Trial`: one thing to try, how well a network does, and what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradlab.diagnosis import Diagnosis
from gradlab.rules import Remedy
from gradlab.run import Run

POINTS = 100  # of a learning curve as plain data


@dataclass(frozen=True)
class Change:
    """One change of a training, as small as a remedy names it.

    Attributes
    ----------
    words : str
        A few words for a table: "init he_normal".
    remedy : Remedy
        The remedy that it carries out.
    line : str
        The line to change, as the user types it.
    apply : callable
        What carries it out; each bench has functions of its own.
    """

    words: str
    remedy: Remedy
    line: str
    apply: Any = field(repr=False, compare=False)

    @property
    def setting(self) -> str:
        """What is changed, such as "learning_rate": no pair changes it twice."""
        return self.line.partition("=")[0]


@dataclass(frozen=True)
class Score:
    """How well a trained network does on data that it was not trained on.

    Attributes
    ----------
    value : float
        Higher is better; NaN where the network answers with NaN.
    learns : bool
        Whether that counts as having learned.
    sure : bool
        Whether it is so good that nothing better has to be looked for.
    words : str
        The value with its unit: "94 % right".
    """

    value: float
    learns: bool
    sure: bool
    words: str

    @property
    def rank(self) -> float:
        """The value, or minus infinity for NaN: what trials are sorted by."""
        return self.value if math.isfinite(self.value) else -math.inf


NO_SCORE = Score(math.nan, False, False, "-")


@dataclass(frozen=True)
class Trial:
    """A training with some changes, and what came of it.

    Attributes
    ----------
    changes : tuple of Change
        None: the training as it was.
    share : float
        How much of the whole training was run, above 0 to 1.
    iterations : int
        The same in iterations.
    score : Score
    seconds : float
    run : Run, optional
        The record; None if the training could not be run.
    diagnosis : Diagnosis, optional
        Its verdict.
    problem : str
        Why the training could not be run; empty if it could.
    """

    changes: tuple[Change, ...]
    share: float
    iterations: int
    score: Score
    seconds: float
    run: Run | None = field(default=None, repr=False)
    diagnosis: Diagnosis | None = field(default=None, repr=False)
    problem: str = ""

    @property
    def words(self) -> str:
        """The changes in a few words: "init he_normal + learning_rate 0.1"."""
        return " + ".join(change.words for change in self.changes) or "as it was"

    @property
    def whole(self) -> bool:
        """Whether it was trained as long as the original."""
        return self.share >= 1

    @property
    def errors(self) -> tuple[str, ...]:
        """The codes of all findings of severity "error"."""
        if self.diagnosis is None:
            return ()
        return tuple(each.rule for each in self.diagnosis.every_finding if each.severity == "error")

    @property
    def faults(self) -> tuple[str, ...]:
        """The codes of the root causes that are errors or warnings."""
        return () if self.diagnosis is None else tuple(each.rule for each in self.diagnosis.faults)

    @property
    def verdict(self) -> str:
        """A few words: the worst root cause, "healthy", or why there is no verdict."""
        return self.problem if self.diagnosis is None else self.diagnosis.verdict

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "changes": [
                {"words": each.words, "line": each.line, "remedy": each.remedy.to_dict()}
                for each in self.changes
            ],
            "share": self.share,
            "iterations": self.iterations,
            "score": self.score.value if math.isfinite(self.score.value) else None,
            "learns": self.score.learns,
            "errors": list(self.errors),
            "verdict": self.verdict,
            "seconds": round(self.seconds, 3),
            "loss": curve(self.run),
            "problem": self.problem,
        }


def curve(run: Run | None) -> list[tuple[int, float | None]]:
    """Return the loss of the median seed at up to 100 iterations; None where it is not finite."""
    if run is None or run.iterations == 0:
        return []
    loss = run.step("loss")
    rows = np.unique(np.linspace(0, len(loss) - 1, POINTS).astype(int))
    middle = np.median(loss[rows], axis=1)
    return [
        (int(run.times[row]), float(value) if math.isfinite(value) else None)
        for row, value in zip(rows, middle, strict=True)
    ]
