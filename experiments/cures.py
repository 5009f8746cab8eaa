"""Which cure helps which illness?

Three deep networks that do not learn: a sigmoid network whose gradient vanishes, the 30-layer relu
network that stalls with Xavier's initialization and learns with He's (He et al. 2015), and a relu
network with weights twice too large. Each is given one cure at a time, in the order in which they
were found, and is otherwise left as it is. Then gradlab's own search, `gradlab.fix`, gets each of
them: does it come to the same?
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

import gradlab
from gradlab.comparison.networks import Network
from gradlab.fixes import Fix
from gradlab.report.article import Article, Section, write_article
from gradlab.report.pictures.draw import LINES, NEUTRAL, PREDICTED
from gradlab.run import Run

TITLE = "Cures, one at a time"
QUESTION = "Which cure helps which illness?"
ORDER = 14.0
SECONDS = 350

SEEDS = 3
ADAMS_RATE = 1e-3  # the usual one: Adam's steps do not depend on the gradient's size
WARMUP = 100  # iterations
BUDGET = 8.0  # whole trainings for each search
WELL = 0.5  # accuracy from which a treatment counts as having worked: five times that of guessing
# Decades: how far from the last layer's the first layer's gradient may be to count as level.
LEVEL = 1.0


@dataclass(frozen=True)
class Treatment:
    """One change to a patient: its network, or how it is trained."""

    cure: str
    since: str
    network: str
    training: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Patient:
    """A network that does not learn, and what to write about it."""

    name: str
    illness: str
    depth: int
    network: str
    scaled: tuple[
        str, str, str
    ]  # with nothing changed but its weights' scale: that cure, since when, network
    branch: str = "1"  # scale of the residual branches
    iterations: int = 300
    learning_rate: float = 0.03

    def treatments(self) -> Iterator[Treatment]:
        """Yield: untreated, then every cure, in the order of their years."""
        activation, rest = self.network.split(":", 1)
        yield Treatment("untreated", "", self.network)
        yield Treatment("momentum", "1986", self.network, {"optimizer": "momentum"})
        yield Treatment(
            f"tanh, not {activation}", "1998", f"tanh:{rest.replace('he_normal', 'glorot_normal')}"
        )
        yield Treatment(*self.scaled)
        yield Treatment("clipped gradient", "2013", self.network, {"clip": "norm:most=1"})
        yield Treatment(
            "Adam", "2014", self.network, {"optimizer": "adam", "learning_rate": ADAMS_RATE}
        )
        yield Treatment("BatchNorm", "2015", f"{self.network}:norm=batch")
        yield Treatment("skip connections", "2015", f"{self.network}:residual={self.branch}")
        yield Treatment("LayerNorm", "2016", f"{self.network}:norm=layer")
        yield Treatment("warm-up", "2017", self.network, {"schedule": f"constant:warmup={WARMUP}"})


PATIENTS = (
    Patient(
        "sigmoid, 20 hidden layers", "slopes of at most 1/4 multiply", 20, "sigmoid:glorot_normal",
        ("4 times the weights", "2010", "sigmoid:glorot_normal:gain=4"),
    ),
    Patient(
        "relu, 30 hidden layers, Xavier", "weights too small by √2", 30, "relu:glorot_normal",
        ("He's initialization", "2015", "relu:he_normal"), "0.2", 800, 0.01,
    ),
    Patient(
        "relu, 20 hidden layers, twice He", "weights too large by 2", 20, "relu:he_normal:gain=2",
        ("He's initialization", "2015", "relu:he_normal"), "0.2",
    ),
)  # fmt: skip
RESTLESS = {
    "optimizer": "adam",
    "learning_rate": 0.0035,
}  # of tanh, 20 layers: a level gradient, steps too large
RESTLESS_SEEDS = 6  # who is upset is a matter of luck, how many are is not


@dataclass(frozen=True)
class Outcome:
    """What became of one treatment.

    Attributes
    ----------
    treatment : Treatment
    before, after : ndarray (depth + 1,)
        log10 of ||delta_l|| / ||delta_L|| by layer, median over seeds, before and after training;
        NaN where not finite.
    accuracies : ndarray (seeds,)
        On held-out examples, after training.
    verdict : str
        gradlab's worst finding.
    """

    treatment: Treatment
    before: np.ndarray
    after: np.ndarray
    accuracies: np.ndarray
    verdict: str

    @property
    def accuracy(self) -> float:
        """Mean over seeds."""
        return float(self.accuracies.mean())

    @property
    def level(self) -> bool:
        """Whether the first layer's gradient was about the last layer's, before training."""
        return bool(abs(self.before[0]) <= LEVEL)


@dataclass(frozen=True)
class Result:
    """Outcomes by patient, in the order of treatments, and the network that needs a warm-up."""

    outcomes: dict[str, list[Outcome]]
    restless: list[Outcome]
    fixes: dict[str, Fix] = field(default_factory=dict)

    def counts(self) -> tuple[int, int, int, int]:
        """Treatments with a level gradient, how many of them worked; and the same without."""
        every = [each for outcomes in self.outcomes.values() for each in outcomes]
        level = [each.accuracy >= WELL for each in every if each.level]
        other = [each.accuracy >= WELL for each in every if not each.level]
        return len(level), sum(level), len(other), sum(other)


def train(
    treatment: Treatment, seeds: int, depth: int, iterations: int, learning_rate: float = 0.03
) -> Run:
    """Train a net of so many hidden layers as the treatment says, on the digits."""
    model = Network.parse(treatment.network).build([64] + [64] * depth + [10], replicates=seeds)
    training = {"learning_rate": learning_rate, **treatment.training}
    data = gradlab.datasets.digits()
    return gradlab.train(model, data, iterations=iterations, on_finding=None, **training)


def treat(treatment: Treatment, *training: Any) -> Outcome:
    """Train as `train` does; return what became of it."""
    return _outcome(treatment, train(treatment, *training))


def run(*, quick: bool = False) -> Result:
    """Treat every patient with every cure; in short, one seed up to the end of the warm-up."""
    seeds = 1 if quick else SEEDS

    def search(patient: Patient) -> Fix:
        """Let gradlab look for a cure of the untreated patient."""
        untreated = next(patient.treatments())
        length = WARMUP + 1 if quick else patient.iterations
        run = train(untreated, seeds, patient.depth, length, patient.learning_rate)
        return gradlab.fix(run, gradlab.datasets.digits(), budget=1 if quick else BUDGET)

    restless = [
        Treatment("untreated", "", "tanh", RESTLESS),
        Treatment("warm-up", "2017", "tanh", {**RESTLESS, "schedule": f"constant:warmup={WARMUP}"}),
    ]
    treated = {
        patient.name: [
            treat(
                each,
                seeds,
                patient.depth,
                WARMUP + 1 if quick else patient.iterations,
                patient.learning_rate,
            )
            for each in patient.treatments()
        ]
        for patient in PATIENTS
    }
    calmed = [treat(each, RESTLESS_SEEDS, 20, 3 * WARMUP) for each in restless]
    return Result(treated, calmed, {patient.name: search(patient) for patient in PATIENTS})


def _outcome(treatment: Treatment, each: Run) -> Outcome:
    with np.errstate(all="ignore"):  # a diverged net's profile is NaN, a dead one's -inf
        profiles = [np.log10(delta / delta[:, -1:]) for delta in each["delta_norm"][[0, -1]]]
        before, after = (
            np.median(np.where(np.isfinite(part), part, np.nan), axis=0) for part in profiles
        )
    known = each.steps["validation_accuracy"].dropna().to_numpy()
    findings = gradlab.diagnose(each).findings
    verdict = findings[0].name.replace("-", " ") if findings else "healthy"
    return Outcome(treatment, before, after, known[-(each.replicates or 1) :], verdict)


def article(result: Result) -> Article:
    """Lay the result out as a page."""
    level, cured, other, lucky = result.counts()
    answer = (
        f"The one that makes the gradient level: of the {level} treatments after which the first "
        f"layer hears the loss about as loudly as the last one does, {cured} worked (more than "
        f"half right after training); of the other {other}, {lucky} did."
    )
    code = """
