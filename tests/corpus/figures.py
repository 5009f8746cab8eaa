"""Precision, recall and more, counted over the corpus for docs/how-truth-is-measured.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import gradlab
from tests.corpus.corpus import Case, train
from tests.corpus.proofs import PROOFS

# iterations: every fault is planted before the first; a finding must have begun in the first window
STARTED = 50


@dataclass(frozen=True)
class Outcome:
    """What was found in one case.

    Attributes
    ----------
    case : Case
    fired, roots, errors : tuple of str
        Codes of all findings, of the roots, and of those at error level.
    layers : dict
        Code -> the layers named.
    since : dict
        Code -> the first iteration named.
    crashed : tuple of str
    notes : tuple of str
        Codes of those findings that are notes: odd, and harmless. No false alarms.
    unproved : str
        Why the label's proof failed; empty where it holds.
    """

    case: Case
    fired: tuple[str, ...]
    roots: tuple[str, ...]
    errors: tuple[str, ...]
    layers: dict[str, tuple[int, ...]]
    since: dict[str, int]
    crashed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unproved: str = ""

    @property
    def false(self) -> set[str]:
        """Codes that must not have fired as more than a note."""
        loud = set(self.fired) - set(self.notes)
        return loud - set(self.case.required) - set(self.case.acceptable)

    @property
    def missed(self) -> set[str]:
        """Codes that had to fire."""
        return set(self.case.required) - set(self.fired)

    @property
    def root_right(self) -> bool:
        """Whether a faulty case has a root that may be one, and no other."""
        return bool(self.roots) and set(self.roots) <= set(self.case.roots)

    @property
    def layer_right(self) -> bool:
        """Whether the lowest layer named is within one of the planted one."""
        named = [self.layers[code] for code in self.case.required if self.layers.get(code)]
        return bool(named) and abs(min(named[0]) - self.case.layer) <= 1


def judge(case: Case) -> tuple[Outcome, gradlab.Run]:
    """Train a case, prove its label, and diagnose it."""
    evidence = train(case)
    unproved = ""
    try:
        PROOFS[case.fault](evidence)
    except AssertionError as error:
        unproved = str(error).splitlines()[0] if str(error) else "the measurement says otherwise"
    diagnosis = gradlab.diagnose(evidence.run)
    every = diagnosis.every_finding
    outcome = Outcome(
        case,
        fired=tuple(each.rule for each in every),
        roots=tuple(each.rule for each in diagnosis.faults or diagnosis.findings),
        errors=tuple(each.rule for each in every if each.severity == "error"),
        layers={each.rule: each.layers for each in every},
        since={each.rule: each.iterations[0] for each in every},
        crashed=tuple(code for code, state in diagnosis.statuses.items() if state == "crashed"),
        notes=tuple(each.rule for each in every if each.severity == "note"),
        unproved=unproved,
    )
    return outcome, evidence.run


def verdict(case: Case) -> Outcome:
    """Return the outcome of a case alone."""
    return judge(case)[0]


@dataclass(frozen=True)
class Counts:
    """True and false alarms of one rule, or of all."""

    right: int
    false: int
    missed: int

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.false) if self.right + self.false else 1.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


def count(outcomes: Sequence[Outcome], codes: Iterable[str]) -> Counts:
    """Count over some rules: right where required, false where neither required nor acceptable."""
    codes = set(codes)
    right = sum(len(set(each.case.required) & set(each.fired) & codes) for each in outcomes)
    return Counts(
        right,
        sum(len(each.false & codes) for each in outcomes),
        sum(len(each.missed & codes) for each in outcomes),
    )


def root_right(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """How many faulty cases have the right root and no other, of how many."""
    faulty = [each for each in outcomes if each.case.fault]
    return sum(each.root_right for each in faulty), len(faulty)


def layer_right(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """How many cases with a known layer name one within one of it as their lowest, of how many."""
    known = [each for each in outcomes if each.case.layer]
    return sum(each.layer_right for each in known), len(known)


def iteration_right(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """How many faults present from the start have a finding in the first window, of how many."""
    known = [
        each
        for each in outcomes
        if each.case.fault and each.case.fault not in ("spike", "overfitted", "uninformative")
    ]
    right = sum(
        any(each.since.get(code, STARTED) < STARTED for code in each.case.required)
        for each in known
    )
    return right, len(known)


def healthy_alarms(outcomes: Sequence[Outcome]) -> tuple[int, int, int]:
    """Count healthy cases with an error, with a finding that is not acceptable, and all."""
    healthy = [each for each in outcomes if each.case.healthy]
    return (
        sum(bool(each.errors) for each in healthy),
        sum(bool(each.false) for each in healthy),
        len(healthy),
    )
