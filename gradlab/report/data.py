"""`build(subject)`: everything a report shows, as plain data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradlab import diagnosis
from gradlab._version import __version__
from gradlab.comparison import Comparison
from gradlab.diagnosis import Diagnosis
from gradlab.errors import ArgumentError
from gradlab.report import story
from gradlab.report.cells import Detail, everything
from gradlab.report.pack import plain
from gradlab.report.pictures import profiles
from gradlab.rules.windows import WINDOW, losses
from gradlab.run import Run

Subject = Run | Comparison | Sequence[Run]

Judge = Callable[[Run], Diagnosis]


def build(subject: Subject, scale: float = 1.0, judge: Judge | None = None) -> dict[str, Any]:
    """Collect what the report of a Run, a Comparison or a list of Runs shows.

    Parameters
    ----------
    subject : Run, Comparison or sequence of Run
    scale : float
        Below 1: fewer points in every picture, for a smaller page.
    judge : callable, optional
        Diagnoses runs in place of `gradlab.diagnose`.

    Returns
    -------
    dict
        kind, title, headline, where, first_step, lines, matrix (None for one run), overview, cells, selected, version:
        strings, numbers, lists and dicts alone. `cells[i]["figures"]` holds Plotly figures as JSON.

    Raises
    ------
    ArgumentError
        The subject is none of these, or holds no run.
    """
    if isinstance(subject, Comparison):
        return _comparison(subject, scale)
    if isinstance(subject, Run):
        return _runs([subject], scale, judge)
    if isinstance(subject, Sequence) and subject and all(isinstance(run, Run) for run in subject):
        return _runs(subject, scale, judge)
    raise ArgumentError(f"a report is of a Run, a Comparison or a list of Runs; got {type(subject).__name__}")


def _comparison(comparison: Comparison, scale: float) -> dict[str, Any]:
    if not comparison.cells:
        raise ArgumentError("the comparison holds no cell, so there is nothing to report")
    detail = Detail.of([cell.run for cell in comparison.cells], scale)
    ids = _identifiers([cell.name for cell in comparison.cells])
    told, cells, rows = [], [], []
    for cell, identifier in zip(comparison.cells, ids, strict=True):
        verdict = cell.diagnosis
        each = _told(cell.run, verdict, cell.outcome, cell.plan.network.label, cell.plan.depth)
        told.append(each)
        cells.append(everything(cell.run, verdict, each, identifier, cell.accuracy, detail) | {"name": cell.name})
    for network in comparison.networks:
        numbers = [k for k, cell in enumerate(comparison.cells) if cell.plan.network == network]
        at = {comparison.cells[k].plan.depth: ids[k] for k in numbers}
        line = story.row_sentence([told[k] for k in numbers])
        rows.append({"label": network.label, "line": line, "cells": [at.get(depth) for depth in comparison.depths]})
    by_row = [[told[ids.index(i)] for i in row["cells"] if i] for row in rows]
    return {
        "kind": "comparison",
        "title": comparison.title,
        "headline": story.comparison_sentence(by_row),
        "where": "",
        "first_step": "",
        "lines": [row["line"] for row in rows],
        "matrix": {
            "corner": "hidden layers",
            "columns": [{"label": str(depth), "key": str(depth)} for depth in comparison.depths],
            "rows": rows,
        },
        "overview": {str(depth): _overview(comparison, depth) for depth in comparison.depths},
        "cells": cells,
        "selected": _selected(cells, told),
        "source": str(comparison.details.get("data", "")),
        "version": __version__,
    }


def _overview(comparison: Comparison, depth: int) -> dict[str, Any] | None:
    cells = [cell for cell in comparison.cells if cell.plan.depth == depth and "delta_norm" in cell.run]
    cells = [cell for cell in cells if cell.run.iterations]
    if not cells:
        return None
    labels = [cell.plan.network.label for cell in cells]
    return plain(profiles.gradient_profiles([cell.run.condensed() for cell in cells], labels, 0))


def _runs(runs: Sequence[Run], scale: float, judge: Judge | None) -> dict[str, Any]:
    detail = Detail.of(runs, scale)
    ids = _identifiers([run.name for run in runs])
    verdicts = [(judge or diagnosis.diagnose)(run) for run in runs]
    told = [_told(r, v, diagnosis.outcome(r), r.name, None) for r, v in zip(runs, verdicts, strict=True)]
    cells = [
        everything(run, verdict, each, identifier, diagnosis.accuracy(run), detail)
        for run, verdict, each, identifier in zip(runs, verdicts, told, ids, strict=True)
    ]
    single = len(runs) == 1
    matrix = {
        "corner": "run",
        "columns": [{"label": "result", "key": "all"}],
        "rows": [
            {"label": run.name, "line": story.run_sentence(each), "cells": [identifier]}
            for run, each, identifier in zip(runs, told, ids, strict=True)
        ],
    }
    drawn = [run.condensed() for run in runs if "delta_norm" in run and run.iterations]
    return {
        "kind": "run" if single else "runs",
        "title": runs[0].name if single else f"{len(runs)} runs",
        "headline": story.run_sentence(told[0]) if single else story.runs_sentence(told),
        "where": story.where(told[0], cells[0]["layers"]) if single else "",
        "first_step": story.first_step(told[0]) if single else "",
        "lines": [],
        "matrix": None if single else matrix,
        "overview": {} if single or not drawn else {"all": plain(profiles.gradient_profiles(drawn[:8], None, 0))},
        "cells": cells,
        "selected": _selected(cells, told),
        "source": ", ".join(sorted({str(run.config["data"]) for run in runs if run.config.get("data")})),
        "version": __version__,
    }


def _selected(cells: list[dict[str, Any]], told: Sequence[story.Told]) -> str:
    """Open at the cell that the headline speaks of: the first that does not learn, else the first in trouble."""
    for bad in (lambda t: t.outcome == diagnosis.NOT_LEARNED and t.root, lambda t: not t.fine):
        for cell, each in zip(cells, told, strict=True):
            if bad(each):
                return cell["id"]
    return cells[0]["id"]


def _told(run: Run, verdict: Diagnosis, outcome: str, name: str, depth: int | None) -> story.Told:
    measured = "delta_norm" in run and run.iterations
    arrives = float(profiles.relative_decades(run.condensed())[0]) if measured else float("nan")
    silent = not run.step_recorded("loss").any()
    known = () if silent or run.config.get("baseline_loss") else _first_and_last(losses(run))
    return story.Told(name, outcome, verdict, run.shape[2], arrives, depth, known, run.iterations, silent)


def _first_and_last(loss: np.ndarray) -> tuple[float, float]:
    """Median over seeds of the first loss, and of the last few: one batch says little."""
    span = max(1, min(WINDOW, len(loss) // 10))
    return float(np.median(loss[0])), float(np.median(loss[-span:], axis=(0, 1)))


def _identifiers(names: Sequence[str]) -> list[str]:
    """Make a short word of each name for the page's address, no two alike."""
    made: list[str] = []
    for name in names:
        word = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")[:60] or "run"
        count = 2
        unique = word
        while unique in made:
            unique, count = f"{word}-{count}", count + 1
        made.append(unique)
    return made
