"""The search for the smallest change that cures: single remedies first, then pairs.

The remedy with the best evidence is tried at full length. If it does not clearly cure, the others
are tried by successive halving (Jamieson & Talwalkar 2016): all for a quarter of the iterations,
the better half for a half, and the best of these at full length. Pairs join a promising remedy
with those that the verdict on it proposes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gradlab.fixes.trial import Change, Trial

LENGTHS = (0.25, 0.5)  # of the whole training: the rungs before the last
FINALISTS = 3  # trained at full length
PARTNERED = 2  # single changes that are joined with others
MOST_PAIRS = 8
# Of what the best trial gained: with so much, the one with the better evidence is preferred.
ALMOST = 0.9


class Bench(Protocol):
    """What the search needs of a framework."""

    def candidates(self, trial: Trial) -> Sequence[Change]:
        """Return what can be changed next, by what the verdict on a trial proposes, best first."""
        ...

    def train(self, changes: tuple[Change, ...], share: float) -> Trial:
        """Train with these changes, from the same seeds, for a share of the iterations."""
        ...


class OutOfBudget(Exception):
    """No further training fits into the budget."""


@dataclass
class Search:
    """One search; its trials are added as they end, so that an interrupt loses none.

    Attributes
    ----------
    bench : Bench
    before : Trial
        The training as it was, at full length.
    budget : float
        How many whole trainings may be run.
    seconds : float
        How long it may take.
    on_trial : callable, optional
        Called with each Trial.
    trials : list of Trial
    """

    bench: Bench
    before: Trial
    budget: float
    seconds: float
    on_trial: Callable[[Trial], None] | None = None
    trials: list[Trial] = field(default_factory=list)
    spent: float = 0.0
    stopped: str = ""
    _known: dict[tuple[tuple[str, ...], float], Trial] = field(default_factory=dict)

    def run(self) -> Trial | None:
        """Search, and return the trial that cures by the smallest change; None if none does."""
        start = time.perf_counter()
        self._end = start + self.seconds
        try:
            self._search()
        except OutOfBudget as reason:
            self.stopped = str(reason)
        except KeyboardInterrupt:
            self.stopped = "interrupted"
        return self.winner

    @property
    def winner(self) -> Trial | None:
        """The cure of the fewest changes; of several, the first that gains almost the most."""
        cures = [trial for trial in self.trials if self.cures(trial)]
        if not cures:
            return None
        fewest = min(len(trial.changes) for trial in cures)
        cures = [trial for trial in cures if len(trial.changes) == fewest]
        return next(trial for trial in cures if self._gain(trial, cures) >= ALMOST)

    def cures(self, trial: Trial) -> bool:
        """Whether a trial of full length has no error, not the old root cause, and learns."""
        if not trial.whole or trial.diagnosis is None or not trial.diagnosis.ok:
            return False
        left = set(trial.faults) & set(self.before.faults)
        return not left and trial.score.learns and trial.score.rank >= self._least()

    def _least(self) -> float:
        """Return the score below which a change has made things worse, by more than chance."""
        before = self.before.score
        return before.rank - 0.05 * abs(before.rank) if before.learns else -math.inf

    def _search(self) -> None:
        singles = [(change,) for change in self.bench.candidates(self.before)]
        if not singles:
            return
        first = self._try(singles[0], 1.0)
        if self.cures(first) and first.score.sure:
            return
        finalists = self._halve(singles[1:])
        if self.winner is None:
            self._halve(self._pairs([first, *finalists]))

    def _halve(self, ranked: list[tuple[Change, ...]]) -> list[Trial]:
        """Try changes for longer and longer, the better half each time; return the last trials."""
        left = ranked
        for share in LENGTHS:
            if len(left) <= FINALISTS:
                break
            tried = [self._try(changes, share) for changes in left]
            order = sorted(range(len(tried)), key=lambda k: -tried[k].score.rank)
            kept = sorted(order[: max(FINALISTS, math.ceil(len(left) / 2))])
            left = [left[k] for k in kept]
        finals = []
        for changes in left:
            finals.append(self._try(changes, 1.0))
            if self.cures(finals[-1]) and finals[-1].score.sure:
                break
        return finals

    def _pairs(self, singles: Sequence[Trial]) -> list[tuple[Change, ...]]:
        """Join the best single changes with what the verdicts on them propose, then with others."""
        found: dict[frozenset[str], tuple[Change, ...]] = {}
        usable = [trial for trial in singles if trial.diagnosis is not None]
        best = sorted(usable, key=lambda trial: -trial.score.rank)[:PARTNERED]
        joined = [(*trial.changes, each) for trial in best for each in self.bench.candidates(trial)]
        joined += [
            (*trial.changes, *other.changes)
            for trial in best
            for other in usable
            if other is not trial
        ]
        for pair in joined:
            if len({change.setting for change in pair}) == len(pair):
                found.setdefault(frozenset(_key(pair)), pair)
        return list(found.values())[:MOST_PAIRS]

    def _try(self, changes: tuple[Change, ...], share: float) -> Trial:
        known = self._known.get((_key(changes), share))
        if known is not None:
            return known
        if self.spent + share > self.budget + 1e-9:
            raise OutOfBudget(f"the budget of {self.budget:g} is used up")
        if time.perf_counter() > self._end:
            raise OutOfBudget(f"the time of {self.seconds:g} s is used up")
        trial = self.bench.train(changes, share)
        self.spent += share
        self._known[_key(changes), share] = trial
        self.trials.append(trial)
        if self.on_trial is not None:
            self.on_trial(trial)
        return trial

    def _gain(self, trial: Trial, trials: Sequence[Trial]) -> float:
        """Return what a trial gained, of what the best of these did."""
        everything = [self.before.score.rank, *(each.score.rank for each in self.trials)]
        base = min((value for value in everything if math.isfinite(value)), default=0.0)
        best = max(each.score.rank for each in trials)
        return 1.0 if best <= base else (trial.score.rank - base) / (best - base)


def _key(changes: tuple[Change, ...]) -> tuple[str, ...]:
    return tuple(change.words for change in changes)
