"""The page of `gradlab.fix`: the change first, then before and after side by side, then all trials.

The two pictures of a pair have the same scales: what differs is the training.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gradlab.fixes import Fix, Trial
from gradlab.fixes.result import HEAD, NOT_TRIED
from gradlab.fixes.trial import curve
from gradlab.report.article import Article, Section, write_article
from gradlab.report.pictures import series
from gradlab.report.pictures.axes import (
    factor_axis,
    layer_axis,
    layer_names,
    layer_word,
    log_axis,
    title,
)
from gradlab.report.pictures.draw import BROKEN, MEASURED, NEUTRAL
from gradlab.report.wording import power, words
from gradlab.run import Run

Array = np.ndarray

Spec = dict[str, Any]

LEFT, RIGHT, ALL = [0.0, 0.46], [0.54, 1.0], [0.0, 1.0]
UPPER, LOWER = [0.6, 1.0], [0.0, 0.4]  # on a phone one stands above the other
HEIGHT, HEIGHT_ON_A_PHONE = 320, 540
ROOM = 0.5  # decades beyond the farthest
FARTHEST = 40.0  # decades: a profile beyond is drawn as that


def write_fix(result: Fix, path: str | Path) -> Path:
    """Write the page of a search for a cure, whole or not at all, and return its path.

    Raises
    ------
    RunError
        The file cannot be written.
    """
    return write_article(fix_article(result), path)


def fix_article(result: Fix) -> Article:
    """Lay the result of a search out as a page."""
    sections = [_change(result)] if result.winner is not None else []
    best = result.best
    if best is not None:
        sections += [_losses(result.before, best), _profiles(result.before, best)]
    sections.append(_trials(result))
    if result.left:
        listed = "\n\n".join(_sentence(remedy.words) for remedy in result.left)
        sections.append(Section(NOT_TRIED, listed))
    return Article(
        name=re.sub(r"[^A-Za-z0-9]+", "-", f"fix {result.name}").strip("-"),
        title="A cure that was tried",
        question=f"What cures {result.name}?",
        answer=_sentence(result.headline),
        sections=sections,
        facts={"cured": result.cured, "lines": result.lines, "tried": len(result.trials)},
    )


def _change(result: Fix) -> Section:
    table = pd.DataFrame(
        [(name, str(before), str(after)) for name, (before, after) in result.diff.items()],
        columns=["setting", "before", "after"],
    )
    assert result.winner is not None
    reasons = [each.remedy.evidence for each in result.winner.changes if each.remedy.evidence]
    return Section(
        f"Change: {'; '.join(result.lines)}",
        "\n\n".join(f"It rests on this: {reason.rstrip('.')}." for reason in reasons),
        table=table if len(table) else None,
        code=result.code,
    )


def _losses(before: Trial, after: Trial) -> Section:
    curves = [curve(trial.run) for trial in (before, after)]
    values = [value for each in curves for _, value in each if value is not None]
    log = bool(values) and min(values) > 0 and max(values) > 30 * min(values)
    figure = _pair(
        before,
        after,
        [([x for x, _ in each], [y for _, y in each]) for each in curves],
        {"title": title("iteration")},
        log_axis("loss", values) if log else {"title": title("loss"), "type": "linear"},
    )
    return Section(
        "Loss, before and after",
        f"As it was: {before.score.words}, {words(before.verdict)}. With the change: "
        f"{after.score.words}, {words(after.verdict)}. The median seed, on the same scale.",
        figure,
        f"Two curves of the loss. As it was, {before.score.words} in the end; with the change, "
        f"{after.score.words}.",
    )


def _profiles(before: Trial, after: Trial) -> Section:
    drawn: list[tuple[list[int], list[float]]] = []
    names: list[str] = []
    ends: list[str] = []
    for trial in (before, after):
        run = None if trial.run is None else trial.run.matrices
        known = run is not None and "delta_norm" in run and run.iterations > 0
        decades = series.relative_decades(run) if known and run else np.array([])
        names = names or (layer_names(run) if known and run else [])
        ends.append(_end(run, decades))
        decades = np.clip(decades, -FARTHEST, FARTHEST)
        drawn.append((list(range(1, len(decades) + 1)), decades.tolist()))
    first = layer_word(1, names)
    values = [value for each in drawn for value in each[1] if np.isfinite(value)] or [0.0]
    up = factor_axis("of the last layer's", min(values) - ROOM, max(values) + ROOM)
    across = layer_axis(max(len(each[0]) for each in drawn), names) | {"title": title("layer")}
    said = f"At {first}: {ends[0]} as it was, {ends[1]} with the change."
    return Section(
        "The gradient's way through the layers, before training",
        f"The signal at each layer over the last layer's, at the first iteration. {said}",
        _pair(before, after, drawn, across, up),
        f"Two profiles of the gradient by layer, over the last layer's. {said}",
    )


def _end(run: Run | None, decades: Array) -> str:
    """Word what reaches the first layer at the first iteration; a 0 has no logarithm."""
    if run is None or not len(decades):
        return "not recorded"
    if np.isfinite(decades[0]):
        return f"{power(float(decades[0]))} times"
    return "nothing" if not run["delta_norm"][0, :, 0].any() else "not recorded"


def _pair(
    before: Trial,
    after: Trial,
    curves: Sequence[tuple[Sequence[Any], Sequence[Any]]],
    across: Spec,
    up: Spec,
) -> go.Figure:
    """Draw two curves side by side, on a phone one above the other; their axes are the same."""
    colours = (BROKEN, MEASURED)
    traces = [
        go.Scatter(
            x=list(x),
            y=list(y),
            mode="lines",
            line={"color": colour, "width": 2},
            name=name,
            xaxis=f"x{number}" if number > 1 else "x",
            yaxis=f"y{number}" if number > 1 else "y",
        )
        for number, ((x, y), colour, name) in enumerate(
            zip(curves, colours, ("as it was", after.words), strict=True), 1
        )
    ]
    layout = {
        "xaxis": {**across, "domain": LEFT},
        "xaxis2": {**across, "domain": RIGHT, "matches": "x", "anchor": "y2"},
        "yaxis": up,
        "yaxis2": {**up, "title": title(""), "matches": "y", "anchor": "x2"},
        "showlegend": False,
        "height": HEIGHT,
        "annotations": [_heading(before.words, LEFT), _heading(after.words, RIGHT)],
        "meta": {"phone": _on_a_phone(before, after)},
    }
    return go.Figure(traces, layout)


def _on_a_phone(before: Trial, after: Trial) -> Spec:
    """Say what is different there: the two pictures stand one above the other."""
    return {
        "height": HEIGHT_ON_A_PHONE,
        "layout": {
            "xaxis": {"domain": ALL},
            "xaxis2": {"domain": ALL},
            "yaxis": {"domain": UPPER},
            "yaxis2": {"domain": LOWER},
            "annotations": [
                _heading(before.words, ALL, UPPER[1]),
                _heading(after.words, ALL, LOWER[1]),
            ],
        },
    }


def _heading(text: str, across: list[float], top: float = 1.0) -> Spec:
    return {
        "text": text,
        "x": sum(across) / 2,
        "y": top + 0.02,
        "xref": "paper",
        "yref": "paper",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"color": NEUTRAL},
    }


def _trials(result: Fix) -> Section:
    rows = [
        [_marked(change), *numbers, words(verdict)] for change, *numbers, verdict in result.rows()
    ]
    table = pd.DataFrame(rows, columns=list(HEAD))
    return Section("What was tried", result.account, table=table)


def _marked(change: str) -> str:
    """Say which of the trials is the cure; a terminal has a star there."""
    return f"{change.removeprefix('* ')} (the cure)" if change.startswith("* ") else change


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
