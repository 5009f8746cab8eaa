"""`build(subject)`: everything a report shows, as plain data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradlab import diagnosis
from gradlab._version import __version__
from gradlab.comparison import Cell, Comparison
from gradlab.diagnosis import Diagnosis
from gradlab.differences import Difference
from gradlab.errors import ArgumentError
from gradlab.kinds import CALLBACK, TEXT, instance, of_kinds, several
from gradlab.report import story, sweep_matrix, sweep_words
from gradlab.report.layer_filter import check_pattern
from gradlab.report.one_run import describe_run
from gradlab.report.pack import plain
from gradlab.report.parted import words_of
from gradlab.report.pictures import side_by_side
from gradlab.report.pictures.picture import Detail
from gradlab.report.summary import FIRST_LAYER, LAST_LAYER, Summary
from gradlab.report.way_back import WayBack, way_back
from gradlab.rules.windows import WINDOW, losses
from gradlab.rules.yardsticks import constant_level
from gradlab.run import Run, distinct_names

Subject = Run | Comparison | Sequence[Run]

Judge = Callable[[Run], Diagnosis]
SIDE_BY_SIDE = 8  # runs in one picture


@of_kinds(judge=CALLBACK.or_none, layers=TEXT)
def build(
    subject: Subject,
    scale: float = 1.0,
    judge: Judge | None = None,
    layers: str = "",
    difference: Difference | None = None,
) -> dict[str, Any]:
    """Collect what the report of a Run, a Comparison or a list of Runs shows.

    Parameters
    ----------
    subject : Run, Comparison or sequence of Run
    scale : float
        Below 1: fewer points in every picture, for a smaller page.
    judge : callable, optional
        Diagnoses runs in place of `gradlab.diagnose`.
    layers : str
        The page opens with the layers that this pattern fits; see `layer_filter.fitting`.
    difference : Difference, optional
        Of the two runs.

    Returns
    -------
    dict
        kind, title, headline, line, lines, matrix (None for one run), overview, cells, selected,
        filter, farthest, by_block (a small curve goes over blocks), difference (None, or its
        words), source, grid, version: strings, numbers, lists and dicts alone.
        `cells[i]["figures"]` holds Plotly figures as JSON.

    Raises
    ------
    ArgumentError
        The subject is none of these, or holds no run; no layer fits `layers`.
    """
    if isinstance(subject, Comparison):
        check_pattern(layers, [cell.run for cell in subject.cells])
        return _whole_page(_comparison(subject, scale), layers, None)
    runs = [subject] if isinstance(subject, Run) else subject
    if not (isinstance(runs, Sequence) and runs and all(isinstance(run, Run) for run in runs)):
        raise ArgumentError(
            f"a report is of a Run, a Comparison or a list of Runs; got {type(subject).__name__}"
        )
    check_pattern(layers, runs)
    return _whole_page(_runs(runs, scale, judge), layers, difference)


def _whole_page(data: dict[str, Any], layers: str, difference: Difference | None) -> dict[str, Any]:
    """Add the filter, the scale that the small curves of all runs share, and where two part."""
    curves = [value for cell in data["cells"] for value in cell["sparkline"] if value is not None]
    told = None if difference is None else words_of(difference)
    farthest = max(map(abs, curves), default=0.0)
    chains = [chain for cell in data["cells"] for chain in cell["chains"].values()]
    by_block = any(chain["by_block"] for chain in chains)
    shared = {"farthest": farthest, "by_block": by_block}
    return data | shared | {"filter": layers, "difference": told}


def _comparison(comparison: Comparison, scale: float) -> dict[str, Any]:
    if not comparison.cells:
        raise ArgumentError("the comparison holds no cell, so there is nothing to report")
    detail = Detail.of([cell.run for cell in comparison.cells], scale)
    ids = identifiers([cell.name for cell in comparison.cells])
    summaries, cells = [], []
    swept = bool(comparison.cells[0].plan.place)
    for cell, identifier in zip(comparison.cells, ids, strict=True):
        plan = cell.plan
        called = (cell.name, None) if swept else (plan.network.label, plan.depth)
        each = summarize(cell.run, cell.diagnosis, cell.outcome, *called)
        shown = describe_run(cell.run, cell.diagnosis, each, identifier, cell.accuracy, detail)
        summaries.append(each)
        cells.append(shown | sweep_matrix.place(cell, comparison) | {"name": cell.name})
    if swept:
        sentences = sweep_words.words_of(comparison, summaries)
    else:
        sentences = _grid_words(comparison, summaries)
    return {
        "kind": "comparison",
        "title": comparison.title,
        **sentences,
        "matrix": sweep_matrix.matrix(comparison, dict(enumerate(ids))),
        "overview": {key: _overview(found) for key, found in sweep_matrix.columns(comparison)},
        "cells": cells,
        "selected": _selected(cells, summaries),
        "source": str(comparison.details.get("data", "")),
        "grid": comparison.fingerprint,
        "version": __version__,
    }


def _grid_words(comparison: Comparison, summaries: Sequence[Summary]) -> dict[str, Any]:
    """Return the sentences of a grid of networks and depths: one for each network."""
    by_row: dict[str, list[Summary]] = {}
    for cell, each in zip(comparison.cells, summaries, strict=True):
        by_row.setdefault(cell.plan.network.label, []).append(each)
    rows = list(by_row.values())
    return {
        "headline": story.comparison_headline(rows),
        "line": story.comparison_sentence(rows),
        "lines": [story.row_sentence(row) for row in rows],
    }


def _overview(column: Sequence[tuple[str, Cell]]) -> dict[str, Any] | None:
    known = [
        (cell.run, label)
        for label, cell in column
        if "delta_norm" in cell.run and cell.run.iterations
    ]
    return _side_by_side(*zip(*known, strict=True)) if known else None


def _side_by_side(runs: Sequence[Run], labels: Sequence[str]) -> dict[str, Any]:
    parts = [run.matrices.condensed() for run in runs]
    return plain(side_by_side.draw(side_by_side.collect(parts, labels, 0)))


def _runs(runs: Sequence[Run], scale: float, judge: Judge | None) -> dict[str, Any]:
    detail = Detail.of(runs, scale)
    names = distinct_names(runs)
    ids = identifiers(names)
    verdicts = [(judge or diagnosis.diagnose)(run) for run in runs]
    several(instance(Diagnosis, ""), "a function that returns a Diagnosis").check("judge", verdicts)
    summaries = [
        summarize(run, verdict, diagnosis.outcome(run), name)
        for run, verdict, name in zip(runs, verdicts, names, strict=True)
    ]
    cells: list[dict[str, Any]] = [
        describe_run(run, verdict, each, identifier, diagnosis.accuracy(run), detail)
        | {"name": each.name}
        for run, verdict, each, identifier in zip(runs, verdicts, summaries, ids, strict=True)
    ]
    known = [
        (run, name)
        for run, name in zip(runs, names, strict=True)
        if "delta_norm" in run and run.iterations
    ][:SIDE_BY_SIDE]
    single = len(runs) == 1
    overview = {} if single or not known else {"all": _side_by_side(*zip(*known, strict=True))}
    data = {str(run.config["data"]) for run in runs if run.config.get("data")}
    return {
        "kind": "run" if single else "runs",
        "title": names[0] if single else f"{len(runs)} runs",
        "headline": cells[0]["answer"]["headline"] if single else story.runs_headline(summaries),
        "line": story.run_sentence(summaries[0]) if single else story.runs_sentence(summaries),
        "lines": [],
        "matrix": None if single else _matrix_of_runs(names, summaries, ids),
        "overview": overview,
        "cells": cells,
        "selected": _selected(cells, summaries),
        "source": ", ".join(sorted(data)),
        "grid": "",
        "version": __version__,
    }


def _matrix_of_runs(
    names: Sequence[str], summaries: Sequence[Summary], ids: Sequence[str]
) -> dict[str, Any]:
    return {
        "corner": "run",
        "columns": [{"label": "result"}],
        "slices": [{"key": "0", "label": ""}],
        "axes": [],
        "rows": [
            {"label": name, "line": story.run_sentence(each), "cells": [identifier], "slice": "0"}
            for name, each, identifier in zip(names, summaries, ids, strict=True)
        ],
    }


def _selected(cells: list[dict[str, Any]], summaries: Sequence[Summary]) -> str:
    """Open at the cell that the headline speaks of.

    One that does not learn, else one in trouble.
    """
    pairs = list(zip(cells, summaries, strict=True))
    stuck = [cell for cell, each in pairs if each.outcome == diagnosis.NOT_LEARNED and each.root]
    troubled = [cell for cell, each in pairs if not each.fine]
    return (stuck or troubled or cells)[0]["id"]


def summarize(
    run: Run, verdict: Diagnosis, outcome: str, name: str, depth: int | None = None
) -> Summary:
    """Return what the sentences need of a run."""
    way = way_back(run.matrices.condensed())
    silent = not run.step_recorded("loss").any()
    known = () if silent or _is_measured(run) else _first_and_last(losses(run))
    layers = run.matrices.shape[2]
    origin = run.provenance.get("nonfinite_origin")
    return Summary(
        name,
        outcome,
        verdict,
        layers,
        float("nan") if way is None else way.arrives,
        depth,
        known,
        run.iterations,
        silent,
        origin if isinstance(origin, dict) else {},
        _ends(run, way),
        way is not None and way.by_block,
    )


def _ends(run: Run, way: WayBack | None) -> Sequence[str]:
    """Return what the first and the last place are called: blocks, or layers by their names."""
    if way is not None and way.by_block:
        return way.places[:: len(way.places) - 1]
    if way is None or way.places[0] == FIRST_LAYER:
        return FIRST_LAYER, LAST_LAYER
    return way.places[0], way.places[-1]


def _is_measured(run: Run) -> bool:
    """Whether a score, or the loss of a constant guess, says how far a run got."""
    if run.config.get("baseline_loss") or run.step_recorded("score").any():
        return True
    return any(np.isfinite(constant_level(run, seed)) for seed in range(run.replicates))


def _first_and_last(loss: np.ndarray) -> tuple[float, float]:
    """Median over seeds of the first loss, and of the last few: one batch says little."""
    span = max(1, min(WINDOW, len(loss) // 10))
    return float(np.median(loss[0])), float(np.median(loss[-span:], axis=(0, 1)))


def identifiers(names: Sequence[str]) -> list[str]:
    """Make a short word of each name for the page's address, no two alike."""
    made: list[str] = []
    for name in names:
        word = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")[:60] or "run"
        count = 2
        unique = word
        while unique in made:
            unique = f"{word}-{count}"
            count += 1
        made.append(unique)
    return made
