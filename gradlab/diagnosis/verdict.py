"""`Diagnosis`: the verdict on one run, and how it is printed."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradlab import display
from gradlab.rules import Finding
from gradlab.rules.base import ERROR, NOTE, SEVERITIES
from gradlab.rules.places import called, span_of_blocks

WIDTH = 80  # of a printed line
LISTED = 6  # rules that are named one by one
NAMED = 6  # layers that are named
NUMBERS = "GL0"  # the family of rules on numbers that are not finite
JUDGED = ("passed", "fired", "muted")  # statuses of rules that could judge


@dataclass(frozen=True)
class Diagnosis:
    """The verdict on one run.

    Attributes
    ----------
    run : str
        The run's name.
    findings : tuple of Finding
        The root causes, worst first; what they explain is folded under them as `consequences`.
    statuses : dict
        Code -> "passed", "fired", "skipped", "crashed" or "muted" (it fired, and was told not to
        count), for every rule asked.
    reasons : dict
        Code -> why a rule was skipped (what it lacks, how to record it) or muted, or how it
        crashed.
    nonfinite : bool
        Whether the run holds a NaN or an infinity: it is then never ok, whatever rules were asked.
    remarks : tuple of str
        Where iteration 0 is not what theory expects of the configuration, and on what the verdict
        rests: no finding, but a place to look at.
    names : tuple of str
        Of the layers, first one first: modules of a framework. Empty words where a name says no
        more than the number.
    """

    run: str
    findings: tuple[Finding, ...]
    statuses: Mapping[str, str]
    reasons: Mapping[str, str] = field(default_factory=dict)
    nonfinite: bool = False
    remarks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """No error, no crashed rule, no NaN, and something was judged at all."""
        judged = any(status in JUDGED for status in self.statuses.values())
        errors = any(finding.severity == ERROR for finding in self.every_finding)
        crashed = "crashed" in self.statuses.values()
        return judged and not errors and not self.nonfinite and not crashed

    @property
    def every_finding(self) -> list[Finding]:
        """Root causes and consequences in one list."""
        return [each for root in self.findings for each in (root, *root.consequences)]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The root causes that are errors or warnings: `findings` without the notes."""
        return tuple(root for root in self.findings if worst_severity(root) != NOTE)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """The findings of severity "note": odd, and harmless as far as is known."""
        return tuple(root for root in self.findings if worst_severity(root) == NOTE)

    @property
    def verdict(self) -> str:
        """A few words: the worst root cause's name, or "healthy"."""
        if self.faults:
            return self.faults[0].name
        if self.ok:
            return "healthy"
        if "crashed" in self.statuses.values():
            return "a rule crashed"
        return "non-finite" if self.nonfinite else "nothing judged"

    @property
    def share(self) -> str:
        """How many seeds the worst root cause hits, such as "2 of 8 seeds".

        Empty if all or none.
        """
        if not self.faults:
            return ""
        hit, total = (self.faults[0].replicates[key] for key in ("hit", "total"))
        return "" if hit == total else f"{hit} of {total} seeds"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "name": self.run,
            "ok": self.ok,
            "findings": [finding.to_dict() for finding in self.findings],
            "statuses": dict(self.statuses),
            "reasons": dict(self.reasons),
            "remarks": list(self.remarks),
        }

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, *, skipped: bool = True) -> list[str]:
        """Return what `print` shows, line by line: a headline, the findings, what was not judged.

        Parameters
        ----------
        skipped : bool
            Whether to list the rules that could not judge, and why.
        """
        lines = [f"{self.run}: {self._headline()}"]
        for finding in self.faults:
            lines += ["", *_finding_lines(finding, self._places(finding))]
        if self.notes:
            lines.append("")
        for note in self.notes:
            lines += _note_lines(note)
        for remark in self.remarks:
            lines += ["", *_wrapped("remark: ", remark)]
        for status in ("crashed", "muted", *(("skipped",) if skipped else ())):
            for reason, codes in self._reasons_of(status).items():
                lines += _wrapped(f"{_listed(codes)} {status}: ", reason, margin=2)
        return lines

    def _reasons_of(self, status: str) -> dict[str, list[str]]:
        """Return reason -> codes, of the rules of a status: what several lack is said once."""
        told: dict[str, list[str]] = {}
        for code, its in self.statuses.items():
            if its == status:
                told.setdefault(self.reasons.get(code, ""), []).append(code)
        return told

    def _repr_html_(self) -> str:
        parts = [display.paragraph(f"{self.run}: {self._headline()}", bold=True)]
        for finding in self.faults:
            parts += _finding_html(finding, self._places(finding))
        parts += [display.paragraph(_note_words(note)) for note in self.notes]
        parts += [display.paragraph(f"Remark: {remark}") for remark in self.remarks]
        return display.box(*parts)

    def _places(self, finding: Finding) -> str:
        """Name a finding's layers by their modules: "blocks.0.up, blocks.1.up and 3 more", or, in
        many blocks that follow each other, "64 in blocks.8 to blocks.23".

        Nothing where they have no names, or the message holds them all.
        """
        names = [self.names[layer - 1] for layer in finding.layers if layer <= len(self.names)]
        if not any(names) or all(name and called(name) in finding.message for name in names):
            return ""
        span = span_of_blocks(finding.blocks) if len(finding.blocks) > 1 else ""
        if span and len(names) > NAMED:
            return "" if span in finding.message else f"{len(names)} in {span}"
        places = zip(finding.layers, names, strict=False)
        some = itertools.islice(places, NAMED)
        shown = [called(name) or f"layer {layer}" for layer, name in some]
        rest = len(finding.layers) - len(shown)
        return ", ".join(shown) + (f" and {rest} more" if rest else "")

    def _headline(self) -> str:
        if self.faults:
            errors = sum(worst_severity(root) == ERROR for root in self.faults)
            counts = (_count(errors, "error"), _count(len(self.faults) - errors, "warning"))
            return " and ".join(count for count in counts if count)
        if self.ok:
            judged = sum(status in JUDGED for status in self.statuses.values())
            muted = sum(status == "muted" for status in self.statuses.values())
            said = f"healthy: {judged} of {len(self.statuses)} rules could judge"
            return said + (f", {muted} muted" if muted else "")
        if self.nonfinite:
            return "not healthy: it holds NaN or infinity, and no rule that was asked names it"
        crashed = [code for code, status in self.statuses.items() if status == "crashed"]
        if crashed:
            return f"not judged in full, {', '.join(crashed)} crashed"
        return "nothing could be judged"


