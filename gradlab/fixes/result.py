"""`Fix`: what was tried, what came of it, and the change that cures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gradlab import display
from gradlab.fixes.trial import Trial
from gradlab.rules import Remedy

HEAD = ("change", "iterations", "held out", "errors", "verdict")
NOT_TRIED = "Not tried, because it takes your own code, data or time"


@dataclass(frozen=True)
class Fix:
    """The result of a search for a cure.

    Attributes
    ----------
    name : str
        Of the run.
    before : Trial
        The training as it was.
    trials : tuple of Trial
        What was tried, in order; short ones too.
    winner : Trial or None
        The smallest change that cures: no error is left and the network learns on held-out data.
    diff : dict
        Setting -> (before, after), of the winner.
    code : str
        The training with the winner's changes, as Python; empty where nothing cures.
    shown : tuple of Remedy
        Remedies that need the user's own code or data: proposed, and not tried.
    spent, budget : float
        Whole trainings that were run and that might have been.
    seconds : float
    stopped : str
        Why the search ended early ("interrupted"); empty if it came to its end.
    """

    name: str
    before: Trial
    trials: tuple[Trial, ...]
    winner: Trial | None
    diff: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    code: str = ""
    shown: tuple[Remedy, ...] = ()
    spent: float = 0.0
    budget: float = 0.0
    seconds: float = 0.0
    stopped: str = ""

    @property
    def cured(self) -> bool:
        """Whether a change was found that cures."""
        return self.winner is not None

    @property
    def first(self) -> Trial | None:
        """The trial of the remedy with the best evidence; None if none could be tried."""
        return self.trials[0] if self.trials else None

    @property
    def best(self) -> Trial | None:
        """The winner, or else the trial that did best at full length; None if none did better."""
        if self.winner is not None:
            return self.winner
        whole = [trial for trial in self.trials if trial.whole and trial.diagnosis is not None]
        best = max(whole, key=lambda trial: trial.score.rank, default=None)
        return best if best is not None and best.score.rank > self.before.score.rank else None

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines to change, one a change of the winner."""
        return () if self.winner is None else tuple(each.line for each in self.winner.changes)

    @property
    def headline(self) -> str:
        """One sentence: what cures, or that nothing did."""
        tried = len({trial.words for trial in self.trials})
        if self.winner is not None:
            return (
                f"cured by {self.winner.words}: {self.before.score.words} before, "
                f"{self.winner.score.words} after"
            )
        if not self.before.faults and self.before.score.learns:
            return "nothing to fix: no rule found a fault, and the network learns"
        if not tried:
            return "nothing was tried: no remedy of the verdict can be carried out by itself"
        if tried == 1:
            return "nothing helped: the one change that was tried does not cure"
        return f"nothing helped: none of {tried} changes cures"

    @property
    def left(self) -> tuple[Remedy, ...]:
        """What was not tried and is still worth a look: after a cure, for the root causes alone."""
        if self.winner is None or self.before.diagnosis is None:
            return self.shown
        roots = self.before.diagnosis.findings
        words = {str(remedy) for finding in roots for remedy in finding.remedies}
        return tuple(remedy for remedy in self.shown if str(remedy) in words)

    @property
    def account(self) -> str:
        """What the search took, and why it ended if it ended early."""
        count = len(self.trials)
        said = (
            f"{count} training{'' if count == 1 else 's'} tried, {self.spent:.3g} of at most "
            f"{self.budget:g} whole ones, in {self.seconds:.3g} s"
        )
        return said + (f"; {self.stopped}" if self.stopped else "")

    def rows(self) -> list[list[str]]:
        """Return the table of trials, the winner first, then the training as it was."""
        rest = [trial for trial in self.trials if trial is not self.winner]
        listed = [*([] if self.winner is None else [self.winner]), self.before, *rest]
        return [_row(trial, self.winner) for trial in listed]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: what `gradlab fix --json` writes."""
        return {
            "schema": 1,
            "name": self.name,
            "cured": self.cured,
            "headline": self.headline,
            "diff": {name: list(pair) for name, pair in self.diff.items()},
            "lines": list(self.lines),
            "code": self.code,
            "before": self.before.to_dict(),
            "winner": None if self.winner is None else self.winner.to_dict(),
            "trials": [trial.to_dict() for trial in self.trials],
            "not_tried": [remedy.to_dict() for remedy in self.shown],
            "spent": self.spent,
            "budget": self.budget,
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
        }

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.headline}", ""]
        lines += display.columns_text(HEAD, self.rows())
        lines += ["", self.account]
        if self.left:
            lines += ["", f"{NOT_TRIED}:"]
            lines += [f"  {each.words}" for each in self.left]
        if self.winner is None and self.best is not None:
            best = self.best
            lines += ["", f"The best was {best.words} ({best.score.words}), which is no cure."]
        for number, line in enumerate(self.lines):
            lines += ["", f"change: {line}"] if number == 0 else [f"   and: {line}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [
            display.paragraph(f"{self.name}: {self.headline}", bold=True),
            display.grid(HEAD, self.rows()),
            display.paragraph(self.account),
            *(display.paragraph(f"change: {line}") for line in self.lines),
        ]
        return display.box(*parts)


def _row(trial: Trial, winner: Trial | None) -> list[str]:
    mark = "* " if trial is winner else ""
    errors = "-" if trial.diagnosis is None else str(len(trial.errors))
    return [mark + trial.words, str(trial.iterations), trial.score.words, errors, trial.verdict]
