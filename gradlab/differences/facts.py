"""`Facts`: what was found out about how two runs differ."""

from __future__ import annotations

from dataclasses import dataclass

from gradlab.diagnosis import Diagnosis
from gradlab.diagnosis.verdict import worst_severity
from gradlab.differences.matching import Layers
from gradlab.differences.parting import Parting
from gradlab.differences.rounding import Rounding
from gradlab.differences.settings import Setting
from gradlab.rules.base import SEVERITIES


@dataclass(frozen=True)
class Side:
    """What is said of one of the two runs.

    Attributes
    ----------
    name : str
    diagnosis : Diagnosis
    outcome : str
        "learned", "slow", "not learned" or "unknown".
    iterations, seeds : int
    losses : (float, float) or None
        The first one and the last one recorded, medians over the seeds.
    """

    name: str
    diagnosis: Diagnosis
    outcome: str
    iterations: int
    seeds: int
    losses: tuple[float, float] | None


@dataclass(frozen=True)
class Facts:
    """How two runs differ, as plain data.

    Attributes
    ----------
    sides : (Side, Side)
        The verdict on each, and how it ended.
    configuration, environment : tuple of Setting
        The settings, versions and machines that differ.
    layers : Layers
        Which layers they have in common, by their paths.
    rounding : Rounding
        What differences count as none.
    offset : int
        Which iteration of the first run is iteration 0 of the second: above 0 where the second
        goes on from the first.
    compared : (int, int)
        The iterations of the first run that both have: the first, and one behind the last.
    partings : tuple of Parting
        Where each statistic parts, the first one first; empty where none does.
    """

    sides: tuple[Side, Side]
    configuration: tuple[Setting, ...]
    environment: tuple[Setting, ...]
    layers: Layers
    rounding: Rounding
    offset: int
    compared: tuple[int, int]
    partings: tuple[Parting, ...]

    @property
    def parting(self) -> Parting | None:
        """Where the records part; None where they agree to rounding."""
        return self.partings[0] if self.partings else None

    @property
    def same(self) -> bool:
        """Whether there is something to compare, and all of it agrees to rounding."""
        begin, end = self.compared
        return not self.partings and end > begin and bool(self.layers.names)

    @property
    def worse(self) -> bool:
        """Whether the second run has an error or a warning, as a root cause, that the first lacks.

        Also where it is one of the first run, and graver in the second.
        """
        first, second = (
            {root.rule: SEVERITIES.index(worst_severity(root)) for root in side.diagnosis.faults}
            for side in self.sides
        )
        milder = len(SEVERITIES)
        return any(severity < first.get(rule, milder) for rule, severity in second.items())

    @property
    def rules(self) -> tuple[tuple[str, str, str], ...]:
        """The rules that judge the two runs differently: code, and what it says of each."""
        told = [by_rule(side.diagnosis) for side in self.sides]
        codes = sorted({*told[0], *told[1]})
        rows = [(code, told[0].get(code, "not asked"), told[1].get(code, "not asked"))
                for code in codes]  # fmt: skip
        return tuple(row for row in rows if row[1] != row[2])


def by_rule(diagnosis: Diagnosis) -> dict[str, str]:
    """Return code -> what a rule says, in a few words: "passed", "error, from iteration 12"."""
    told = dict(diagnosis.statuses)
    for root in diagnosis.findings:
        for each in (root, *root.consequences):
            under = "" if each is root else f", because of {root.rule}"
            told[each.rule] = f"{each.severity} at iteration {each.iterations[0]}{under}"
    return told
