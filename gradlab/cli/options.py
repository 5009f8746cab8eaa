"""The options that several commands share, and what `--help` says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DATA_HELP = "digits; iris, wine, breast_cancer or diabetes where scikit-learn is installed; or a CSV or npz file."
Width = Annotated[int, typer.Option("--width", help="Units in each hidden layer.")]
DataOption = Annotated[str, typer.Option("--data", help=DATA_HELP, metavar="NAME|FILE")]
Target = Annotated[str | None, typer.Option("--target", help="The column of the file to predict; default: the last.")]
Loss = Annotated[
    str | None,
    typer.Option(
        "--loss",
        metavar="NAME",
        help="For classes cross_entropy (for two classes also binary_cross_entropy or perceptron), for numbers "
        "squared_error, mean_absolute_error or huber; default: what fits the data.",
    ),
]
L1 = Annotated[
    float, typer.Option("--l1", help="Weight of the penalty on the sum of |w|: makes some weights exactly 0. 0: none.")
]
L2 = Annotated[
    float,
    typer.Option("--l2", help="Weight of the penalty on half the sum of w squared: keeps weights small. 0: none."),
]
ClassWeights = Annotated[
    str | None,
    typer.Option(
        "--class-weights",
        metavar="balanced|X,X,...",
        help="Let rare classes count as much as frequent ones (balanced), or say how much each class counts.",
    ),
]
LabelSmoothing = Annotated[
    float,
    typer.Option(
        "--label-smoothing",
        help="Share of each target that is spread over all classes, so that no answer has to be certain.",
    ),
]
Seeds = Annotated[int, typer.Option("--seeds", help="How many seeds to train at once.")]
Iterations = Annotated[int, typer.Option("--iterations", help="Updates to train for.")]
Optimizer = Annotated[
    str,
    typer.Option(
        "--optimizer",
        metavar="NAME[:KEY=VALUE]",
        help="How weights are updated: sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw; some "
        "with settings, such as momentum:momentum=0.95, adam:beta1=0.8:epsilon=1e-6 or adamw:weight_decay=0.1.",
    ),
]
Schedule = Annotated[
    str,
    typer.Option(
        "--schedule",
        metavar="NAME[:KEY=VALUE]",
        help="How the learning rate changes: constant, step:every=N (times 0.1 every N updates, or times factor=X), "
        "exponential:factor=X (times X at every update) or cosine (falls to 0 at the end, or to a share end=X). Each "
        "may begin with a warm-up, a rise from 0 over N updates, such as cosine:warmup=50.",
    ),
]
Clip = Annotated[
    str | None,
    typer.Option(
        "--clip",
        metavar="norm:most=X|value:most=X",
        help="Before each update, shorten a gradient whose norm is above X, or cut its entries to -X .. X.",
    ),
]
LearningRate = Annotated[
    float, typer.Option("--learning-rate", help="Step size: an update is this times the gradient (of plain sgd).")
]
BatchSize = Annotated[int, typer.Option("--batch-size", help="Examples an update sees.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder that keeps finished trainings, to find them again.")]
Force = Annotated[bool, typer.Option("--force", help="Train anew even what is finished.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Also write the verdicts to this file.")]
RunFolders = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of recorded runs.")]
OpenIt = Annotated[bool, typer.Option("--open", help="Open it in the browser.")]
Codes = Annotated[str | None, typer.Option(help="Rule codes or prefixes of codes, separated by commas, such as GL101,GL3.")]

NETWORK_HELP = (
    "What every hidden layer does, in one word. First its activation: sigmoid, tanh, relu, leaky_relu, elu, selu, "
    "softplus, gelu, silu or identity. Then, as wanted, each behind a colon: how its weights are drawn (glorot_normal, "
    "he_normal, lecun_normal, each also _uniform, orthogonal or lsuv; default: what suits the activation), gain=X "
    "(weights X times as large), norm=batch or norm=layer (normalize what the activation reads), residual=A (add the "
    "layer before, and A times this one), dropout=P (leave out a share P of the units in training). Such as "
    "relu:he_normal:gain=2 or sigmoid:norm=batch:dropout=0.1"
)