import gradlab

data = gradlab.datasets.digits()
for network in ("sigmoid", "sigmoid:norm=batch", "sigmoid:residual=1"):
    sizes = [64] + [64] * 20 + [10]
    net = gradlab.comparison.networks.Network.parse(network).build(sizes, replicates=2)
    run = gradlab.train(net, data, iterations=100)
    print(network)
    print(gradlab.diagnose(run))
"""
    sections = [_section(patient, result.outcomes[patient.name]) for patient in PATIENTS]
    sections[0] = replace(sections[0], code=code)
    before, after = result.restless
    sections.append(
        Section(
            "What warm-up is for",
            "Warm-up cured none of the three, and could not: it changes the first steps, not the "
            "signal. Here is its own patient. A tanh network of 20 hidden layers has a level "
            f"gradient; Adam at a learning rate of {RESTLESS['learning_rate']} upsets it, because "
            "its first steps are full-sized in every weight before its averages know anything. "
            f"The same training, with the rate rising over the first {WARMUP} steps: "
            f"{100 * before.accuracy:.0f} % right becomes {100 * after.accuracy:.0f} %.",
            _accuracy_figure(result.restless, height=220),
            "Two bars of accuracy, without and with warm-up; the second is longer.",
        )
    )
    sections.append(_search(result))
    sections.append(
        Section(
            "How to choose",
            "Look at the profile first. Where it is not level, change what each layer multiplies "
            "the gradient with: the activation, the initial weights, normalization, or a path "
            "around the layers. Momentum, Adam, clipping and warm-up change the steps that are "
            "taken with a gradient; none of them makes a layer hear what does not reach it. A "
            "level gradient is no promise either: a network can have one and still learn slowly.",
        )
    )
    found = sum(each.cured for each in result.fixes.values())
    facts = {"level": level, "cured": cured, "other": other, "lucky": lucky, "found": found}
    return Article("cures", TITLE, QUESTION, answer, sections, facts)


def _search(result: Result) -> Section:
    """Lay out what `gradlab.fix` came to."""
    fixes = result.fixes
    rows = [
        (
            name,
            "; ".join(fix.lines) or "nothing helped",
            fix.before.score.words,
            fix.best.score.words if fix.best is not None else "-",
            len(fix.trials),
            f"{fix.spent:.2g}",
        )
        for name, fix in fixes.items()
    ]
    columns = ["patient", "change", "before", "after", "trials", "whole trainings"]
    return Section(
        "The same, by gradlab.fix",
        f"`gradlab.fix` tries what the verdict proposes, best evidence first, from the same seeds. "
        f"It cures {sum(fix.cured for fix in fixes.values())} of {len(fixes)}. A cure leaves no "
        "error, and gets at least half of the way from guessing to all right on digits that were "
        "not trained on.",
        table=pd.DataFrame(rows, columns=columns),
        code="""
