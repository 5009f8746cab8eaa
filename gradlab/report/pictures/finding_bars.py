"""Bars below a picture over time: when each finding was seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlab.report.pictures.draw import BROKEN, PREDICTED, Spec, line, shaded
from gradlab.report.wording import escape, words
from gradlab.rules import Finding
from gradlab.rules.base import ERROR

BAR = 14  # pixels: the height of a finding's bar
SHORT_BAR = 0.4  # of the whole time: what is left holds a finding's name


def findings_axis(findings: Sequence[Finding], height: float) -> Spec:
    """An axis with a row for each finding, in the lowest part of the picture."""
    count = len(findings)
    return {
        "domain": [0, height], "range": [count - 0.5, -0.5], "showgrid": False,
        "zeroline": False, "tickvals": list(range(count)), "showticklabels": False,
        "ticktext": [finding.rule for finding in findings],
    }  # fmt: skip


def finding_bars(findings: Sequence[Finding], latest: int) -> list[Spec]:
    """A bar for each finding, from its first to its last iteration."""
    bars = []
    for row, finding in enumerate(findings):
        first, end = (min(int(t), latest) for t in finding.iterations)
        when = f"iteration {first}" if first == end else f"iterations {first} to {end}"
        name = f"{finding.rule} {words(finding.name)}"
        text = f"{name}, {finding.severity}: {when}<extra></extra>"
        colour = BROKEN if finding.severity == ERROR else PREDICTED
        ends = {"size": BAR, "color": colour, "symbol": "line-ns"}
        ends["line"] = {"color": colour, "width": 3}
        style = {"mode": "lines+markers", "yaxis": "y3", "showlegend": False, "marker": ends}
        span, rows = np.array([first, end]), np.array([row, row])
        thick = {"width": BAR}
        bars.append(line(span, rows, shaded(colour), finding.rule, text, line=thick, **style))
    return bars


def finding_label(row: int, finding: Finding, last: int) -> Spec:
    """Write a finding's name on its row.

    After a short bar, else on it, where no end of a bar is.
    """
    first, end = (min(int(t), last) for t in finding.iterations)
    early = SHORT_BAR * last
    return {
        "text": f"{finding.rule} {escape(words(finding.name))}", "xshift": 4, "y": row,
        "x": next((t for t in (end, first) if t < early), 0), "yref": "y3", "xanchor": "left",
        "showarrow": False, "font": {"size": 11},
    }  # fmt: skip
