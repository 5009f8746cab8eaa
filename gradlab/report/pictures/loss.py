"""Loss over the iterations; below it the learning rate, loss scale, clipping, and the findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gradlab.report.pictures import series
from gradlab.report.pictures.axes import log_axis, time_axis, title
from gradlab.report.pictures.curves import (
    COLOURS,
    Curve,
    changing,
    curve,
    left_by_clipping,
    small_axis,
)
from gradlab.report.pictures.draw import (
    BROKEN,
    LATER,
    MEASURED,
    NEUTRAL,
    PREDICTED,
    Spec,
    band,
    direct,
    end_labels,
    line,
    spec,
)
from gradlab.report.pictures.finding_bars import finding_bars, finding_label, findings_axis
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import number
from gradlab.rules import Finding
from gradlab.run import Run

Array = np.ndarray

ROWS_OF_FINDINGS = 6
ROW, GAP = 0.055, 0.06  # of the picture's height: a finding, a gap
BELOW, MOST_BELOW = 0.24, 0.56  # a small curve with its gap, and all of them
MARKED = 20  # a line of fewer points shows each of them


@dataclass(frozen=True)
class LossInfo:
    """What the picture shows.

    Attributes
    ----------
    training : Curve
    others : dict of str to Curve
        Other losses by their names: "held-out", "evaluation mode".
    below : dict of str to Curve
        What stands below the loss: the learning rate and a GradScaler's loss scale where they
        change, the part of the gradient that clipping left, the accuracy or the score.
    baseline : float or None
        The best constant prediction's loss.
    broken : tuple of int, or None
        (first iteration with a NaN loss, seeds that end so, seeds).
    findings : list of Finding
        Those marked, in the order of time.
    unmarked : int
        How many more there are.
    last : int
    points : int
        At most so many a line.
    """

    training: Curve
    others: dict[str, Curve] = field(default_factory=dict)
    below: dict[str, Curve] = field(default_factory=dict)
    baseline: float | None = None
    broken: tuple[int, int, int] | None = None
    findings: list[Finding] = field(default_factory=list)
    unmarked: int = 0
    last: int = 0
    points: int = 500


def collect(run: Run, points: int, findings: Sequence[Finding] = ()) -> LossInfo:
    """Collect `gradlab.figures.loss`."""
    training = curve(run, "loss")
    broken = None
    lost = training.times[training.over.broken > 0]
    if len(lost):
        broken = int(lost[0]), int(training.over.broken[-1]), run.replicates
    named = {"held-out": "validation_loss", "evaluation mode": "evaluation_loss"}
    others = {name: curve(run, column, finite=True) for name, column in named.items()}
    below = {
        "learning rate": changing(run, "learning_rate"),
        "loss scale": changing(run, "loss_scale"),
        "left by clipping": left_by_clipping(run),
        "accuracy": curve(run, "validation_accuracy", finite=True),
        "score": curve(run, "score", finite=True),
    }
    marked = sorted(findings[:ROWS_OF_FINDINGS], key=lambda each: each.iterations)
    return LossInfo(
        training,
        {name: each for name, each in others.items() if len(each.times)},
        {name: each for name, each in below.items() if len(each.times)},
        run.config.get("baseline_loss") or None,
        broken,
        marked,
        max(0, len(findings) - len(marked)),
        max(run.iterations - 1, 0),
        points,
    )


def draw(info: LossInfo) -> Spec:
    """Draw the info: rows from the top are the loss, what stands below it, the findings."""
    floor = (ROW * len(info.findings) + GAP) if info.findings else 0.0
    layout: Spec = {}
    data: list[Spec] = []
    labels: list[Spec] = []
    lowest = "y3" if info.findings else "y"
    step = min(BELOW, MOST_BELOW / max(len(info.below), 1))
    for k, (name, below) in enumerate(reversed(info.below.items())):
        axis = f"y{4 + k}"
        small = small_axis(name, below) | {"domain": [floor, floor + step - GAP]}
        layout[f"yaxis{4 + k}"] = small
        lowest = axis if lowest == "y" else lowest
        floor += step
        data += _small_curve(name, below, axis, info.points)
        labels += end_labels([(_last(below.over.median), name, COLOURS[name])], small, axis)
    main, ends = _losses(info)
    axis = _loss_axis(info)
    labels += end_labels(ends, axis)
    shapes = []
    if info.broken is not None:
        at, _, _ = info.broken
        style = {"color": BROKEN, "width": 1.5, "dash": "dot"}
        shapes.append({"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": at, "x1": at})
        shapes[0]["line"] = style
        labels.append(_broken_label(info))
    if info.findings:
        data += finding_bars(info.findings, info.last)
        layout["yaxis3"] = findings_axis(info.findings, ROW * len(info.findings))
        labels += [finding_label(row, each, info.last) for row, each in enumerate(info.findings)]
    return spec(
        [*main, *data],
        _alt(info),
        shapes=shapes,
        xaxis=time_axis(info.last, edge=0.02 * max(info.last, 1)) | {"anchor": lowest},
        yaxis=axis | {"domain": [floor, 1]},
        annotations=labels,
        **layout,
        **direct([label for label in labels if label.get("xref") == "paper"]),
    )


def _losses(info: LossInfo) -> tuple[list[Spec], list[tuple[float, str, str]]]:
    """Return the lines of the upper row, and where each ends."""
    data = _training(info)
    ends = [(_last(info.training.over.median), "training", MEASURED)]
    for (name, each), colour in zip(info.others.items(), (PREDICTED, LATER), strict=False):
        hover = f"iteration %{{x}}: %{{y:.4g}}<extra>{name}</extra>"
        data += band(each.times, each.over.low, each.over.high, colour)
        data.append(
            line(each.times, each.over.median, colour, name, hover, mode="lines+markers",
                 line={"width": 1.5})
        )  # fmt: skip
        ends.append((_last(each.over.median), name, colour))
    if info.baseline is not None:
        name = f"guessing: {number(info.baseline)}"
        span = np.array([0, info.last])
        style = {"dash": "dash", "width": 1.5}
        hover = "%{fullData.name}<extra></extra>"
        data.append(line(span, np.full(2, info.baseline), NEUTRAL, name, hover, line=style))
        ends.append((info.baseline, name, NEUTRAL))
    return data, ends


def _last(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if len(finite) else float("nan")


def _training(info: LossInfo) -> list[Spec]:
    """Draw the training loss, thinned so that the spikes of any seed stay."""
    over, times = info.training.over, info.training.times
    chosen = series.thin([over.low, over.high], info.points)
    mode = "lines+markers" if len(chosen) <= MARKED else "lines"
    hover = "iteration %{x}: %{y:.4g}<extra>training</extra>"
    style = {"mode": mode, "line": {"width": 1.5}}
    median = line(times[chosen], over.median[chosen], MEASURED, "training", hover, **style)
    return [*band(times[chosen], over.low[chosen], over.high[chosen], MEASURED), median]


def _small_curve(name: str, each: Curve, axis: str, points: int) -> list[Spec]:
    colour = COLOURS[name]
    chosen = series.thin([each.over.low, each.over.high], points)
    times = each.times[chosen]
    low, high, median = (
        values[chosen] for values in (each.over.low, each.over.high, each.over.median)
    )
    mode = "lines+markers" if len(chosen) <= MARKED else "lines"
    hover = f"iteration %{{x}}: %{{y:.4g}}<extra>{name}</extra>"
    style = {"mode": mode, "yaxis": axis, "line": {"width": 1.5}}
    return [
        *band(times, low, high, colour, yaxis=axis),
        line(times, median, colour, name, hover, **style),
    ]


def _loss_axis(info: LossInfo) -> Spec:
    """Choose the scale by the medians.

    One seed that explodes may leave the picture, but not flatten it.
    """
    drawn = [info.training.over.median, *(each.over.median for each in info.others.values())]
    given = np.concatenate([*drawn, [] if info.baseline is None else [info.baseline]])
    finite = given[np.isfinite(given)]
    if not len(finite):
        return {"title": title("loss"), "range": [0, 1]}
    if finite.min() > 0 and finite.max() > 100 * finite.min():
        return log_axis("loss", [finite], ticks=4)
    highest = info.training.over.high[np.isfinite(info.training.over.high)]
    most = max(highest.max(initial=finite.max()), finite.max())
    top = min(most, 2 * float(finite.max())) if finite.max() > 0 else most
    low = min(0.0, 1.05 * float(finite.min()))
    return {"title": title("loss"), "range": [low, 1.05 * float(top) or 1.0]}


def _broken_label(info: LossInfo) -> Spec:
    at, ending, seeds = info.broken or (0, 0, 0)
    of = f", {ending} of {seeds} seeds" if ending < seeds else ""
    side = "left" if at < 0.5 * info.last else "right"
    return {
        "text": f"NaN from iteration {at}{of}", "x": at, "xanchor": side, "yref": "paper", "y": 1,
        "yanchor": "top", "xshift": 4 if side == "left" else -4, "showarrow": False,
        "font": {"size": 12, "color": BROKEN},
    }  # fmt: skip


def _alt(info: LossInfo) -> str:
    median = info.training.over.median
    finite = median[np.isfinite(median)]
    if not len(finite):
        return "No finite loss was recorded."
    parts = [
        f"The training loss goes from {number(float(finite[0]))} to {number(float(finite[-1]))}"
        + (f"; always guessing has {number(info.baseline)}" if info.baseline is not None else "")
    ]
    if "accuracy" in info.below:
        parts.append(f"Last accuracy: {info.below['accuracy'].over.median[-1]:.0%}")
    if info.findings:
        seen = ", ".join(
            f"{each.rule} from iteration {each.iterations[0]}" for each in info.findings
        )
        more = f" and {info.unmarked} more" if info.unmarked else ""
        parts.append(f"Findings: {seen}{more}")
    return ". ".join(parts) + "."


def _make(scene: Scene) -> Spec | None:
    if not scene.whole.step_recorded("loss").any():
        return None
    return draw(collect(scene.whole, scene.detail.points, scene.findings))


PICTURES = (
    Picture(
        key="loss",
        title="Loss over time",
        order=30,
        make=_make,
        shape="loss",
        marks=("time",),
        answers=("GL4", "GL310"),
        hint=(
            "<span data-if='seeds'>Median and range over seeds. </span><span data-if='guess'>Above "
            "the dashed line the net is no better than always guessing the average. </span><span "
            "data-if='findings'>Bars at the foot: when each finding was seen.</span>"
        ),
        reading=(
            "<p>The training loss is that of one batch before its update. The dashed line is the "
            "loss of the best constant prediction: the class frequencies, or the mean target. A "
            "bar at the foot reaches from the first to the last iteration that a finding rests on; "
            "pink is an error, orange a warning. Below the loss stands what changes as it trains: "
            "the learning rate, a GradScaler's loss scale, and the part of the gradient's norm "
            "that clipping left.</p>"
            "<p class='formula'>Loss = (1/B) Σ<sub>i</sub> ℓ(f(x<sub>i</sub>), y<sub>i</sub>) over "
            "the B examples of a batch; guessing: the smallest (1/N) Σ<sub>i</sub> ℓ(c, "
            "y<sub>i</sub>) that one answer c for all of them can have.</p>"
        ),
    ),
)
