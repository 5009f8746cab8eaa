"""What a verdict proposes, in the order in which it is tried."""

from __future__ import annotations

from gradlab.diagnosis import Diagnosis
from gradlab.rules import Remedy


def proposed(diagnosis: Diagnosis | None) -> list[Remedy]:
    """Return the remedies of a verdict, those of root causes first, each once."""
    if diagnosis is None:
        return []
    roots = list(diagnosis.findings)
    findings = [*roots, *(each for root in roots for each in root.consequences)]
    listed = [remedy for finding in findings for remedy in finding.remedies]
    return list({str(remedy): remedy for remedy in reversed(listed)}.values())[::-1]
