"""`Frame`: what a live view shows of a run at one moment, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.diagnosis import Diagnosis
from gradlab.diagnosis.verdict import worst_severity
from gradlab.display import Bar, decades
from gradlab.run import Run

Array = np.ndarray

POINTS = 240  # of the loss
BY_BLOCK = "gradient of the residual stream, by block, over the last block's"
BY_LAYER = "gradient signal, by layer, over the last layer's"
BY_WEIGHTS = "weight gradient, by layer, over the last layer's"


@dataclass(frozen=True)
class Told:
    """One root cause: how bad, what it is called and by which rule, and what to try first."""

    severity: str
    name: str
    rule: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Frame:
    """A run at one moment.

    Attributes
    ----------
    name, folder : str
    state : str
        "recording", "silent" (no new row for a while), "killed" or "ended".
    status : str
        Of the provenance: how it ended.
    iterations, seeds, layers : int
    losses : tuple of (int, float)
        Iterations and the median loss over the seeds, at most 240 of them.
    numbers : tuple of (str, float)
        What is newest: loss, held-out loss, learning rate, gradient; those that are recorded.
    seconds : float or None
        A step takes, lately or else on average.
    bars_title : str
    bars : tuple of Bar
    bars_at : int
        The iteration that the bars are of.
    verdict : str
        In a few words; "" where nothing was judged yet.
    judged_at : int
    findings : tuple of Told
    notes : int
        How many things are odd and harmless.
    """

    name: str
    folder: str
    state: str
    status: str
    iterations: int
    seeds: int
    layers: int
    losses: tuple[tuple[int, float], ...]
    numbers: tuple[tuple[str, float], ...]
    seconds: float | None
    bars_title: str
    bars: tuple[Bar, ...]
    bars_at: int
    verdict: str
    judged_at: int
    findings: tuple[Told, ...]
    notes: int


def describe(run: Run) -> dict[str, Any]:
    """Return what a frame says of a run's numbers: all but its state, time and verdict."""
    title, bars, at = _bars(run.condensed())
    return {
        "name": run.name,
        "status": str(run.provenance.get("status", "")),
        "iterations": run.iterations,
        "seeds": run.replicates,
        "layers": run.matrices.shape[2],
        "losses": _losses(run),
        "numbers": _numbers(run),
        "bars_title": title,
        "bars": bars,
        "bars_at": at,
    }


def tell(diagnosis: Diagnosis | None) -> dict[str, Any]:
    """Return what a frame says of a verdict."""
    if diagnosis is None:
        return {"verdict": "", "findings": (), "notes": 0}
    findings = tuple(
        Told(
            worst_severity(root),
            root.name,
            root.rule,
            root.message,
            str(root.remedies[0]) if root.remedies else "",
        )
        for root in diagnosis.faults
    )
    return {"verdict": diagnosis.verdict, "findings": findings, "notes": len(diagnosis.notes)}


def _losses(run: Run) -> tuple[tuple[int, float], ...]:
    values, known = run.step("loss"), run.step_recorded("loss").any(axis=1)
    rows = np.flatnonzero(known)
    if not len(rows):
        return ()
    shown = rows[np.unique(np.linspace(0, len(rows) - 1, POINTS).round().astype(int))]
    return tuple((int(run.times[row]), float(np.median(values[row]))) for row in shown)


def _numbers(run: Run) -> tuple[tuple[str, float], ...]:
    names = {
        "loss": "loss",
        "held-out loss": "validation_loss",
        "score": "score",
        "learning rate": "learning_rate",
        "gradient": "grad_norm",
    }
    found = []
    for label, name in names.items():
        rows = np.flatnonzero(run.step_recorded(name).any(axis=1))
        if len(rows):
            found.append((label, float(np.median(run.step(name)[rows[-1]]))))
    return tuple(found)


def _bars(run: Run) -> tuple[str, tuple[Bar, ...], int]:
    """Return the newest gradients: by block where the stream is recorded, else by layer."""
    if not run.iterations:
        return "", (), 0
    described = run.blocks
    whole = np.flatnonzero(described["kind"] != "addition")  # not the additions inside a block
    if len(whole):
        blocks = [str(name) for name in described["block"].iloc[whole]]
        stream = run.block_statistic("stream_grad_norm")[..., whole]
        rows = np.flatnonzero(np.isfinite(stream).any(axis=(1, 2)))
        if len(rows):
            at = int(rows[-1])
            return BY_BLOCK, _drawn(blocks, stream[at]), int(run.times[at])
    matrices = run.matrices
    for statistic, title in (("delta_norm", BY_LAYER), ("grad_norm", BY_WEIGHTS)):
        rows = np.flatnonzero(matrices.recorded(statistic).any(axis=(1, 2)))
        if len(rows):
            at = int(rows[-1])
            names = [str(name) for name in matrices.layer("name")]
            return title, _drawn(names, matrices[statistic][at]), int(run.times[at])
    return "", (), 0


def _drawn(names: Sequence[str], norms: Array) -> tuple[Bar, ...]:
    named = zip(names, decades(norms).tolist(), strict=True)
    return tuple(Bar(number, name, share) for number, (name, share) in enumerate(named, 1))
