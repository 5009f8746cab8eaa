"""What every rule is made of: `Rule`, the `Finding` it returns, which seeds and layers it hits, and
when.
"""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from gradlab import statistics
from gradlab.errors import RuleError
from gradlab.rules import limits as limits_of_rules
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy
from gradlab.run import Run

Array = np.ndarray
ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)  # worst first
CONFIDENCES = ("high", "medium", "low")


@dataclass(frozen=True)
class Finding:
    """What one rule found in one run.

    Attributes
    ----------
    rule, name : str
        Permanent code and name of the rule, such as "GL101" and "vanishing-gradient".
    severity : str
        "error" (harm was measured), "warning", or "note" (odd, and harmless as far as is known).
    layers : tuple of int
        From 1, nearest the input: those hit in most of the hit replicates; empty where the whole
        net is meant.
    iterations : tuple of int
        (first, last) of the span that the finding rests on.
    replicates : mapping
        `hit` and `total` numbers, and `which` (from 0).
    value, limit : float
        The measured number and the limit it crosses, in the rule's own unit.
    message : str
        One sentence with the numbers.
    cause : mapping or None
        `log_gain` (the four terms, summed from the lowest layer named to the last), `dominant` and
        `sentence`.
    remedies : tuple of Remedy
        What to try, most promising first, in the order the cause asks for.
    consequences : tuple of Finding
        Findings that this one explains.
    columns : tuple of str
        The statistics that show it.
    blocks, roles : tuple of str
        The repeated parts of the model that are hit ("blocks.3"), and what the layers are in them
        ("attn.proj"); empty outside repeated parts.
    confidence : str
        "high", "medium" or "low": how far the numbers prove what the message says.
    evidence : str
        The numbers that the confidence rests on, in a sentence; may be empty.
    """

    rule: str
    name: str
    severity: str
    layers: tuple[int, ...]
    iterations: tuple[int, int]
    replicates: Mapping[str, Any]
    value: float
    limit: float
    message: str
    cause: Mapping[str, Any] | None = None
    remedies: tuple[Remedy, ...] = ()
    consequences: tuple[Finding, ...] = ()
    columns: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    confidence: str = "medium"
    evidence: str = ""

    def with_consequences(self, findings: Sequence[Finding]) -> Finding:
        """Return this finding with others folded under it."""
        return replace(self, consequences=tuple(findings))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; a number that is not finite becomes None."""
        data = {name: _finite(value) for name, value in asdict(self).items()}
        data["consequences"] = [finding.to_dict() for finding in self.consequences]
        data["remedies"] = [remedy.to_dict() for remedy in self.remedies]
        return data


def _finite(value: Any) -> Any:
    """Return data with None for every number that is not finite, at any depth."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_finite(each) for each in value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value


