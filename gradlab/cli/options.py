"""The options that several commands share, and what `--help` says of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from gradlab.cli import completion
from gradlab.errors import ArgumentError, GradlabError, shown
from gradlab.options import TrainingOptions, option_of
from gradlab.ranges import COUNT, Range

Function = TypeVar("Function", bound=Callable[..., Any])

LISTS = {"compare": ("--network", "--depth", "--sweep")}
"""Options of a command that take several values: `--depth 2 5 10`."""

NETWORK, DATA, TRAINING, OUTPUT = "Network", "Data", "Training", "Output"
"""Groups of options, as the help shows them."""


def number(name: str, allowed: Range, help: str, group: str = "Options") -> Any:
    """Return an option that takes a number of a range; errors use the range's words."""
    return typer.Option(
        name,
        help=help,
        metavar="N" if allowed.whole else "X",
        parser=_reader(name, allowed.read),
        rich_help_panel=group,
    )


def _reader(name: str, read: Callable[[str, str], Any]) -> Callable[[Any], Any]:
    """Return what makes a value of what was typed; typer hands defaults to it too."""

    def parse(typed: Any) -> Any:
        if not isinstance(typed, str):
            return typed
        try:
            return read(name, typed)
        except ArgumentError as error:  # a ValueError, which typer would reword
            raise GradlabError(str(error)) from None

    return parse


def _folder(typed: str | Path) -> Path:
    """Read a folder; typer hands defaults to it too."""
    if "://" in str(typed):
        raise GradlabError(
            f"--runs {shown(typed)} must be a folder here; gradlab compare alone takes a URL"
        )
    return Path(typed)


def training_options(command: Function) -> Function:
    """Give a command that ends in `**options` an option for each of `TrainingOptions`."""
    signature = inspect.signature(command)
    hints = get_type_hints(command, include_extras=True)
    parameters = [
        each.replace(annotation=hints[each.name])
        for each in signature.parameters.values()
        if each.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    kinds = get_type_hints(TrainingOptions)
    parameters += [_parameter(each, kinds[each.name]) for each in fields(TrainingOptions)]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": int}
    return command


def _parameter(each: Field, kind: Any) -> inspect.Parameter:
    """Return the command's parameter for one field of `TrainingOptions`."""
    about = option_of(each)
    name = f"--{each.name.replace('_', '-')}"
    if isinstance(about.allowed, Range):
        made = number(name, about.allowed, about.help, TRAINING)
    else:
        read = about.read
        made = typer.Option(
            name,
            help=about.help,
            metavar=about.metavar,
            parser=None if read is None else _reader(name, lambda _, typed: read(typed)),
            rich_help_panel=TRAINING,
        )
        if kind is not bool:
            kind = str if each.default is not None else str | None
    return inspect.Parameter(
        each.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=each.default,
        annotation=Annotated[kind, made],
    )


NETWORK_HELP = (
    "What every hidden layer does, in one word. First its activation: sigmoid, tanh, relu, "
    "leaky_relu, elu, selu, softplus, gelu, silu or identity. Then, each behind a colon: how its "
    "weights are drawn (glorot_normal, he_normal, lecun_normal, each also _uniform, orthogonal or "
    "lsuv; default: what suits the activation), gain=X (weights X times as large), norm=batch or "
    "norm=layer (normalize what the activation reads), residual=A (add the layer before, and A "
    "times this one), dropout=P (leave out a share P of the units in training). Such as "
    "relu:he_normal:gain=2 or sigmoid:norm=batch:dropout=0.1"
)

Width = Annotated[int, number("--width", COUNT, "Units in each hidden layer.", NETWORK)]
Depth = Annotated[int, number("--depth", COUNT, "Hidden layers.", NETWORK)]
Seeds = Annotated[int, number("--seeds", COUNT, "How many seeds to train at once.", TRAINING)]
DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="NAME|FILE",
        autocompletion=completion.beginning(completion.data_sets),
        help="digits; iris, wine, breast_cancer or diabetes where scikit-learn is installed; or a "
        "CSV or npz file.",
        rich_help_panel=DATA,
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="COLUMN",
        help="The column of the file to predict; default: the last.",
        rich_help_panel=DATA,
    ),
]
Runs = Annotated[
    Path,
    typer.Option(
        "--runs",
        metavar="FOLDER",
        parser=_folder,
        help="Folder that keeps finished trainings, to find them again.",
        rich_help_panel=OUTPUT,
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Train anew what is finished.", rich_help_panel=OUTPUT)
]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Also write the verdicts to this file.",
        rich_help_panel=OUTPUT,
    ),
]
Open = Annotated[
    bool, typer.Option("--open", help="Open the page in the browser.", rich_help_panel=OUTPUT)
]
RunFolders = Annotated[
    list[Path],
    typer.Argument(metavar="RUN...", help="Folders of recorded runs, or folders that hold some."),
]
Layers = Annotated[
    str | None,
    typer.Option(
        "--layers",
        metavar="PATTERN",
        help="Only these layers: a pattern for their paths, such as 'blocks.*.attn.*', a part of "
        "them, or /a regular expression/.",
    ),
]


def codes(name: str, help: str) -> Any:
    """Return an option that takes codes of rules."""
    complete = completion.of_a_list(completion.codes)
    return typer.Option(name, metavar="CODE,...", help=help, autocompletion=complete)


def report_file(help: str) -> Any:
    """Return the option `-o`, the file of a report."""
    return typer.Option("-o", "--output", metavar="FILE", help=help, rich_help_panel=OUTPUT)
