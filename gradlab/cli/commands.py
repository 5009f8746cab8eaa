"""The command line: parse, call, print, exit.

Exit codes: 0 clean, 1 an error-level finding (`check`), 2 a usage or internal error, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from gradlab.cli import options
from gradlab.cli import output as show
from gradlab.errors import GradlabError

if TYPE_CHECKING:
    from gradlab.datasets import Data
    from gradlab.run import Run

app = typer.Typer(
    name="gradlab",
    help="Find out why a neural network does not learn: which layer, since when, and why, in numbers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DEBUG = "GRADLAB_DEBUG"  # set it to see the traceback of an internal error


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every error is one sentence on stderr."""
    try:
        _refuse_namesake()
        result = app(_spread_lists(arguments), standalone_mode=False)
        return result if isinstance(result, int) else 0
    except TyperException as error:
        message = error.format_message()
        if message.startswith("Usage:"):  # no command given: the help, as it is
            print(message)
        else:
            _complain(message)
        return 2
    except GradlabError as error:
        _complain(str(error))
        return 2
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted; what was finished is kept")
        return 130
    except BrokenPipeError:  # the reader (head, less) has gone: no error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        _complain(f"internal error, {type(error).__name__}: {error} (set {DEBUG}=1 to see where, and report it)")
        return 2


def _complain(message: str) -> None:
    print(f"gradlab: {message}", file=sys.stderr)


def _refuse_namesake() -> None:
    """Stop where the unrelated PyPI package `gradlab` is installed too: the two overwrite each other's modules."""
    try:
        version = metadata.version("gradlab")
    except metadata.PackageNotFoundError:
        return
    raise GradlabError(
        f"the unrelated distribution 'gradlab' {version} is installed beside 'gradlab-diagnostics', and both own the "
        "module 'gradlab'; run: pip uninstall gradlab, then install gradlab-diagnostics again"
    )


def _spread_lists(arguments: Sequence[str]) -> list[str]:
    """Let one option take several values: `--depth 2 5 10` means `--depth 2 --depth 5 --depth 10`."""
    spread: list[str] = []
    option = None
    for argument in arguments:
        is_value = not argument.startswith("-") or argument[1:2].isdigit()
        if option is not None and is_value:
            spread += [option, argument]
            continue
        option = argument if argument in ("--depth", "--network") and arguments[0] == "compare" else None
        if option is None:
            spread.append(argument)
    return spread


@app.command()
def compare(
    network: Annotated[
        list[str] | None,
        typer.Option("--network", metavar="NETWORK ...", help=options.NETWORK_HELP + "; several for more rows."),
    ] = None,
    depth: Annotated[
        list[str] | None, typer.Option("--depth", metavar="N ...", help="Hidden layers, such as --depth 2 5 10.")
    ] = None,
    width: options.Width = 64,
    data: options.DataOption = "digits",
    target: options.Target = None,
    loss: options.Loss = None,
    seeds: options.Seeds = 8,
    iterations: options.Iterations = 500,
    optimizer: options.Optimizer = "sgd",
    learning_rate: options.LearningRate = 0.03,
    batch_size: options.BatchSize = 64,
    schedule: options.Schedule = "constant",
    clip: options.Clip = None,
    l1: options.L1 = 0.0,
    l2: options.L2 = 0.0,
    class_weights: options.ClassWeights = None,
    label_smoothing: options.LabelSmoothing = 0.0,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes to train with; -1: one a core.")] = -1,
    runs: options.Runs = Path("runs"),
    force: options.Force = False,
    output: Annotated[Path, typer.Option("-o", "--output", help="The report.")] = Path("reports/activation-depth.html"),
    json_file: options.JsonFile = None,
) -> int:
    """Train networks at several depths and explain which of them learn, vanish or explode, and why.

    By default sigmoid, tanh, relu, and relu with twice the weights, at depths 2 to 50, on handwritten digits.
    """
    from gradlab import comparison

    networks = network or list(comparison.DEFAULT_NETWORKS)
    depths = [_whole("--depth", text) for text in depth] if depth else list(comparison.DEFAULT_DEPTHS)
    show.check_writable(output, json_file)
    settings: dict[str, Any] = {
        "width": width, "seeds": seeds, "iterations": iterations, "optimizer": optimizer,
        "learning_rate": learning_rate, "batch_size": batch_size, "loss": loss, "schedule": schedule, "clip": clip,
        "l1": l1, "l2": l2, "class_weights": _class_weights(class_weights), "label_smoothing": label_smoothing,
    }  # fmt: skip
    source = _data(data, target)
    plans = comparison.plan(networks, depths, data=source, **settings)
    cells = show.train_with_progress(plans, source, jobs=jobs, runs=runs, force=force)
    result = comparison.Comparison(tuple(cells[each] for each in plans), details={"data": source.name})
    show.print_comparison(result)
    show.finish([result], output, json_file, result.to_dict)
    from gradlab.cli import kernels as blas

    if blas.suspicious():
        print("this processor has AVX-512, but OpenBLAS does not use it: gradlab kernels measures what it would bring")
    return 0


