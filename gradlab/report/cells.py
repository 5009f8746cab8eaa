"""Everything a page shows of one run, as plain data: its words, its product, its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab import diagnosis
from gradlab.diagnosis import Diagnosis, clipped
from gradlab.report import story
from gradlab.report.pack import plain
from gradlab.report.pictures import layers, panels, profiles, series
from gradlab.report.pictures.draw import layer_names
from gradlab.report.pictures.heatmap import heatmap
from gradlab.report.wording import FORMULAS, RARER_WORDS, STATISTIC_WORDS, number, power, typeset, words
from gradlab.rules import Finding
from gradlab.run import Run, as_json

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


def everything(
    run: Run,
    verdict: Diagnosis,
    told: story.Told,
    identifier: str,
    accuracy: list[float | None],
    detail: Detail,
) -> dict[str, Any]:
    """Return what the page shows of one run; `told` is what its sentences were made of, `identifier` its address."""
    known = [value for value in accuracy if value is not None]
    iterations, seeds, layers = run.shape
    return {
        "id": identifier,
        "name": run.name,
        "column": "all" if told.depth is None else str(told.depth),
        "outcome": told.label,
        "verdict": f"{words(verdict.verdict)} {_fraction(verdict)}".rstrip(),
        "ok": verdict.ok,
        "severity": told.root.severity if told.root else ("none" if verdict.ok else "error"),
        "sentence": story.run_sentence(told),
        "accuracy": plain(float(np.mean(known))) if known else None,
        "accuracies": plain(accuracy),
        "shape": {"iterations": iterations, "seeds": seeds, "layers": layers},
        "sparkline": _sparkline(run.condensed()),
        "arrival": f"× {power(told.arrives)}" if np.isfinite(told.arrives) and layers > 1 else "",
        "layers": layer_names(run),
        "explained": story.is_explained(told),
        "findings": [_finding(finding) for finding in verdict.findings],
        "diagnosis": as_json("diagnosis", diagnosis.summary(run, verdict)),
        "statuses": [
            {"code": code, "status": status, "reason": verdict.reasons.get(code, "")}
            for code, status in verdict.statuses.items()
        ],
        "config": {key: _written(value) for key, value in run.config.items()} | _clipping(run),
        "provenance": {key: _written(value) for key, value in run.provenance.items()},
        "chains": _chains(run.condensed()),
        "notes": list(verdict.remarks),
        "figures": _figures(run, detail, verdict),
    }


def _clipping(run: Run) -> dict[str, str]:
    share = clipped(run)
    return {} if share is None else {"clipped": f"in {100 * share:.0f} % of the updates"}


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
        "message": typeset(finding.message),
        "cause": typeset(cause["sentence"]).replace(" x ", " × ") if cause else "",
        "dominant": cause["dominant"] if cause else "",
        "remedies": [typeset(str(remedy)) for remedy in finding.remedies],
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
            each = np.exp(found.total)
        shown = [
            {"into": int(layer), "factor": typeset(number(value))}
            for layer, value in zip(found.steps, each, strict=True)
        ]
        left_out = len(shown) - CHAIN_HEAD - CHAIN_TAIL if len(shown) > CHAIN_WHOLE else 0
        middle = each[CHAIN_HEAD : len(each) - CHAIN_TAIL] if left_out else np.ones(1)
        with np.errstate(all="ignore"):
            typical = typeset(number(float(np.exp(np.log(middle).mean()))))
        chains[key] = {
            "iteration": iteration,
            "from": int(found.steps[0]) + 1,
            "head": shown[:CHAIN_HEAD] if left_out else shown,
            "left_out": {"count": left_out, "typical": typical},
            "tail": shown[-CHAIN_TAIL:] if left_out else [],
            "total": power(float(found.total.sum() / np.log(10))),
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
    broken_at = next(
        ((f.iterations[0], f.layers[0]) for f in findings if "nonfinite_count" in f.columns and f.layers), None
    )
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
        "loss": not run.step_recorded("loss").any(),
        "weights": run.weights.empty,
    }
    made |= {name: plain(draw()) for name, draw in pictures.items() if not lacking.get(name, False)}
    made["moments"] = times
    made["facts"] = _facts(run, findings, made)
    made["heatmaps"] = {
        column: {
            "words": named,
            "formula": FORMULAS[column],
            "figure": plain(heatmap(run, column, detail.columns, broken_at)),
        }
        for column, named in {**STATISTIC_WORDS, **RARER_WORDS}.items()
        if column in run and run.recorded(column).any() and (column in STATISTIC_WORDS or column in pointed_at)
    }
    return made


def _facts(run: Run, findings: Sequence[Finding], figures: dict[str, Any]) -> list[str]:
    """Name what there is to see, so that no word beside a picture speaks of what it does not show."""
    held_out = np.isfinite(run.step("validation_loss")).any()
    known = {
        "seeds": run.replicates > 1,
        "predicted": any(trace["name"] == "predicted" for trace in figures.get("profile", {"data": ()})["data"]),
        "held-out": held_out or np.isfinite(run.step("validation_accuracy")).any(),
        "guess": bool(run.config.get("baseline_loss")),
        "findings": bool(findings),
        "steps": "update_ratio" in run,
        "units": "dead_fraction" in run or "saturated_fraction" in run,
        "activations": "activation_mean" in run and "activation_std" in run,
    }
    return [name for name, holds in known.items() if holds]


def _fraction(verdict: Diagnosis) -> str:
    """How many seeds the worst root hits, such as "2/8", where it is not all of them."""
    return verdict.share.replace(" of ", "/").removesuffix(" seeds")