@dataclass(frozen=True)
class Hits:
    """Which layers of which replicates a criterion hits.

    Attributes
    ----------
    mask : ndarray of bool (S, L)
    """

    mask: Array

    @classmethod
    def of_seeds(cls, hit: Iterable[object]) -> Hits:
        """Return the hits of a criterion that looks at whole nets: what is true of each of them."""
        return cls(np.array([[bool(each)] for each in hit]))

    @property
    def which(self) -> list[int]:
        """The replicates hit, from 0."""
        return [int(k) for k in np.flatnonzero(self.mask.any(axis=1))]

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers, from 1, hit in most of the hit replicates (in half of them at least)."""
        hit = self.mask[self.which]
        if not len(hit):
            return ()
        return tuple(int(layer) + 1 for layer in np.flatnonzero(hit.mean(axis=0) >= 0.5))

    @property
    def replicates(self) -> dict[str, Any]:
        """What a Finding holds: hit, total, which."""
        return {"hit": len(self.which), "total": len(self.mask), "which": self.which}

    @property
    def severity(self) -> str:
        """Error where at least half of the replicates are hit."""
        return ERROR if 2 * len(self.which) >= len(self.mask) else WARNING


@dataclass(frozen=True)
class Window:
    """A span of iterations [start, stop)."""

    start: int
    stop: int

    @property
    def iterations(self) -> tuple[int, int]:
        """(first, last), as a Finding holds them."""
        return self.start, self.stop - 1


class Rule(ABC):
    """One pathology: what it needs, what it explains, and how it judges a run.

    The docstring of a rule is its documentation: `gradlab rule CODE` prints it, and the limits in
    force after it. It has the sections What it does, Why it is bad, Example, What to try and
    References.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    summary: ClassVar[str] = ""  # one line for lists of rules
    needs: ClassVar[tuple[str, ...]] = ()  # statistics without which the rule is skipped
    needs_loss: ClassVar[bool] = False
    limits: ClassVar[Mapping[str, Limit]] = {}  # every number that the rule judges by
    parameters: ClassVar[str] = "matrices"  # "all": vectors too (biases, scales of norms, ...)
    explains: ClassVar[tuple[str, ...]] = ()  # codes of findings that are consequences of this one
    explains_later: ClassVar[tuple[str, ...]] = ()  # of those that began after this one
    always: ClassVar[bool] = (
        False  # True: reported even if the root cause that explains it is muted
    )
    rises: ClassVar[bool] = False  # True: a note of it is as severe as what it explains
    timeless: ClassVar[bool] = False  # True: it speaks of how the run ended, whenever that began
    empty: ClassVar[bool] = False  # True: it can judge a run in which no step took place
    exact: ClassVar[bool] = False  # True: its times are measured at every step, not now and then
    # False: for a run too large for memory, the rule receives the subset from `Run.condensed()`,
    # whose rows are the iterations `run.times`.
    whole: ClassVar[bool] = True

    def limit(self, name: str) -> float:
        """Return the value in force of one of the rule's limits."""
        return self.limits[name].value

    def with_limits(self, values: Mapping[str, float]) -> Self:
        """Return a copy of the rule that judges by other limits; the rule itself stays as it is.

        Parameters
        ----------
        values : mapping of str to float
            Names of limits -> their new values.

        Raises
        ------
        RuleError
            A limit that the rule does not have, or a value that does not fit it.
        """
        if not values:
            return self
        for name, value in values.items():
            if wrong := limits_of_rules.problem(self.code, self.limits, name, value):
                raise RuleError(wrong)
        changed = copy.copy(self)
        new = {name: replace(self.limits[name], value=value) for name, value in values.items()}
        # On the copy alone, past a frozen dataclass too: `limits` of the class is everybody's.
        object.__setattr__(changed, "limits", {**self.limits, **new})
        return changed

    def missing(self, run: Run) -> str | None:
        """Say what this run lacks for the rule to judge it, and how to record it.

        None if nothing.
        """
        absent = [name for name in self.needs if name not in run]
        if not absent:
            return self.missing_loss(run)
        framework = run.config.get("framework")
        if framework:  # nobody hands arrays over there
            return f"needs {', '.join(absent)}, which {framework} showed of none of these layers"
        arrays = dict.fromkeys(name for each in absent for name in statistics.get(each).arguments)
        return (
            f"needs {', '.join(absent)}, which this run does not hold; pass {', '.join(arrays)} to "
            "Recorder.record"
        )

    def missing_loss(self, run: Run) -> str | None:
        """Say that the loss is missing, and how to record it; None if it is there or not needed."""
        if not self.needs_loss or run.step_recorded("loss").any():
            return None
        return (
            "needs the loss, which this run does not hold; pass it to Recorder.record, or call "
            "log(loss=loss)"
        )

    @abstractmethod
    def judge(self, run: Run) -> Finding | None:
        """Return what is wrong with `run`, or None.

        Called only on runs of at least one iteration that lack nothing.
        """

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """Return the codes of findings that this one would explain; `explains` by default."""
        return self.explains

    def is_cause(self, finding: Finding) -> bool:
        """Whether a finding names a cause beyond doubt, which no other finding explains."""
        return False

    def explains_it(self, finding: Finding, other: Finding) -> bool:
        """Whether `other` is a consequence of this rule's `finding`: by code, time and seeds."""
        began_later = other.iterations[0] > finding.iterations[0]
        later = other.rule in self.explains_later and began_later
        hit = set(other.replicates["which"])
        shared = hit & set(finding.replicates["which"])
        return (later or other.rule in self.effects(finding)) and 2 * len(shared) >= len(hit)

    def finding(self, hits: Hits, window: Window, **details: Any) -> Finding:
        """Make this rule's Finding from what it hit, when, and the details."""
        details.setdefault("severity", hits.severity)
        details.setdefault("layers", hits.layers)
        return Finding(
            rule=self.code,
            name=self.name,
            iterations=window.iterations,
            replicates=hits.replicates,
            **details,
        )

    @classmethod
    def documentation(cls) -> str:
        """Return the docstring, with its indentation removed."""
        return inspect.getdoc(cls) or ""

    def explanation(self) -> str:
        """Return the documentation, followed by the limits in force with units and reasons."""
        if not self.limits:
            return self.documentation()
        listed = limits_of_rules.describe(self.limits, type(self).limits)
        return f"{self.documentation()}\n\n{listed}"
