"""The pictures of the report, as ordinary Plotly figures.

Restyle them, combine them, show them in a notebook.

    import gradlab

    gradlab.figures.gradient_profile(run).show()

`figure.layout.meta["alt"]` says in words what a picture shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from gradlab.diagnosis import Diagnosis
from gradlab.errors import ArgumentError, shown
from gradlab.kinds import TEXT, TEXTS, WHOLE, Kind, instance, of_kinds, several
from gradlab.report.pictures import factors as factors_picture
from gradlab.report.pictures import gradient_profile as profile_picture
from gradlab.report.pictures import heatmap as heatmap_picture
from gradlab.report.pictures import layer_statistics as layers_picture
from gradlab.report.pictures import loss as loss_picture
from gradlab.report.pictures import series, side_by_side
from gradlab.report.pictures import weights as weights_picture
from gradlab.report.pictures.draw import part
from gradlab.run import Run

__all__ = [
    "factors",
    "gradient_profile",
    "gradient_profiles",
    "heatmap",
    "layer_statistics",
    "loss",
    "weights",
]

RUN = instance(Run, "a Run")
COUNT_OF_POINTS = Kind(
    "a whole number of at least 1", lambda value: WHOLE.fits(value) and value > 0
)


@of_kinds(run=RUN, iteration=WHOLE, replay=WHOLE)
def gradient_profile(run: Run, iteration: int = 0, *, replay: int = 0) -> go.Figure:
    """Draw the norm of the backward signal by layer, with its prediction at initialization.

    Parameters
    ----------
    run : Run
    iteration : int
        The one to draw; negative ones count from the end.
    replay : int
        At most so many iterations, from 0 to the last finite one, become frames of an animation.

    Returns
    -------
    plotly.graph_objects.Figure
        ||dLoss/dz_l|| over l, logarithmic: median and range over seeds at `iteration`, the median
        at the last finite iteration, and the prediction of `gradlab.theory`: its ratio to the last
        layer times the measured norm there.

    Raises
    ------
    ArgumentError
        The run does not have this iteration, or does not hold `delta_norm`.
    """
    run = part(run, iteration)
    times = series.moments(run, replay) if replay > 1 and run.iterations else ()
    return go.Figure(profile_picture.draw(profile_picture.collect(run, iteration, times)))


@of_kinds(runs=several(RUN, "a list of Runs"), names=TEXTS.or_none, iteration=WHOLE)
def gradient_profiles(
    runs: Sequence[Run], names: Sequence[str] | None = None, iteration: int = 0
) -> go.Figure:
    """Draw the backward signal of several nets side by side, each relative to its own last layer.

    Parameters
    ----------
    runs : sequence of Run
    names : sequence of str, optional
        What to call them; the runs' names by default.
    iteration : int

    Returns
    -------
    plotly.graph_objects.Figure
        ||delta_l|| / ||delta_L|| over l, logarithmic, the median over seeds; 1 is a signal
        that arrives in full.

    Raises
    ------
    ArgumentError
        A run does not have this iteration, or does not hold `delta_norm`.
    """
    runs = list(runs)
    names = None if names is None else list(names)
    if not runs or (names is not None and len(names) != len(runs)):
        raise ArgumentError(f"names={shown(names)} and runs must be as many, and one at least")
    parts = [part(run, iteration) for run in runs]
    return go.Figure(side_by_side.draw(side_by_side.collect(parts, names, iteration)))


@of_kinds(run=RUN, iteration=WHOLE)
def factors(run: Run, iteration: int = 0) -> go.Figure:
    """Draw the product that makes or breaks the backward signal: which factor, and at which layer.

    Parameters
    ----------
    run : Run
    iteration : int

    Returns
    -------
    plotly.graph_objects.Figure
        Above: what each kind of factor does from the last layer to the first, as a waterfall that
        ends at the product. Below: the same step by step, in the direction the signal travels.

    Raises
    ------
    ArgumentError
        The run does not hold finite log gains at this iteration.
    """
    return go.Figure(factors_picture.draw(factors_picture.collect(part(run, iteration), iteration)))


@of_kinds(run=RUN, column=TEXT, columns=COUNT_OF_POINTS)
def heatmap(run: Run, column: str = "delta_norm", *, columns: int = 60) -> go.Figure:
    """Draw a statistic over layer and iteration; NaN, infinity and exact zeros as themselves.

    Parameters
    ----------
    run : Run
    column : str
        One of the run's statistics. Norms and ratios are drawn as their decimal logarithm.
    columns : int
        At most about so many iterations are drawn, first, last, last finite and first non-finite
        always among them.

    Returns
    -------
    plotly.graph_objects.Figure
        The median over the seeds that are finite. A square where at least half of the seeds are not
        finite has a colour of its own, so has one that is exactly 0 on a logarithmic scale; a cross
        marks the first NaN or infinity.

    Raises
    ------
    ArgumentError
        An unknown statistic, or one that this run does not hold.
    """
    info = heatmap_picture.collect(run.matrices.condensed(), column, columns)
    return go.Figure(heatmap_picture.named_squares(heatmap_picture.draw(info)))


@of_kinds(run=RUN, iteration=WHOLE)
def layer_statistics(run: Run, iteration: int = 0) -> go.Figure:
    """Draw one moment of every layer: its update, its dead and saturated units, its activations.

    Parameters
    ----------
    run : Run
    iteration : int
        The one to draw; of a costly statistic, the last one up to it that was recorded. Negative:
        from the end.

    Returns
    -------
    plotly.graph_objects.Figure
        Up to three pictures over the layers, of what the run holds: ||dW|| / ||W|| with its range
        over seeds, beside the usual 10^-3; fractions of dead and saturated units; mean and standard
        deviation of the activations.

    Raises
    ------
    ArgumentError
        The run does not have this iteration, or holds none of these statistics.
    """
    info = layers_picture.collect(part(run, iteration), iteration)
    return go.Figure({**layers_picture.draw(info), "frames": []})


@of_kinds(run=RUN, points=COUNT_OF_POINTS, diagnosis=instance(Diagnosis, "a Diagnosis").or_none)
def loss(run: Run, *, points: int = 500, diagnosis: Diagnosis | None = None) -> go.Figure:
    """Draw the loss over the iterations; below it the learning rate, accuracy and findings.

    Parameters
    ----------
    run : Run
    points : int
        At most so many a line; spikes, gaps and both ends stay.
    diagnosis : Diagnosis, optional
        Its findings are marked below the loss, each from its first to its last iteration.

    Returns
    -------
    plotly.graph_objects.Figure
        Medians over seeds with the range; the dashed line is the loss of the best constant guess,
        below which a net has learned something about its input.
    """
    findings = () if diagnosis is None else diagnosis.every_finding
    return go.Figure(loss_picture.draw(loss_picture.collect(run, points, findings)))


@of_kinds(
    run=RUN,
    layers=several(WHOLE, "a list of layers' numbers").or_none,
    lines=COUNT_OF_POINTS,
    points=COUNT_OF_POINTS,
)
def weights(
    run: Run, layers: Sequence[int] | None = None, *, lines: int = 50, points: int = 500
) -> go.Figure:
    """Draw how chosen weights w_ij move from where they started, in the first seed.

    Parameters
    ----------
    run : Run
    layers : sequence of int, optional
        Draw those of these layers; of all by default.
    lines : int
        At most so many weights, as evenly over the layers as can be.
    points : int
        At most so many a line.

    Returns
    -------
    plotly.graph_objects.Figure
        w(t) - w(0) over t, with arrows along the way; the colour goes from the first layer to the
        last; `meta` says which weight it is: layer, row and column.
    """
    return go.Figure(weights_picture.draw(weights_picture.collect(run, layers, lines, points)))
