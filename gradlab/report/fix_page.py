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
from gradlab.fixes.result import HEAD
from gradlab.fixes.trial import curve
from gradlab.report.article import Article, Section, write_article
from gradlab.report.pictures import series
from gradlab.report.pictures.axes import factor_axis, layer_axis, layer_names, layer_word
from gradlab.report.pictures.draw import BROKEN, MEASURED, NEUTRAL
from gradlab.report.wording import power, words

Array = np.ndarray

LEFT, RIGHT = [0.0, 0.46], [0.54, 1.0]
HEIGHT = 320
ROOM = 0.5  # decades beyond the farthest
TICKS = ("range", "tickvals", "ticktext")
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
    if result.shown:
        listed = "\n\n".join(_sentence(remedy.words) for remedy in result.shown)
        sections.append(Section("Not tried: these take your own code or data", listed))
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
        "\n\n".join(f"It rests on: {reason}." for reason in reasons),
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
        ("iteration", "loss"),
        log=log,
    )
    return Section(
        "Loss, before and after",
        f"Left as it was: {before.score.words}, {words(before.verdict)}. Right with the change: "
        f"{after.score.words}, {words(after.verdict)}. The median seed, on the same scale.",
        figure,
        f"Two curves of the loss. As it was, {before.score.words} in the end; with the change, "
        f"{after.score.words}.",
    )


def _profiles(before: Trial, after: Trial) -> Section:
    drawn: list[tuple[list[int], list[float]]] = []
    names: list[str] = []
    for trial in (before, after):
        known = trial.run is not None and "delta_norm" in trial.run and trial.run.iterations > 0
        decades = series.relative_decades(trial.run) if known and trial.run else np.array([])
        decades = np.clip(decades, -FARTHEST, FARTHEST)
        names = names or (layer_names(trial.run.matrices) if known and trial.run else [])
        drawn.append((list(range(1, len(decades) + 1)), decades.tolist()))
    ends = [power(each[1][0]) if each[1] else "unknown" for each in drawn]
    first = layer_word(1, names)
    figure = _pair(before, after, drawn, ("layer", "of the last layer's"))
    values = [value for each in drawn for value in each[1] if np.isfinite(value)] or [0.0]
    axis = factor_axis("of the last layer's", min(values) - ROOM, max(values) + ROOM)
    across = layer_axis(max(len(each[0]) for each in drawn), names)
    figure.update_layout(yaxis=axis, yaxis2={key: axis[key] for key in TICKS})
    figure.update_xaxes({key: each for key, each in across.items() if key != "title"})
    return Section(
        "The gradient's way through the layers, before training",
        "The signal at each layer relative to the last layer's, at the first iteration. At "
        f"{first} it is {ends[0]} times it as it was, and {ends[1]} times with the change.",
        figure,
        f"Two profiles of the gradient by layer: × {ends[0]} of the last layer's at {first} as it "
        f"was, × {ends[1]} with the change.",
    )


def _pair(
    before: Trial,
    after: Trial,
    curves: Sequence[tuple[Sequence[Any], Sequence[Any]]],
    labels: tuple[str, str],
    *,
    log: bool = False,
) -> go.Figure:
    """Draw two curves side by side, whose axes have the same range."""
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
    across, up = labels
    scale = {"type": "log", "dtick": 1} if log else {"type": "linear"}
    layout = {
        "xaxis": {"title": {"text": across}, "domain": LEFT},
        "xaxis2": {"title": {"text": across}, "domain": RIGHT, "matches": "x"},
        "yaxis": {"title": {"text": up}, **scale},
        "yaxis2": {**scale, "matches": "y", "anchor": "x2"},
        "showlegend": False,
        "height": HEIGHT,
        "annotations": [
            _heading(LEFT, before.words),
            _heading(RIGHT, after.words),
        ],
    }
    return go.Figure(traces, layout)


def _heading(domain: list[float], text: str) -> dict[str, Any]:
    return {
        "text": text,
        "x": sum(domain) / 2,
        "y": 1.02,
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
