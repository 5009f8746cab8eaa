"""What every rule is made of: `Rule`, the `Finding` it returns, which replicates and layers it hits, and when."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np

from gradlab import statistics
from gradlab.run import Run

Array = np.ndarray
ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Finding:
    """What one rule found in one run.

    Attributes
    ----------
    rule, name : str
        Permanent code and name of the rule, such as "GL101" and "vanishing-gradient".
    severity : str
        "error" where at least half of the replicates are hit (non-finite numbers: any), else "warning".
    layers : tuple of int
        From 1, nearest the input: those hit in most of the hit replicates; empty where the whole net is meant.
    iterations : tuple of int
        (first, last) of the window the finding rests on.
    replicates : dict
        `hit` and `total` numbers, and `which` (from 0).
    value, limit : float
        The measured number and the limit it crosses, in the rule's own unit.
    message : str
        One sentence with the numbers.
    cause : dict or None
        `log_gain` (the four terms, summed from the lowest layer named to the last), `dominant` and `sentence`.
    remedies : tuple of str
        What to try, most promising first, in the order the cause asks for.
    consequences : tuple of Finding
        Findings that this one explains.
    columns : tuple of str
        The statistics that show it.
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
    remedies: tuple[str, ...] = ()
    consequences: tuple[Finding, ...] = ()
    columns: tuple[str, ...] = ()

    def with_consequences(self, findings: Sequence[Finding]) -> Finding:
        """Return this finding with others folded under it."""
        return replace(self, consequences=tuple(findings))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; a value that is not finite becomes None."""
        data = asdict(self)
        for key in ("value", "limit"):
            data[key] = data[key] if np.isfinite(data[key]) else None
        data["consequences"] = [finding.to_dict() for finding in self.consequences]
        return data


@dataclass(frozen=True)
class Hits:
    """Which layers of which replicates a criterion hits.

    Attributes
    ----------
    mask : ndarray of bool (S, L)
    """

    mask: Array

    @property
    def which(self) -> list[int]:
        """The replicates hit, from 0."""
        return [int(k) for k in np.flatnonzero(self.mask.any(axis=1))]

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers, from 1, hit in most of the hit replicates (in half of them at least)."""
        hit = self.mask[self.which]
        return tuple(int(layer) + 1 for layer in np.flatnonzero(hit.mean(axis=0) >= 0.5)) if len(hit) else ()

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

    The docstring of a rule is its documentation: `gradlab rule CODE` prints it. It has the sections What it does, Why
    it is bad, Example, What to try and References.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    summary: ClassVar[str] = ""  # one line for lists of rules
    needs: ClassVar[tuple[str, ...]] = ()  # statistics without which the rule is skipped
    needs_loss: ClassVar[bool] = False
    explains: ClassVar[tuple[str, ...]] = ()  # codes of findings that are consequences of this one
    explains_later: ClassVar[tuple[str, ...]] = ()  # the same, of findings that began after this one
    always: ClassVar[bool] = False  # True: told even where the root that explains it is muted
    whole: ClassVar[bool] = True  # False: of a run too large for memory, judge `Run.condensed()`; its rows are named by
    # `run.times`, by which the finding's iterations are then told

    def missing(self, run: Run) -> str | None:
        """Say what this run lacks for the rule to judge it, and how to record it; None if nothing."""
        absent = [name for name in self.needs if name not in run]
        if not absent:
            return self.missing_loss(run)
        framework = run.config.get("framework")
        if framework:  # nobody hands arrays over there
            return f"needs {', '.join(absent)}, which {framework} showed of none of these layers"
        arrays = dict.fromkeys(name for each in absent for name in statistics.get(each).arguments)
        return f"needs {', '.join(absent)}, which this run does not hold; pass {', '.join(arrays)} to Recorder.record"

    def missing_loss(self, run: Run) -> str | None:
        """Say that the loss is missing, and how to record it; None where it is not, or is not needed."""
        if not self.needs_loss or run.step_recorded("loss").any():
            return None
        return "needs the loss, which this run does not hold; pass it to Recorder.record, or call log(loss=loss)"

    @abstractmethod
    def judge(self, run: Run) -> Finding | None:
        """Return what is wrong with `run`, or None; called only on runs of at least one iteration that lack nothing."""

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """Return the codes of findings that would be consequences of this one; all of `explains` by default."""
        return self.explains

    def explains_it(self, finding: Finding, other: Finding) -> bool:
        """Whether `other` is a consequence of `finding`, which is this rule's: by its code, its time and its seeds."""
        later = other.rule in self.explains_later and other.iterations[0] > finding.iterations[0]
        hit = set(other.replicates["which"])
        shared = hit & set(finding.replicates["which"])
        return (later or other.rule in self.effects(finding)) and 2 * len(shared) >= len(hit)

    def finding(self, hits: Hits, window: Window, **details: Any) -> Finding:
        """Make this rule's Finding from what it hit, where, and the details."""
        details.setdefault("severity", hits.severity)
        details.setdefault("layers", hits.layers)
        return Finding(
            rule=self.code, name=self.name, iterations=window.iterations, replicates=hits.replicates, **details
        )

    @classmethod
    def documentation(cls) -> str:
        """Return the docstring, with its indentation removed."""
        return inspect.getdoc(cls) or ""
