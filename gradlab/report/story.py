"""The answer in one sentence, with its numbers: worded from verdicts that `gradlab.diagnosis` reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from gradlab.diagnosis import LEARNED, NOT_LEARNED, Diagnosis
from gradlab.report.wording import TERM_WORDS, plainly, words
from gradlab.rules import Finding

HARMLESS = np.log(10)  # a product within a factor of ten explains nothing


@dataclass(frozen=True)
class Told:
    """What the sentences need of one trained net: its name in them, its verdict, its number of layers.

    Attributes
    ----------
    name : str
    outcome : str
        As `gradlab.diagnosis.outcome` says.
    diagnosis : Diagnosis
    layers : int
    arrives : float
        log10 ||delta_1|| / ||delta_L|| at iteration 0; NaN where it is not known.
    depth : int or None
        Where the net is one of a row of depths.
    """

    name: str
    outcome: str
    diagnosis: Diagnosis
    layers: int
    arrives: float
    depth: int | None = None

    @property
    def root(self) -> Finding | None:
        """The worst finding that no other explains."""
        return self.diagnosis.findings[0] if self.diagnosis.findings else None

    @property
    def fine(self) -> bool:
        """Learned, and no error."""
        return self.outcome == LEARNED and self.diagnosis.ok

    @property
    def status(self) -> str:
        """Say how it went, as a verb."""
        if self.outcome == NOT_LEARNED:
            return "does not learn"
        if self.outcome != LEARNED:
            return "learns slowly"
        return "learns" if self.diagnosis.ok or self.root is None else "learns with errors"


def run_sentence(told: Told) -> str:
    """Say of one run what became of it and why."""
    if told.root is None:
        return f"{told.name} {told.status}{_healthy(told)}."
    reason = _reason(told, told.root)
    return f"{told.name} {told.status}: {reason}." if reason else f"{told.name} {told.status}. {told.root.message}"


def first_step(told: Told) -> str:
    """Say what to try first: the first remedy of the worst finding; nothing for a run in which nothing is wrong."""
    return told.root.remedies[0] if told.root and told.root.remedies else ""


def _healthy(told: Told) -> str:
    if not told.diagnosis.ok:
        return f", and it is {told.diagnosis.verdict}" if told.diagnosis.nonfinite else f": {told.diagnosis.verdict}"
    passed = sum(status == "passed" for status in told.diagnosis.statuses.values())
    whole = "" if not np.isfinite(told.arrives) else f", and {_arrives(told.arrives)} at the start"
    return f": {passed} rule{'s' * (passed != 1)} found nothing wrong{whole}"


def _arrives(decades: float) -> str:
    ratio = float(10 ** np.clip(decades, -307, 307))
    if ratio > 1:
        return f"the gradient is {plainly(ratio)} times as large at layer 1 as at the last layer"
    return f"{plainly(ratio)} of the gradient reaches layer 1"


def _reason(told: Told, root: Finding) -> str:
    """Word the product that the cause found; nothing where the chain of layers is not to blame."""
    cause: Any = root.cause
    if not cause:
        return ""
    total = sum(cause["log_gain"].values())
    lowest = min(root.layers, default=1)
    lowest = lowest if lowest < told.layers else 1
    steps = told.layers - lowest
    if not np.isfinite(total) or abs(total) < HARMLESS or steps < 1:
        return ""
    each, amount = (plainly(float(np.exp(np.clip(log, -700.0, 700.0)))) for log in (total / steps, total))
    why = TERM_WORDS[cause["dominant"]]
    if total > 0:
        grown = f"so that it is {amount} times larger at layer {lowest}"
        return f"each layer multiplies the gradient by {each} because of its {why}, {grown}"
    left = f"{amount} of it is left at layer {lowest}"
    return f"each layer passes on {each} of the gradient because of its {why}, so that {left}"


def row_sentence(row: Sequence[Told]) -> str:
    """Say of one network over its depths how far it learns, and why no farther."""
    parts = []
    for status, group in groupby(row, key=lambda told: told.status):
        depths = [told.depth for told in group]
        few = f"depth {depths[0]}" if len(depths) == 1 else f"depths {depths[0]} to {depths[-1]}"
        parts.append(f"{status} at {few}")
    troubled = next((told for told in row if told.root and _reason(told, told.root)), None)
    troubled = troubled or next((told for told in row if told.root), None)
    reason = ""
    if troubled is not None and troubled.root is not None:
        reason = f"At depth {troubled.depth}, {_reason(troubled, troubled.root) or words(troubled.root.name)}."
    return f"{row[0].name} {', '.join(parts)}. {reason}".strip()


def comparison_sentence(rows: Sequence[Sequence[Told]]) -> str:
    """Answer the comparison's question: where the worst network stops learning and why, and how far the best goes."""
    most = max(sum(told.fine for told in row) for row in rows)
    best = [row for row in rows if sum(told.fine for told in row) == most]
    failing = [row for row in rows if any(not told.fine for told in row)]
    if not failing:
        depths = [told.depth for told in best[0]]
        return f"All {len(rows)} networks learn at every depth, {depths[0]} to {depths[-1]}."
    worst = max(failing, key=lambda row: (sum(t.outcome == NOT_LEARNED for t in row), sum(not t.fine for t in row)))
    first = next((t for t in worst if t.outcome == NOT_LEARNED), next(t for t in worst if not t.fine))
    reached = any(t.outcome != NOT_LEARNED for t in worst[: worst.index(first)])
    verb = "stops learning" if first.outcome == NOT_LEARNED and reached else first.status
    reason = first.root and (_reason(first, first.root) or words(first.root.name))
    text = f"{first.name} {verb} at depth {first.depth}" + (f": {reason}." if reason else ".")
    if not most or worst in best:
        return text
    names = [row[0].name for row in best]
    who = names[0] + " learns" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} learn"
    deepest = max(told.depth or 0 for row in best for told in row if told.fine)
    reach = "at every depth, up to" if all(told.fine for row in best for told in row) else "up to depth"
    return f"{text} {who} {reach} {deepest}."


def runs_sentence(told: Sequence[Told]) -> str:
    """Sum up a list of runs: how many are fine, and what the worst of the others has."""
    fine = sum(each.fine for each in told)
    text = f"{fine} of {len(told)} runs learn{'s' * (fine == 1)} without an error."
    others = [each for each in told if not each.fine]
    order = {NOT_LEARNED: 0, LEARNED: 2}
    return text if not others else f"{text} {run_sentence(min(others, key=lambda each: order.get(each.outcome, 1)))}"
