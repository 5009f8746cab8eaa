"""The answer in one sentence, with its numbers.

Worded from verdicts that `gradlab.diagnosis` reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from gradlab.diagnosis import LEARNED, NOT_LEARNED
from gradlab.report.summary import Summary
from gradlab.report.wording import TERM_WORDS, plainly, power, typeset, words
from gradlab.rules import Finding
from gradlab.rules.places import called

HARMLESS = np.log(10)  # a product within a factor of ten explains nothing
WHOLE = 0.05  # decades: a gradient within about a tenth of itself


def run_sentence(summary: Summary) -> str:
    """Say what became of one run, and why."""
    if summary.root is None:
        return f"{summary.name} {summary.status}{_healthy(summary)}."
    reason = _reason(summary, summary.root)
    if not reason:
        return f"{summary.name} {summary.status}. {typeset(summary.root.message)}"
    return f"{summary.name} {summary.status}: {_seeds(summary.root)}{reason}."


def _seeds(root: Finding) -> str:
    """Name the seeds of a finding that not all of them have.

    What follows is not true of the others.
    """
    hit, total = root.replicates["hit"], root.replicates["total"]
    return f"in {hit} of {total} seeds, " if hit < total else ""


def is_explained(summary: Summary) -> bool:
    """Whether the product of the layers' factors explains the worst finding."""
    return summary.root is not None and bool(_reason(summary, summary.root))


def _healthy(summary: Summary) -> str:
    if not summary.iterations:
        return ", so there is nothing to judge"
    if not summary.diagnosis.ok:
        return (
            f", and it is {summary.diagnosis.verdict}"
            if summary.diagnosis.nonfinite
            else f": {summary.diagnosis.verdict}"
        )
    statuses = list(summary.diagnosis.statuses.values())
    passed, unasked = statuses.count("passed"), statuses.count("skipped")
    lacking = f" ({unasked} more had too few numbers to judge by)" if unasked > passed / 2 else ""
    whole = (
        ""
        if not np.isfinite(summary.arrives)
        else f", and {_arrives(summary.arrives, *summary.ends)} at the start"
    )
    return f": {passed} rule{'s' * (passed != 1)} found nothing wrong{lacking}{whole}"


def _arrives(decades: float, first: str, last: str) -> str:
    if abs(decades) < WHOLE:
        return f"the gradient arrives whole at {first} (× {power(decades)})"
    if decades > 0:
        return f"the gradient is {power(decades)} times as large at {first} as at {last}"
    return f"{power(decades)} of the gradient reaches {first}"


def _reason(summary: Summary, root: Finding) -> str:
    """Word the product that the cause found; nothing where the chain of layers is not to blame."""
    cause: Any = root.cause
    if not cause:
        return ""
    total = sum(cause["log_gain"].values())
    lowest = min(root.layers, default=1)
    lowest = lowest if lowest < summary.layers else 1
    steps = summary.layers - lowest
    if not np.isfinite(total) or abs(total) < HARMLESS or steps < 1:
        return ""
    if np.sign(total) != np.sign(
        cause["log_gain"][cause["dominant"]]
    ):  # it goes the other way: it is not to blame
        return ""
    each = plainly(float(np.exp(total / steps)))
    place = _layer(summary, lowest)
    amount = plainly(float(np.exp(total))) if abs(total) < 600 else power(total / np.log(10))
    why = TERM_WORDS[cause["dominant"]]
    if total > 0:
        grown = f"so that it is {amount} times as large at {place}"
        return f"each layer multiplies the gradient by {each} because of its {why}, {grown}"
    left = f"{amount} of it is left at {place}"
    return f"each layer passes on {each} of the gradient because of its {why}, so that {left}"


def _layer(summary: Summary, number: int) -> str:
    names = summary.diagnosis.names
    name = names[number - 1] if number <= len(names) else ""
    return called(name) if name else f"layer {number}"


def row_sentence(row: Sequence[Summary]) -> str:
    """Say of one network over its depths how far it learns, and why no farther."""
    parts = []
    for status, group in groupby(row, key=lambda summary: summary.status):
        depths = [summary.depth for summary in group]
        few = f"depth {depths[0]}" if len(depths) == 1 else f"depths {depths[0]} to {depths[-1]}"
        parts.append(f"{status} at {few}")
    troubled = next(
        (summary for summary in row if summary.root and _reason(summary, summary.root)), None
    )
    troubled = troubled or next((summary for summary in row if summary.root), None)
    reason = ""
    if troubled is not None and troubled.root is not None:
        why = _reason(troubled, troubled.root) or words(troubled.root.name)
        reason = f"At depth {troubled.depth}, {_seeds(troubled.root)}{why}."
    return f"{row[0].name} {', '.join(parts)}. {reason}".strip()


