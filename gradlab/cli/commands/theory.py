"""`gradlab theory`: what becomes of the gradient before any training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradlab.cli import options, output
from gradlab.ranges import ABOVE_0, FRACTION, GAIN, Range

GROUP = "Predict"


def theory(
    activation: Annotated[
        str, typer.Option("--activation", metavar="NAME", help="sigmoid, tanh, relu, ...")
    ] = "relu",
    init: Annotated[
        str | None,
        typer.Option(
            "--init",
            metavar="NAME",
            help="Of the weights; default: he_normal or glorot_normal, as it suits the activation.",
        ),
    ] = None,
    gain: Annotated[
        float, options.number("--gain", GAIN, "Multiplies the weights' standard deviation.")
    ] = 1.0,
    depth: Annotated[
        int, options.number("--depth", Range(1, 10_000, whole=True), "Hidden layers.")
    ] = 20,
    width: Annotated[
        int, options.number("--width", Range(1, 10**6, whole=True), "Units in each hidden layer.")
    ] = 64,
    norm: Annotated[
        str | None, typer.Option("--norm", metavar="batch|layer", help="The normalization, if any.")
    ] = None,
    residual: Annotated[
        float | None,
        options.number("--residual", ABOVE_0, "Scale of the branches of skip connections."),
    ] = None,
    dropout: Annotated[
        float, options.number("--dropout", FRACTION, "Share of the units that is dropped.")
    ] = 0.0,
    output_file: Annotated[
        Path | None, options.report_file("Also write a page with the pictures.")
    ] = None,
) -> int:
    """Predict the gradient of a net before it is trained.

    It answers how deep the net can be: the gradient by layer, its limits and its band.
    """
    from gradlab.comparison.networks import usual_init
    from gradlab.report import forecast

    found = forecast.forecast(
        activation,
        init or usual_init(activation),
        gain,
        depth,
        width,
        norm=norm,
        residual=residual,
        dropout=dropout,
    )
    output.say(forecast.text(found))
    if output_file is not None:
        from gradlab.report.article import write_article

        output.check_writable(output_file)
        output.say(f"\npage: {write_article(forecast.article(found), output_file)}")
    return 0
