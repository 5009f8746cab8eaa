"""What every picture of the page is made of.

The scene it is drawn from, and the words beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.rules import Finding
from gradlab.run import Run

Spec = dict[str, Any]


@dataclass(frozen=True)
class Detail:
    """How finely the pictures are drawn: fewer points each where a page holds many runs.

    Attributes
    ----------
    frames, columns, points, weights : int
        Iterations of the replay, iterations of a heatmap, points of a loss curve, trajectories of
        weights.
    """

    frames: int
    columns: int
    points: int
    weights: int

    @classmethod
    def of(cls, runs: Sequence[Run], scale: float = 1.0) -> Detail:
        """Choose for these runs together; a smaller `scale` makes the page smaller."""
        layers = max(1, sum(run.matrices.shape[2] for run in runs))
        count = max(1, len(runs))
        return cls(
            frames=int(np.clip(scale * 4600 / layers, 2, 12)),
            columns=int(np.clip(scale * 20000 / layers, 8, 60)),
            points=int(np.clip(scale * 3000 / count, 30, 500)),
            weights=int(np.clip(scale * 240 / count, 6, 50)),
        )


@dataclass(frozen=True)
class Scene:
    """One run, as the pictures of a page see it.

    Attributes
    ----------
    whole : Run
        Its weight matrices, at every iteration.
    run : Run
        The same, or the part of a long run that is drawn (`Run.condensed`).
    findings : sequence of Finding
        Root causes and consequences.
    times : sequence of int
        Iterations of the replay.
    detail : Detail
    """

    whole: Run
    run: Run
    findings: Sequence[Finding]
    times: Sequence[int]
    detail: Detail

    @property
    def named_columns(self) -> set[str]:
        """The statistics that a finding names."""
        return {column for finding in self.findings for column in finding.columns}


@dataclass(frozen=True)
class Picture:
    """One picture of the page, with the words beside it.

    Attributes
    ----------
    key : str
        Its name in the page's data, in the page and in file names.
    title : str
    order : float
        Its place in the page.
    make : callable
        Scene -> figure as plain dictionaries; None or {} where the run does not hold what it
        needs.
    hint : str
        One or two sentences above it; HTML, where `<span data-if="...">` is shown only for runs of
        which that fact holds (`gradlab.report.one_run.facts`).
    reading : str
        How to read it, and the formula; HTML.
    shape : str
        "", "loss" (higher) or "tall".
    marks : tuple of str
        What the reader's place marks in it: "layer" on the horizontal axis, "time" on it, "row".
    per_statistic : bool
        Whether `make` returns one figure a statistic, by its name; the page shows the chosen one.
    chooser : bool
        Whether the page offers a choice list for it.
    answers : tuple of str
        Codes of rules, or prefixes of codes, whose finding it shows best: then it is the picture
        of the first screen.
    panel : bool
        Whether the page has a panel for it; the page lays others out by itself.
    """

    key: str
    title: str
    order: float
    make: Callable[[Scene], Spec | None]
    hint: str = ""
    reading: str = ""
    shape: str = ""
    marks: tuple[str, ...] = ()
    per_statistic: bool = False
    chooser: bool = False
    answers: tuple[str, ...] = ()
    panel: bool = True