def comparison_headline(rows: Sequence[Sequence[Summary]]) -> str:
    """Answer the comparison's question in few words: which network fails, where, and of what."""
    failing = _worst_row(rows)
    if failing is None:
        depths = [summary.depth for summary in rows[0]]
        return f"All {len(rows)} networks learn at every depth, {depths[0]} to {depths[-1]}"
    first, verb = _first_failure(failing)
    why = f": {words(first.root.name)}" if first.root else ""
    return f"{first.name} {verb} at depth {first.depth}{why}"


def _worst_row(rows: Sequence[Sequence[Summary]]) -> Sequence[Summary] | None:
    """Return the network that fails at most depths; None where all are fine."""
    failing = [row for row in rows if any(not summary.fine for summary in row)]
    if not failing:
        return None

    def failures(row: Sequence[Summary]) -> tuple[int, int]:
        stuck = sum(summary.outcome == NOT_LEARNED for summary in row)
        return stuck, sum(not summary.fine for summary in row)

    return max(failing, key=failures)


def _first_failure(row: Sequence[Summary]) -> tuple[Summary, str]:
    """Return the shallowest net of a row that fails, and the verb for it."""
    stuck = [summary for summary in row if summary.outcome == NOT_LEARNED]
    first = stuck[0] if stuck else next(summary for summary in row if not summary.fine)
    before = row[: row.index(first)]
    learned_before = any(summary.outcome != NOT_LEARNED for summary in before)
    if first.outcome == NOT_LEARNED and learned_before:
        return first, "stops learning"
    return first, first.status


def comparison_sentence(rows: Sequence[Sequence[Summary]]) -> str:
    """Answer the comparison's question: where the worst network fails and why, and who learns."""
    most = max(sum(summary.fine for summary in row) for row in rows)
    best = [row for row in rows if sum(summary.fine for summary in row) == most]
    worst = _worst_row(rows)
    if worst is None:
        depths = [summary.depth for summary in best[0]]
        return f"All {len(rows)} networks learn at every depth, {depths[0]} to {depths[-1]}."
    first, verb = _first_failure(worst)
    reason = first.root and _seeds(first.root) + (
        _reason(first, first.root) or words(first.root.name)
    )
    text = f"{first.name} {verb} at depth {first.depth}" + (f": {reason}." if reason else ".")
    if not most or worst in best:
        return text
    return f"{text} {_who_learns(best)}"


def _who_learns(best: Sequence[Sequence[Summary]]) -> str:
    names = [row[0].name for row in best]
    who = f"{names[0]} learns"
    if len(names) > 1:
        who = f"{', '.join(names[:-1])} and {names[-1]} learn"
    deepest = max(summary.depth or 0 for row in best for summary in row if summary.fine)
    everywhere = all(summary.fine for row in best for summary in row)
    reach = "at every depth, up to" if everywhere else "up to depth"
    return f"{who} {reach} {deepest}."


def runs_headline(summaries: Sequence[Summary]) -> str:
    """Sum up a list of runs in few words."""
    fine = sum(each.fine for each in summaries)
    text = f"{fine} of {len(summaries)} runs learn{'s' * (fine == 1)} without an error"
    worst = _worst(summaries)
    if worst is None or worst.root is None:
        return text
    return f"{text}; {worst.name}: {words(worst.root.name)}"


def _worst(summaries: Sequence[Summary]) -> Summary | None:
    """Return the run to speak of: one that does not learn, else one in trouble."""
    others = [each for each in summaries if not each.fine]
    order = {NOT_LEARNED: 0, LEARNED: 2}
    return min(others, key=lambda each: order.get(each.outcome, 1), default=None)


def runs_sentence(summaries: Sequence[Summary]) -> str:
    """Sum up a list of runs: how many are fine, and what the worst of the others has."""
    fine = sum(each.fine for each in summaries)
    text = f"{fine} of {len(summaries)} runs learn{'s' * (fine == 1)} without an error."
    worst = _worst(summaries)
    return text if worst is None else f"{text} {run_sentence(worst)}"
