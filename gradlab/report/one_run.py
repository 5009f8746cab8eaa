"""What a page holds of one run, as plain data.

Its answer, its findings, its product, its pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlab import diagnosis
from gradlab.diagnosis import NOT_LEARNED, SLOW, Diagnosis, clipped
from gradlab.report import first_screen, story
from gradlab.report.code import steps
from gradlab.report.layer_filter import names_of
from gradlab.report.layer_table import layer_places, layer_table
from gradlab.report.pack import plain
from gradlab.report.pictures import pictures, series
from gradlab.report.pictures.axes import layer_names
from gradlab.report.pictures.picture import Detail, Scene
from gradlab.report.summary import Summary
from gradlab.report.way_back import chains, way_back
from gradlab.report.way_to_nan import FACT, way_to_nan
from gradlab.report.wording import (
    FORMULAS,
    RARER_WORDS,
    STATISTIC_WORDS,
    number,
    power,
    typeset,
    words,
)
from gradlab.rules import Finding
from gradlab.run import Run, as_json

SPARKLINE = 24  # points: the pictures in the matrix are 100 pixels wide
LONG = 120  # characters of a setting


def describe_run(
    run: Run,
    verdict: Diagnosis,
    summary: Summary,
    identifier: str,
    accuracy: Sequence[float | None],
    detail: Detail,
) -> dict[str, Any]:
    """Return what the page shows of one run.

    Parameters
    ----------
    run : Run
    verdict : Diagnosis
    summary : Summary
        What its sentences are made of.
    identifier : str
        A short word for the page's address.
    accuracy : sequence of float or None
        One a seed.
    detail : Detail
    """
    known = [value for value in accuracy if value is not None]
    iterations, seeds, layers = run.matrices.shape
    part = run.matrices.condensed()
    figures = draw_pictures(run, verdict, detail)
    severity = summary.root.severity if summary.root else ("none" if verdict.ok else "error")
    return {
        "id": identifier,
        "name": run.name,
        "column": "all" if summary.depth is None else str(summary.depth),
        "outcome": summary.label,
        "verdict": _verdict(summary),
        "ok": verdict.ok,
        "severity": severity,
        "answer": first_screen.answer(summary, figures["known"], layer_places(run)),
        "sentence": story.run_sentence(summary),
        "accuracy": plain(float(np.mean(known))) if known else None,
        "accuracies": plain(list(accuracy)),
        "shape": {"iterations": iterations, "seeds": seeds, "layers": layers},
        "sparkline": sparkline_values(part),
        "arrival": _arrival(summary.arrives, layers),
        "layers": layer_names(run.matrices),
        "called": names_of(run),
        "table": layer_table(run),
        "explained": story.is_explained(summary),
        "findings": [describe_finding(finding) for finding in verdict.findings],
        "diagnosis": as_json("diagnosis", diagnosis.summary(run, verdict)),
        "statuses": _statuses(verdict),
        "config": {key: _written(value) for key, value in run.config.items()} | _clipping(run),
        "provenance": {
            key: _written(value) for key, value in run.provenance.items() if key != FACT
        },
        "way": way_to_nan(run),
        "chains": chains(part),
        "remarks": list(verdict.remarks),
        "figures": figures,
    }


def _statuses(verdict: Diagnosis) -> list[dict[str, str]]:
    known = diagnosis.registry()
    return [
        {
            "code": code,
            "name": words(known[code].name) if code in known else "",
            "status": status,
            "reason": verdict.reasons.get(code, ""),
        }
        for code, status in verdict.statuses.items()
    ]


def _arrival(decades: float, layers: int) -> str:
    return f"× {power(decades)}" if np.isfinite(decades) and layers > 1 else ""


def _clipping(run: Run) -> dict[str, str]:
    share = clipped(run)
    return {} if share is None else {"clipped": f"in {100 * share:.0f} % of the updates"}


def _written(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    text = str(value)
    return text if len(text) <= LONG else f"{text[: LONG - 3]}..."


def describe_finding(finding: Finding) -> dict[str, Any]:
    """Return what the page shows of a finding and of those that it explains."""
    cause = finding.cause
    said = f"{finding.message} {finding.evidence} {cause['sentence'] if cause else ''}"
    return {
        "rule": finding.rule,
        "name": words(finding.name),
        "severity": finding.severity,
        "layers": list(finding.layers),
        "blocks": list(finding.blocks),
        "roles": list(finding.roles),
        "iterations": list(finding.iterations),
        "hit": finding.replicates["hit"],
        "total": finding.replicates["total"],
        "value": number(finding.value),
        "limit": number(finding.limit),
        "message": typeset(finding.message),
        "cause": typeset(cause["sentence"]).replace(" x ", " × ") if cause else "",
        "dominant": cause["dominant"] if cause else "",
        "remedies": [steps(remedy, said) for remedy in finding.remedies],
        "confidence": finding.confidence,
        "evidence": typeset(finding.evidence),
        "columns": list(finding.columns),
        "consequences": [describe_finding(each) for each in finding.consequences],
    }


def sparkline_values(run: Run) -> list[float | None]:
    """Return log10 of the gradient over the last place's before training; None is a gap.

    The places are blocks or layers (`way_back`), the first first.
    """
    way = way_back(run)
    if way is None:
        return []
    fall = way.decades
    places = np.linspace(0, len(fall) - 1, min(SPARKLINE, len(fall)))
    chosen = np.unique(places.round().astype(int))
    return [round(value, 2) if np.isfinite(value) else None for value in fall[chosen].tolist()]


@np.errstate(over="ignore", invalid="ignore")  # numbers at the ends of what a float holds draw
def draw_pictures(run: Run, verdict: Diagnosis, detail: Detail) -> dict[str, Any]:
    """Draw every picture that the run has the numbers for.

    Returns
    -------
    dict
        `known`: the keys of what was drawn; `moments`: iterations of the replay; `facts`;
        `statistics`: words and formula of those that are drawn; and each figure by its key.
    """
    made: dict[str, Any] = {"known": [], "moments": [], "facts": [], "statistics": {}}
    if not run.iterations:
        return made
    findings = verdict.every_finding
    seen = [finding.iterations[0] for finding in findings]
    whole = run.matrices
    part = whole.condensed(seen)
    times = series.moments(part, detail.frames, seen)
    scene = Scene(whole, part, findings, times, detail)
    for key, picture in pictures().items():
        figure = picture.make(scene)
        if figure:
            made[key] = plain(figure)
            made["known"].append(key)
    made["moments"] = times
    made["facts"] = facts(scene, made)
    made["statistics"] = {
        name: {"words": (STATISTIC_WORDS | RARER_WORDS)[name], "formula": FORMULAS[name]}
        for name in made.get("heatmap", {})
    }
    return made


def facts(scene: Scene, figures: dict[str, Any]) -> list[str]:
    """Name what there is to see: a hint speaks only of what its picture shows."""
    run = scene.run
    profile = figures.get("profile", {"data": ()})
    known = {
        "seeds": run.replicates > 1,
        "predicted": any(trace["name"] == "predicted" for trace in profile["data"]),
        "stream_theory": any(
            trace["name"] == "predicted" for trace in figures.get("stream", {"data": ()})["data"]
        ),
        "guess": bool(run.config.get("baseline_loss")),
        "findings": bool(scene.findings),
        "steps": "update_ratio" in run,
        "units": "dead_fraction" in run or "saturated_fraction" in run,
        "activations": "activation_mean" in run and "activation_std" in run,
        "broken": bool(scene.whole.nonfinite.any()),
    }
    return [name for name, holds in known.items() if holds]


def _verdict(summary: Summary) -> str:
    """Return the verdict in a few words; a net that learns too slowly is not called healthy."""
    verdict = summary.diagnosis
    if verdict.ok and not verdict.faults and summary.outcome in (SLOW, NOT_LEARNED):
        return "no fault found"
    share = verdict.share.replace(" of ", "/").removesuffix(" seeds")
    return f"{words(verdict.verdict)} {share}".rstrip()
