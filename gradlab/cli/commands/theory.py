"""`gradlab theory`: what becomes of the gradient before any training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradlab.cli import completion, options, output
from gradlab.ranges import FRACTION, GAIN, Range

GROUP = "Predict"
EXAMPLES = (
    ("gradlab theory --activation sigmoid --depth 20", "how deep can it be?"),
    ("gradlab theory --activation relu --gain 2 -o theory.html", "weights too large; as a page"),
    (
        "gradlab theory --activation tanh --norm layer --residual 0.5",
        "with norms and skip connections",
    ),
)


Activation = Annotated[
    str,
    typer.Option(
        "--activation",
        metavar="NAME",
        autocompletion=completion.beginning(completion.activations),
        help="sigmoid, tanh, relu, ...",
    ),
]
Init = Annotated[
    str | None,
    typer.Option(
        "--init",
        metavar="NAME",
        autocompletion=completion.beginning(completion.initializers),
        help="Of the weights; default: he_normal or glorot_normal, as it suits the activation.",
    ),
]
Gain = Annotated[
    float, options.number("--gain", GAIN, "Multiplies the weights' standard deviation.")
]
Depth = Annotated[int, options.number("--depth", Range(1, 10_000, whole=True), "Hidden layers.")]
Width = Annotated[
    int, options.number("--width", Range(1, 10**6, whole=True), "Units in each hidden layer.")
]
Norm = Annotated[
    str | None, typer.Option("--norm", metavar="batch|layer", help="The normalization, if any.")
]
Residual = Annotated[
    float | None,
    options.number("--residual", GAIN, "Scale of the branches of skip connections."),
]
Dropout = Annotated[
    float, options.number("--dropout", FRACTION, "Share of the units that is dropped.")
]
OutputFile = Annotated[Path | None, options.report_file("Also write a page with the pictures.")]


def theory(
    activation: Activation = "relu",
    init: Init = None,
    gain: Gain = 1.0,
    depth: Depth = 20,
    width: Width = 64,
    norm: Norm = None,
    residual: Residual = None,
    dropout: Dropout = 0.0,
    output_file: OutputFile = None,
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