@app.command()
def train(
    network: Annotated[str, typer.Option("--network", help=options.NETWORK_HELP)] = "relu:he_normal",
    depth: Annotated[int, typer.Option("--depth", help="Hidden layers.")] = 5,
    width: options.Width = 64,
    data: options.DataOption = "digits",
    target: options.Target = None,
    loss: options.Loss = None,
    seeds: options.Seeds = 8,
    iterations: options.Iterations = 500,
    optimizer: options.Optimizer = "sgd",
    learning_rate: options.LearningRate = 0.03,
    batch_size: options.BatchSize = 64,
    schedule: options.Schedule = "constant",
    clip: options.Clip = None,
    l1: options.L1 = 0.0,
    l2: options.L2 = 0.0,
    class_weights: options.ClassWeights = None,
    label_smoothing: options.LabelSmoothing = 0.0,
    runs: options.Runs = Path("runs"),
    force: options.Force = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The report; default: reports/NETWORK-DEPTH.html.")
    ] = None,
    json_file: options.JsonFile = None,
) -> int:
    """Train one network and write its report."""
    from gradlab import comparison
    from gradlab.diagnosis import summary

    source = _data(data, target)
    plans = comparison.plan(
        [network], [depth], width=width, data=source, seeds=seeds, iterations=iterations, optimizer=optimizer,
        learning_rate=learning_rate, batch_size=batch_size, loss=loss, schedule=schedule, clip=clip, l1=l1, l2=l2,
        class_weights=_class_weights(class_weights), label_smoothing=label_smoothing,
    )  # fmt: skip
    output = output or Path("reports") / f"{plans[0].name.replace(' ', '-').replace(':', '-')}.html"
    show.check_writable(output, json_file)
    cell = next(iter(show.train_with_progress(plans, source, jobs=1, runs=runs, force=force).values()))
    show.print_run(cell.run)
    print(f"\nrecorded in {cell.folder}")
    show.finish([cell.run], output, json_file, lambda: {"schema": 1, "runs": [summary(cell.run, cell.diagnosis)]})
    return 0


@app.command()
def check(
    run_folders: options.RunFolders,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
    select: options.Codes = None,
    ignore: options.Codes = None,
    format_: Annotated[str, typer.Option("--format", help="text, json, junit or github.")] = "text",
) -> int:
    """Judge recorded runs: exit 0 if all are fine, 1 if one has an error.

    [tool.gradlab] in the nearest pyproject.toml sets rules, their limits, and what is muted.
    """
    from gradlab.cli.check_formats import FORMATS, Judged
    from gradlab.diagnosis import project
    from gradlab.errors import one_of

    one_of("--format", format_, FORMATS)
    project = project.nearest()
    judged = [
        Judged(run, project.judge(run, select=_codes(select), ignore=_codes(ignore)), strict)
        for run in _load(run_folders)
    ]
    print(FORMATS[format_](judged))
    return int(any(each.failed for each in judged))


@app.command()
def report(
    run_folders: options.RunFolders,
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML file.")] = Path("reports/report.html"),
    open_it: options.OpenIt = False,
) -> int:
    """Write recorded runs as one interactive HTML page, judged as `check` judges them."""
    from gradlab.diagnosis import project

    show.check_writable(output, None)
    path = show.finish(_load(run_folders), output, None, None, judge=project.nearest().judge)
    if open_it:
        show.open_page(path)
    return 0


