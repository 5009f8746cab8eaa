"""The answer in one sentence, with its numbers: worded from verdicts that `gradlab.diagnosis` reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from gradlab.diagnosis import LEARNED, NOT_LEARNED, Diagnosis
from gradlab.report.wording import TERM_WORDS, number, plainly, power, typeset, words
from gradlab.rules import Finding
from gradlab.rules.wording import span

HARMLESS = np.log(10)  # a product within a factor of ten explains nothing
NOTHING, NO_LOSS = "no iteration", "no loss recorded"
# Where no constant guess is known to measure the loss by:
LOSS_FALLS, LOSS_STAYS, ENDS_IN_NAN = "loss falls", "loss does not fall", "ends in NaN"
WHOLE = 0.05  # decades: a gradient within about a tenth of itself


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
    losses : tuple of float
        First and last median loss over seeds, where no constant guess is known to measure them by; empty elsewhere.
    iterations : int
    silent : bool
        No loss was recorded.
    """

    name: str
    outcome: str
    diagnosis: Diagnosis
    layers: int
    arrives: float
    depth: int | None = None
    losses: tuple[float, ...] = ()
    iterations: int = 1
    silent: bool = False

    @property
    def root(self) -> Finding | None:
        """The worst finding that no other explains."""
        return self.diagnosis.faults[0] if self.diagnosis.faults else None

    @property
    def fine(self) -> bool:
        """Learned, and no error."""
        return self.diagnosis.ok and (self.silent or (self.falls if self.losses else self.outcome == LEARNED))

    @property
    def falls(self) -> bool:
        """Whether the loss ended below its start."""
        return bool(self.losses) and self.losses[-1] < self.losses[0]

    @property
    def label(self) -> str:
        """The outcome in two words, as far as it can be told."""
        if not self.iterations:
            return NOTHING
        if self.silent:
            return NO_LOSS
        if not self.losses:
            return self.outcome
        return LOSS_FALLS if self.falls else LOSS_STAYS if np.isfinite(self.losses[-1]) else ENDS_IN_NAN

    @property
    def status(self) -> str:
        """Say how it went, as a verb."""
        if not self.iterations:
            return "holds no iteration yet"
        if self.silent:
            return "does not tell its loss"
        if self.losses:
            return _told_by_its_loss(*self.losses)
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
    if not reason:
        return f"{told.name} {told.status}. {typeset(told.root.message)}"
    return f"{told.name} {told.status}: {_seeds(told.root)}{reason}."


def _seeds(root: Finding) -> str:
    """Name the seeds of a finding that not all of them have: what follows is not true of the others."""
    hit, total = root.replicates["hit"], root.replicates["total"]
    return f"in {hit} of {total} seeds, " if hit < total else ""


def _told_by_its_loss(first: float, last: float) -> str:
    """Word what became of a loss that nothing is known to measure by."""
    if not np.isfinite(last):
        return ENDS_IN_NAN
    if last < first:
        return f"lowers its loss from {number(first)} to {number(last)}"
    return f"does not lower its loss (from {number(first)} to {number(last)})"


def is_explained(told: Told) -> bool:
    """Whether the product of the layers' factors explains the worst finding."""
    return told.root is not None and bool(_reason(told, told.root))


def where(told: Told, names: Sequence[str] = ()) -> str:
    """Say where the worst finding is: layers, first iteration, seeds; nothing where all is well."""
    root = told.root
    if root is None:
        return ""
    layers = f"{span(root.layers)} of {told.layers}" if root.layers else "the whole net"
    if names and root.layers:
        ends = dict.fromkeys(names[layer - 1] for layer in (root.layers[0], root.layers[-1]))
        layers += f" ({' to '.join(ends)})"
    first = root.iterations[0]
    time = "from before the first update on (iteration\u00a00)" if first == 0 else f"from iteration {first} on"
    hit, total = root.replicates["hit"], root.replicates["total"]
    return f"{layers}, {time}" + (f", in {hit} of {total} seeds" if total > 1 else "")


def first_step(told: Told) -> str:
    """Say what to try first: the first remedy of the worst finding; nothing for a run in which nothing is wrong."""
    return str(told.root.remedies[0]) if told.root and told.root.remedies else ""


def _healthy(told: Told) -> str:
    if not told.iterations:
        return ", so there is nothing to judge"
    if not told.diagnosis.ok:
        return f", and it is {told.diagnosis.verdict}" if told.diagnosis.nonfinite else f": {told.diagnosis.verdict}"
    statuses = list(told.diagnosis.statuses.values())
    passed, unasked = statuses.count("passed"), statuses.count("skipped")
    lacking = f" ({unasked} more had too few numbers to judge by)" if unasked > passed / 2 else ""
    whole = "" if not np.isfinite(told.arrives) else f", and {_arrives(told.arrives)} at the start"
    return f": {passed} rule{'s' * (passed != 1)} found nothing wrong{lacking}{whole}"


def _arrives(decades: float) -> str:
    if abs(decades) < WHOLE:
        return f"the gradient arrives whole at layer 1 (× {power(decades)})"
    if decades > 0:
        return f"the gradient is {power(decades)} times as large at layer 1 as at the last layer"
    return f"{power(decades)} of the gradient reaches layer 1"


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
    if np.sign(total) != np.sign(cause["log_gain"][cause["dominant"]]):  # it goes the other way: it is not to blame
        return ""
    each = plainly(float(np.exp(total / steps)))
    amount = plainly(float(np.exp(total))) if abs(total) < 600 else power(total / np.log(10))
    why = TERM_WORDS[cause["dominant"]]
    if total > 0:
        grown = f"so that it is {amount} times as large at layer {lowest}"
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
        why = _reason(troubled, troubled.root) or words(troubled.root.name)
        reason = f"At depth {troubled.depth}, {_seeds(troubled.root)}{why}."
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
    reason = first.root and _seeds(first.root) + (_reason(first, first.root) or words(first.root.name))
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
