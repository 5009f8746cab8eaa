"""A verdict restricted to some layers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from gradlab.diagnosis import Diagnosis
from gradlab.rules import Finding


def at_layers(diagnosis: Diagnosis, layers: Collection[int]) -> Diagnosis:
    """Return the verdict on some layers alone.

    A finding stays if it, or one of its consequences, is at one of these layers; the consequences
    of other layers are left out. What a rule says of the whole run names no layer and is left out
    too, except that a NaN or infinity is never healthy.
    """
    kept = []
    for finding in diagnosis.findings:
        consequences = tuple(each for each in finding.consequences if _is_at(each, layers))
        if _is_at(finding, layers) or consequences:
            kept.append(replace(finding, consequences=consequences))
    left = {each.rule for root in kept for each in (root, *root.consequences)}
    statuses = {
        code: "passed" if status == "fired" and code not in left else status
        for code, status in diagnosis.statuses.items()
    }
    return replace(diagnosis, findings=tuple(kept), statuses=statuses)


def _is_at(finding: Finding, layers: Collection[int]) -> bool:
    return finding.rule == "GL001" or any(layer in layers for layer in finding.layers)