@app.command()
def gallery(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Only these experiments.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder for the pages.")] = Path("reports"),
    folder: Annotated[Path, typer.Option("--experiments", help="The folder of experiments.")] = Path("experiments"),
    quick: Annotated[bool, typer.Option("--quick", help="The short form of each, in seconds.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes to run them in; -1: one a core.")] = -1,
    open_it: options.OpenIt = False,
) -> int:
    """Run the course: every experiment a page, and index.html, which opens them all. Takes a few minutes."""
    from gradlab.report import gallery as course

    every = course.experiments(folder)
    chosen = course.choose(every, names or [])
    show.check_writable(output / course.INDEX, None)
    built = []
    for done in course.build(chosen, output, course=every, quick=quick, jobs=jobs):
        built.append(done)
        said = f"failed: {done.error}" if done.error else str(output / done.experiment.page)
        print(f"[{len(built)}/{len(chosen)}] {done.experiment.name} ({done.seconds:.0f} s): {said}", flush=True)
    path = output / chosen[0].page if names else course.write_index(built, output)
    print(f"open {path}")
    if open_it:
        show.open_page(path)
    return 2 if any(done.error for done in built) else 0


@app.command(name="theory")
def theory_(
    activation: Annotated[str, typer.Option("--activation", help="sigmoid, tanh, relu, ...")] = "relu",
    init: Annotated[
        str | None,
        typer.Option("--init", help="Of the weights; default: he_normal or glorot_normal, as it fits."),
    ] = None,
    gain: Annotated[float, typer.Option("--gain", help="Multiplies the weights' deviation.")] = 1.0,
    depth: Annotated[int, typer.Option("--depth", help="Hidden layers.")] = 20,
    width: options.Width = 64,
    norm: Annotated[str | None, typer.Option("--norm", help="batch or layer.")] = None,
    residual: Annotated[
        float | None, typer.Option("--residual", help="Scale of the branches of skip connections.")
    ] = None,
    dropout: Annotated[float, typer.Option("--dropout", help="Share of the units that is dropped.")] = 0.0,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Also write a page with the pictures.")] = None,
) -> int:
    """Predict, before anyone trains: how deep can I go? The gradient by layer, its limits and its band."""
    from gradlab.comparison.networks import usual_init
    from gradlab.report import forecast

    forecast.check_depth(depth, width)
    found = forecast.forecast(
        activation, init or usual_init(activation), gain, depth, width, norm=norm, residual=residual, dropout=dropout
    )
    print(forecast.text(found))
    if output is not None:
        from gradlab.report.article import write_article

        show.check_writable(output)
        print(f"\npage: {write_article(forecast.article(found), output)}")
    return 0


@app.command()
def rules() -> int:
    """List every rule: code, name and what it does."""
    from gradlab.diagnosis import registry

    for code, rule in registry().items():
        print(f"{code}  {rule.name:<22} {rule.summary}")
    print("\ngradlab rule CODE explains one of them.")
    return 0


@app.command()
def rule(code: Annotated[str, typer.Argument(help="Such as GL101.")]) -> int:
    """Explain one rule: what it does, why it is bad, what to try, and its limits in force."""
    from gradlab.diagnosis import project

    print(project.nearest().rule(code).explanation())
    return 0


@app.command()
def kernels() -> int:
    """Say which kernels multiply matrices here, measure those the processor has, and offer the fastest."""
    from gradlab.cli import kernels as blas

    for line in blas.told():
        print(line)
    return 0


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        from gradlab._version import __version__

        print(f"gradlab {__version__}")
        raise typer.Exit


def _whole(option: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise GradlabError(f"{option} {text!r} must be a whole number of at least 1") from None


def _class_weights(text: str | None) -> str | tuple[float, ...] | None:
    if text is None or text == "balanced":
        return text
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise GradlabError(f"--class-weights {text!r} must be balanced or one number a class, such as 1,2.5") from None


def _codes(text: str | None) -> list[str] | None:
    return None if text is None else [code.strip() for code in text.split(",") if code.strip()]


def _data(source: str, target: str | None) -> Data:
    from gradlab import datasets

    if source not in ("digits", *datasets.BUNDLED):
        return datasets.from_file(source, target)
    if target is not None:
        raise GradlabError(f"--target is for --data FILE; what {source} predicts is fixed")
    return datasets.digits() if source == "digits" else datasets.bundled(source)


def _load(folders: Sequence[Path]) -> list[Run]:
    """Load runs; a folder that is none but holds some stands for all of them."""
    from gradlab.run import load
    from gradlab.run.storage import DESCRIPTION

    found: list[Path] = []
    for folder in folders:
        inside = [] if (folder / DESCRIPTION).is_file() else sorted(folder.glob(f"[!.]*/{DESCRIPTION}"))
        found += [path.parent for path in inside] or [folder]
    return [load(folder) for folder in found]
