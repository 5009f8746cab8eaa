"""`build(subject)`: everything a report shows, as plain data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab import __version__, diagnosis
from gradlab.comparison import Comparison
from gradlab.diagnosis import Diagnosis
from gradlab.errors import ArgumentError
from gradlab.report import layers, panels, profiles, series, story
from gradlab.report.pack import plain
from gradlab.report.wording import FORMULAS, RARER_WORDS, STATISTIC_WORDS, number, words
from gradlab.rules import Finding
from gradlab.run import Run, as_json

Subject = Run | Comparison | Sequence[Run]

SPARKLINE = 24  # points: the pictures in the matrix are 100 pixels wide
CHAIN_HEAD, CHAIN_TAIL, CHAIN_WHOLE = 4, 3, 10


@dataclass(frozen=True)
class Detail:
    """How finely the pictures are drawn: fewer points each where a page holds many runs.

    Attributes
    ----------
    frames, columns, points, weights : int
        Iterations of the replay, iterations of a heatmap, points of a loss curve, trajectories of weights.
    """

    frames: int
    columns: int
    points: int
    weights: int

    @classmethod
    def of(cls, runs: Sequence[Run], scale: float = 1.0) -> Detail:
        """Choose for these runs together; a smaller `scale` makes the page smaller."""
        layers, count = max(1, sum(run.shape[2] for run in runs)), max(1, len(runs))
        return cls(
            frames=int(np.clip(scale * 4600 / layers, 2, 12)),
            columns=int(np.clip(scale * 20000 / layers, 8, 60)),
            points=int(np.clip(scale * 3000 / count, 30, 500)),
            weights=int(np.clip(scale * 240 / count, 6, 50)),
        )


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
        kind, title, headline, first_step, lines, matrix (None for one run), overview, cells, selected, version:
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
        cells.append(_cell(cell.run, verdict, each, identifier, cell.accuracy, detail) | {"name": cell.name})
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
        _cell(run, verdict, each, identifier, diagnosis.accuracy(run), detail)
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


def _fraction(verdict: Diagnosis) -> str:
    """How many seeds the worst root hits, such as "2/8", where it is not all of them."""
    return verdict.share.replace(" of ", "/").removesuffix(" seeds")


def _told(run: Run, verdict: Diagnosis, outcome: str, name: str, depth: int | None) -> story.Told:
    known = "delta_norm" in run and run.iterations
    arrives = float(profiles.relative_decades(run.condensed())[0]) if known else float("nan")
    return story.Told(name, outcome, verdict, run.shape[2], arrives, depth)


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


def _cell(
    run: Run,
    verdict: Diagnosis,
    told: story.Told,
    identifier: str,
    accuracy: list[float | None],
    detail: Detail,
) -> dict[str, Any]:
    known = [value for value in accuracy if value is not None]
    iterations, seeds, layers = run.shape
    return {
        "id": identifier,
        "name": run.name,
        "column": "all" if told.depth is None else str(told.depth),
        "outcome": told.outcome,
        "verdict": f"{words(verdict.verdict)} {_fraction(verdict)}".rstrip(),
        "ok": verdict.ok,
        "severity": told.root.severity if told.root else ("none" if verdict.ok else "error"),
        "sentence": story.run_sentence(told),
        "accuracy": plain(float(np.mean(known))) if known else None,
        "accuracies": plain(accuracy),
        "shape": {"iterations": iterations, "seeds": seeds, "layers": layers},
        "sparkline": _sparkline(run.condensed()),
        "findings": [_finding(finding) for finding in verdict.findings],
        "diagnosis": as_json("diagnosis", diagnosis.summary(run, verdict)),
        "statuses": [
            {"code": code, "status": status, "reason": verdict.reasons.get(code, "")}
            for code, status in verdict.statuses.items()
        ],
        "config": {key: _written(value) for key, value in run.config.items()},
        "provenance": {key: _written(value) for key, value in run.provenance.items()},
        "chains": _chains(run.condensed()),
        "notes": list(verdict.notes),
        "figures": _figures(run, detail, verdict),
    }


def _written(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _finding(finding: Finding) -> dict[str, Any]:
    cause = finding.cause
    return {
        "rule": finding.rule,
        "name": words(finding.name),
        "severity": finding.severity,
        "layers": list(finding.layers),
        "iterations": list(finding.iterations),
        "hit": finding.replicates["hit"],
        "total": finding.replicates["total"],
        "value": number(finding.value),
        "limit": number(finding.limit),
        "message": finding.message,
        "cause": cause["sentence"] if cause else "",
        "dominant": cause["dominant"] if cause else "",
        "remedies": list(finding.remedies),
        "columns": list(finding.columns),
        "consequences": [_finding(each) for each in finding.consequences],
    }


def _sparkline(run: Run) -> list[float | None]:
    """Return log10 ||delta_l|| / ||delta_L|| at iteration 0 of layers from the first to the last; None is a gap."""
    if "delta_norm" not in run or not run.iterations:
        return []
    fall = profiles.relative_decades(run)
    chosen = np.unique(np.linspace(0, len(fall) - 1, min(SPARKLINE, len(fall))).round().astype(int))
    return [round(value, 2) if np.isfinite(value) else None for value in fall[chosen].tolist()]


def _chains(run: Run) -> dict[str, Any]:
    """Write the product out, at the start and at the last finite iteration: one factor a step, from last to first."""
    chains = {}
    for key, iteration in (("start", 0), ("end", series.last_finite(run) if run.iterations else 0)):
        found = series.factors(run, iteration)
        if found is None:
            continue
        with np.errstate(all="ignore"):
            each, total = np.exp(found.total), np.exp(found.total.sum())
        shown = [{"into": int(layer), "factor": number(value)} for layer, value in zip(found.steps, each, strict=True)]
        left_out = len(shown) - CHAIN_HEAD - CHAIN_TAIL if len(shown) > CHAIN_WHOLE else 0
        middle = each[CHAIN_HEAD : len(each) - CHAIN_TAIL] if left_out else np.ones(1)
        with np.errstate(all="ignore"):
            typical = number(float(np.exp(np.log(middle).mean())))
        chains[key] = {
            "iteration": iteration,
            "from": int(found.steps[0]) + 1,
            "head": shown[:CHAIN_HEAD] if left_out else shown,
            "left_out": {"count": left_out, "typical": typical},
            "tail": shown[-CHAIN_TAIL:] if left_out else [],
            "total": number(total) if 0 < total < np.inf else f"1e{found.total.sum() / np.log(10):.0f}",
        }
    return chains


def _figures(run: Run, detail: Detail, verdict: Diagnosis) -> dict[str, Any]:
    """Draw every picture that this run has the numbers for; of rarer statistics, those that findings point at."""
    made: dict[str, Any] = {"heatmaps": {}}
    if not run.iterations:
        return made
    findings = verdict.every_finding
    seen = [finding.iterations[0] for finding in findings]
    whole, run = run, run.condensed(seen)
    last = series.last_finite(run)
    pointed_at = {column for finding in findings for column in finding.columns}
    times = series.moments(run, detail.frames, seen)
    pictures: dict[str, Callable[[], dict[str, Any]]] = {
        "profile": lambda: profiles.gradient_profile(run, 0, times),
        "layers": lambda: layers.layer_statistics(run, 0, times),
        "factors_start": lambda: profiles.factors(run, 0),
        "factors_end": lambda: profiles.factors(run, last),
        "loss": lambda: panels.loss(whole, detail.points, findings),
        "weights": lambda: panels.weights(whole, None, detail.weights, max(40, detail.points // 3)),
    }
    lacking = {
        "profile": "delta_norm" not in run,
        "layers": not any(row.present(run) for row in layers.ROWS),
        "factors_start": series.factors(run, 0) is None,
        "factors_end": last == 0 or series.factors(run, last) is None,
        "weights": run.weights.empty,
    }
    made |= {name: plain(draw()) for name, draw in pictures.items() if not lacking.get(name, False)}
    made["moments"] = times
    made["heatmaps"] = {
        column: {
            "words": named,
            "formula": FORMULAS[column],
            "figure": plain(panels.heatmap(run, column, detail.columns)),
        }
        for column, named in {**STATISTIC_WORDS, **RARER_WORDS}.items()
        if column in run and run.recorded(column).any() and (column in STATISTIC_WORDS or column in pointed_at)
    }
    return made