import gradlab

data = gradlab.datasets.digits()
net = gradlab.MLP([64] + [64] * 12 + [10], "tanh", init="glorot_normal", gain=0.5, replicates=2)
run = gradlab.train(net, data, learning_rate=0.1, iterations=120)
print(gradlab.fix(run))
""",
    )


def _section(patient: Patient, outcomes: list[Outcome]) -> Section:
    untreated = outcomes[0]
    worked = [each.treatment.cure for each in outcomes[1:] if each.accuracy >= WELL]
    names = (
        f"{', '.join(worked[:-1])} and {worked[-1]}"
        if len(worked) > 1
        else "".join(worked) or "none"
    )
    return Section(
        f"{patient.name}: {patient.illness}",
        f"Untreated, layer 1 gets {10 ** untreated.before[0]:.0e} of the last layer's signal, and "
        f"{100 * untreated.accuracy:.0f} % are right, where guessing gives 10 %. What helps: "
        f"{names}. Left: the signal in each layer before training, relative to the last layer; "
        f"white is level. Right: how many were right after {patient.iterations} steps at the "
        f"learning rate {patient.learning_rate:g} (Adam: {ADAMS_RATE:g}).",
        _patient_figure(outcomes),
        "Rows of cures. Left a band by layer, white where the gradient is level; right bars of "
        f"accuracy. Worked: {names}.",
        table=_table(outcomes),
    )


def _label(each: Outcome) -> str:
    return each.treatment.cure


def _patient_figure(outcomes: list[Outcome]) -> go.Figure:
    labels = [_label(each) for each in outcomes]
    layers = np.arange(1, len(outcomes[0].before) + 1)
    span = float(np.ceil(np.nanmax(np.abs([each.before for each in outcomes]))))
    signal = go.Heatmap(
        x=layers,
        y=labels,
        z=[each.before for each in outcomes],
        zmin=-span,
        zmax=span,
        colorscale=[[0, PREDICTED], [0.5, "#ffffff"], [1, LINES[0]]],
        ygap=2,
        colorbar={
            "orientation": "h",
            "y": -0.32,
            "x": 0.22,
            "len": 0.5,
            "thickness": 10,
            "tickvals": [-span, 0, span],
            "ticktext": [f"10<sup>{-span:.0f}</sup>", "level", f"10<sup>{span:.0f}</sup>"],
        },
        hovertemplate="%{y}, layer %{x}: 10^%{z:.1f} of the last layer's<extra></extra>",
    )
    accuracy = _accuracy_bars(outcomes, xaxis="x2")
    layout = {
        "xaxis": {"title": "layer", "domain": [0, 0.58], "showgrid": False},
        "xaxis2": {
            "title": "% right",
            "domain": [0.64, 1],
            "range": [0, 115],
            "tickvals": [0, 50, 100],
        },
        "yaxis": {"autorange": "reversed", "automargin": True},
        "showlegend": False,
        "height": 460,
    }
    return go.Figure([signal, accuracy], layout)


def _accuracy_bars(outcomes: list[Outcome], **axes: str) -> go.Bar:
    percent = [100 * each.accuracy for each in outcomes]
    colours = [LINES[2] if each.accuracy >= WELL else NEUTRAL for each in outcomes]
    return go.Bar(
        x=percent,
        y=[_label(each) for each in outcomes],
        orientation="h",
        text=[f"{value:.0f}" for value in percent],
        textposition="outside",
        cliponaxis=False,
        marker={"color": colours},
        hoverinfo="skip",
        **axes,
    )


def _accuracy_figure(outcomes: list[Outcome], height: int) -> go.Figure:
    axis = {"title": "% right", "range": [0, 115], "tickvals": [0, 50, 100]}
    layout = {
        "xaxis": axis,
        "yaxis": {"autorange": "reversed", "automargin": True},
        "height": height,
    }
    return go.Figure([_accuracy_bars(outcomes)], layout)


def _table(outcomes: list[Outcome]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "cure": [each.treatment.cure for each in outcomes],
            "since": [each.treatment.since for each in outcomes],
            "layer 1 : last, before": [_ratio(each.before[0]) for each in outcomes],
            "after": [_ratio(each.after[0]) for each in outcomes],
            "% right": [f"{100 * each.accuracy:.0f}" for each in outcomes],
            "by seed": [
                f"{100 * each.accuracies.min():.0f} to {100 * each.accuracies.max():.0f}"
                for each in outcomes
            ],
            "gradlab says": [each.verdict for each in outcomes],
        }
    )


def _ratio(decades: float) -> str:
    return f"{10**decades:.1e}" if np.isfinite(decades) else "not a number"


def main() -> None:
    """Run the experiment and write its page."""
    print(write_article(article(run()), Path("reports") / "cures.html"))


if __name__ == "__main__":
    main()
