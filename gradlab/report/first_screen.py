"""The answer of the first screen: twelve words, one picture, one fix, how sure, and the rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlab.diagnosis import registry
from gradlab.report.code import steps
from gradlab.report.headline import headline, leads_to_nan, noted, where
from gradlab.report.pictures import pictures
from gradlab.report.summary import Summary
from gradlab.report.wording import typeset, words
from gradlab.rules import Finding

BREAK = "norm_and_rate"  # of a fault that ends in NaN
STREAM = ("GL102", "GL203")  # where they begin before the first update, the stream shows how
USUAL = ("roles", "profile", "loss")  # of a run in which nothing is wrong, or by another's rule
BY_STATISTIC = {  # a rule from another package: what shows the statistic that it names
    "delta_norm": ("roles", "profile"),
    "grad_norm": ("heatmap",),
    "update_ratio": ("layers",),
    "dead_fraction": ("dead_units",),
    "saturated_fraction": ("dead_units",),
    "activation_rms": ("heatmap",),
}
NOTED = 3  # notes on the first screen
EXPLAINED = ("What it does", "Why it is bad", "Example", "References")
SURE = {
    "high": "High confidence",
    "medium": "Medium confidence",
    "low": "Low confidence",
}


def answer(
    summary: Summary, known: Sequence[str], places: Sequence[dict[str, str]] = ()
) -> dict[str, Any]:
    """Return the first screen of one run.

    Parameters
    ----------
    summary : Summary
    known : sequence of str
        Keys of the pictures that the run has the numbers for.
    places : sequence of dict
        Path, block and role of each layer, where the net has blocks.

    Returns
    -------
    dict
        headline, message, then (the NaN that it leads to), where, picture (a key, or ""), fix (as
        `code.steps` returns, or None), confidence and evidence (words; no evidence that the message
        holds), rule (code, name, explanation), severity, sound (nothing
        need be done), noted (of a run without a fault: the first
        notes, each with words and fix).
    """
    root = summary.root
    if root is None:
        return {
            "headline": headline(summary),
            "message": "",
            "then": "",
            "where": "",
            "picture": next((key for key in USUAL if key in known), ""),
            "fix": None,
            "confidence": "",
            "evidence": "",
            "rule": None,
            "severity": "none",
            "sound": summary.fine,
            "noted": [
                {
                    "words": typeset(noted(summary, note, places)),
                    "fix": steps(note.remedies[0]) if note.remedies else None,
                }
                for note in summary.diagnosis.notes[:NOTED]
            ],
        }
    broken = leads_to_nan(root)
    return {
        "headline": headline(summary, places),
        "message": typeset(root.message),
        "then": "" if broken is None else typeset(broken.message),
        "where": where(summary, places),
        "picture": choose_picture(root, known),
        "fix": steps(root.remedies[0]) if root.remedies else None,
        "confidence": SURE.get(root.confidence, root.confidence),
        "evidence": "" if root.evidence in root.message else typeset(root.evidence),
        "rule": explain(root),
        "severity": root.severity,
        "sound": False,
        "noted": [],
    }


def choose_picture(finding: Finding, known: Sequence[str]) -> str:
    """Return the key of the picture that shows a finding best; "" where nothing was drawn.

    Of the pictures that answer its code, the one that names it most exactly; of equals, the first
    of the page.
    """
    by_stream = finding.rule in STREAM and finding.iterations[0] == 0 and "stream" in known
    if leads_to_nan(finding) is not None and BREAK in known and not by_stream:
        return BREAK
    if by_stream:
        return "stream"
    best, longest = "", 0
    for key, picture in pictures().items():
        fits = [len(code) for code in picture.answers if finding.rule.startswith(code)]
        if key in known and max(fits, default=0) > longest:
            best, longest = key, max(fits)
    if best:
        return best
    shown = [key for column in finding.columns for key in BY_STATISTIC.get(column, ())]
    return next((key for key in (*shown, "loss", *USUAL) if key in known), "")


def explain(finding: Finding) -> dict[str, Any]:
    """Return a rule's code, name and documentation in sections of paragraphs."""
    rule = registry().get(finding.rule)
    sections = [] if rule is None else sections_of(rule.documentation())
    return {
        "code": finding.rule,
        "name": words(finding.name),
        "sections": [
            {"heading": heading, "text": typeset(text)}
            for heading, text in sections
            if heading in EXPLAINED
        ],
    }


def sections_of(documentation: str) -> list[tuple[str, str]]:
    """Part a rule's docstring into (heading, text): a heading is underlined with hyphens."""
    lines = documentation.splitlines()
    starts = [
        k for k in range(len(lines) - 1) if lines[k].strip() and set(lines[k + 1].strip()) == {"-"}
    ]
    found = []
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        text = " ".join(line.strip() for line in lines[start + 2 : stop] if line.strip())
        found.append((lines[start].strip(), text))
    return found