def worst_severity(root: Finding) -> str:
    """Return the worst severity of a root cause and of what it leads to."""
    severities = {each.severity for each in (root, *root.consequences)}
    return next(severity for severity in SEVERITIES if severity in severities)


def _listed(codes: Sequence[str]) -> str:
    return ", ".join(codes) if len(codes) <= LISTED else f"{len(codes)} rules"


def _count(number: int, noun: str) -> str:
    return "" if not number else f"{number} {noun}{'s' if number > 1 else ''}"


def _finding_lines(finding: Finding, places: str) -> list[str]:
    lines = [f"  {finding.rule} {finding.name} ({finding.severity})"]
    lines += _wrapped("", finding.message)
    if places:
        lines += _wrapped("layers: ", places)
    if finding.cause:
        lines += _wrapped("why: ", finding.cause["sentence"])
    if finding.evidence:
        lines += _wrapped(f"confidence {finding.confidence}: ", finding.evidence)
    for remedy in finding.remedies:
        lines += _wrapped("try: ", str(remedy))
    for each in finding.consequences:
        if each.rule.startswith(NUMBERS):  # where a NaN arose is asked for, though a consequence
            lines += _wrapped("then: ", each.message)
    if finding.consequences:
        lines += _wrapped("explains: ", _named(finding.consequences))
    return lines


def _finding_html(finding: Finding, places: str) -> list[str]:
    heading = f"{finding.rule} {finding.name} ({finding.severity})"
    parts = [display.paragraph(heading, colour=finding.severity)]
    parts.append(display.paragraph(finding.message))
    if places:
        parts.append(display.paragraph(f"Layers: {places}"))
    if finding.cause:
        parts.append(display.paragraph(f"Why: {finding.cause['sentence']}."))
    if finding.evidence:
        parts.append(display.paragraph(f"Confidence {finding.confidence}: {finding.evidence}"))
    if finding.remedies:
        listed = display.listed([str(remedy) for remedy in finding.remedies])
        parts += [display.paragraph("What to try:"), listed]
    if finding.consequences:
        parts.append(display.paragraph(f"It explains {_named(finding.consequences)}."))
    return parts


def _named(findings: tuple[Finding, ...]) -> str:
    return ", ".join(f"{each.rule} {each.name}" for each in findings)


def _note_words(note: Finding) -> str:
    return f"note {note.rule} {note.name}: {note.message}"


def _note_lines(note: Finding) -> list[str]:
    """Return a note in one line or two: a reader may stop at the findings above it."""
    return textwrap.wrap(
        f"  {_note_words(note)}",
        WIDTH,
        subsequent_indent="    ",
        break_on_hyphens=False,
        max_lines=2,
        placeholder=" ...",
    )


def _wrapped(label: str, text: str, margin: int = 4) -> list[str]:
    start, indent = " " * margin + label, " " * (margin + len(label))
    return textwrap.wrap(start + text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
