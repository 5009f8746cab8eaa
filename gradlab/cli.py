"""The command line: parse, call, print, exit.

Exit codes: 0 clean, 1 an error-level finding (`check`), 2 a usage or internal error, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from gradlab.errors import GradlabError

if TYPE_CHECKING:
    from gradlab.comparison import Cell, Comparison
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
L1 = Annotated[float, typer.Option("--l1", help="Penalty on the size of weights that makes some exactly 0.")]
L2 = Annotated[float, typer.Option("--l2", help="Penalty on the square of weights that keeps them small.")]
ClassWeights = Annotated[
    str | None,
    typer.Option(
        "--class-weights",
        metavar="balanced|X,X,...",
        help="Let rare classes count as much as frequent ones (balanced), or say how much each class counts.",
    ),
]
LabelSmoothing = Annotated[
    float, typer.Option("--label-smoothing", help="Share of each target that is spread over all classes.")
]
Seeds = Annotated[int, typer.Option("--seeds", help="How many seeds to train at once.")]
Iterations = Annotated[int, typer.Option("--iterations", help="Updates to train for.")]
Optimizer = Annotated[
    str,
    typer.Option(
        "--optimizer",
        metavar="NAME[:KEY=VALUE]",
        help="How weights are updated: sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw; with settings of its "
        "own, such as adam:epsilon=1e-6.",
    ),
]
Schedule = Annotated[
    str,
    typer.Option(
        "--schedule",
        metavar="NAME[:KEY=VALUE]",
        help="How the learning rate changes: constant, step:every=N, exponential:factor=X, cosine; each may begin with "
        "a warm-up, such as cosine:warmup=50.",
    ),
]
Clip = Annotated[
    str | None,
    typer.Option(
        "--clip",
        metavar="norm:most=X|value:most=X",
        help="Shorten a gradient whose norm (or entries whose value) is above X before the update.",
    ),
]
LearningRate = Annotated[float, typer.Option("--learning-rate", help="Step size of an update.")]
BatchSize = Annotated[int, typer.Option("--batch-size", help="Examples an update sees.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder that keeps finished trainings, to find them again.")]
Force = Annotated[bool, typer.Option("--force", help="Train anew even what is finished.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Also write the verdicts to this file.")]
RunFolders = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of recorded runs.")]
OpenIt = Annotated[bool, typer.Option("--open", help="Open it in the browser.")]
Codes = Annotated[str | None, typer.Option(help="Rule codes, separated by commas, such as GL101,GL102.")]

NETWORK_HELP = (
    "ACTIVATION[:INIT][:gain=X][:norm=batch|layer][:residual=A][:dropout=P], such as relu:he_normal:gain=2 or "
    "sigmoid:norm=batch"
)


@app.command()
def compare(
    network: Annotated[
        list[str] | None,
        typer.Option("--network", metavar="NETWORK ...", help=NETWORK_HELP + "; several for more rows."),
    ] = None,
    depth: Annotated[
        list[str] | None, typer.Option("--depth", metavar="N ...", help="Hidden layers, such as --depth 2 5 10.")
    ] = None,
    width: Width = 64,
    data: DataOption = "digits",
    target: Target = None,
    loss: Loss = None,
    seeds: Seeds = 8,
    iterations: Iterations = 500,
    optimizer: Optimizer = "sgd",
    learning_rate: LearningRate = 0.03,
    batch_size: BatchSize = 64,
    schedule: Schedule = "constant",
    clip: Clip = None,
    l1: L1 = 0.0,
    l2: L2 = 0.0,
    class_weights: ClassWeights = None,
    label_smoothing: LabelSmoothing = 0.0,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes to train with; -1: one a core.")] = -1,
    runs: Runs = Path("runs"),
    force: Force = False,
    output: Annotated[Path, typer.Option("-o", "--output", help="The report.")] = Path("reports/activation-depth.html"),
    json_file: JsonFile = None,
) -> int:
    """Train networks at several depths and explain which of them learn, vanish or explode, and why.

    By default sigmoid, tanh, relu, and relu with twice the weights, at depths 2 to 50, on handwritten digits.
    """
    from gradlab import comparison

    networks = network or list(comparison.DEFAULT_NETWORKS)
    depths = [_whole("--depth", text) for text in depth] if depth else list(comparison.DEFAULT_DEPTHS)
    _check_writable(output, json_file)
    settings: dict[str, Any] = {
        "width": width, "seeds": seeds, "iterations": iterations, "optimizer": optimizer,
        "learning_rate": learning_rate, "batch_size": batch_size, "loss": loss, "schedule": schedule, "clip": clip,
        "l1": l1, "l2": l2, "class_weights": _class_weights(class_weights), "label_smoothing": label_smoothing,
    }  # fmt: skip
    source = _data(data, target)
    plans = comparison.plan(networks, depths, data=source, **settings)
    cells = _train_with_progress(plans, source, jobs=jobs, runs=runs, force=force)
    result = comparison.Comparison(tuple(cells[each] for each in plans), details={"data": source.name})
    _print_comparison(result)
    _finish([result], output, json_file, result.to_dict)
    return 0


@app.command()
def train(
    network: Annotated[str, typer.Option("--network", help=NETWORK_HELP)] = "relu:he_normal",
    depth: Annotated[int, typer.Option("--depth", help="Hidden layers.")] = 5,
    width: Width = 64,
    data: DataOption = "digits",
    target: Target = None,
    loss: Loss = None,
    seeds: Seeds = 8,
    iterations: Iterations = 500,
    optimizer: Optimizer = "sgd",
    learning_rate: LearningRate = 0.03,
    batch_size: BatchSize = 64,
    schedule: Schedule = "constant",
    clip: Clip = None,
    l1: L1 = 0.0,
    l2: L2 = 0.0,
    class_weights: ClassWeights = None,
    label_smoothing: LabelSmoothing = 0.0,
    runs: Runs = Path("runs"),
    force: Force = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The report; default: reports/NETWORK-DEPTH.html.")
    ] = None,
    json_file: JsonFile = None,
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
    _check_writable(output, json_file)
    cell = next(iter(_train_with_progress(plans, source, jobs=1, runs=runs, force=force).values()))
    _print_run(cell.run)
    print(f"\nrecorded in {cell.folder}")
    _finish([cell.run], output, json_file, lambda: {"schema": 1, "runs": [summary(cell.run, cell.diagnosis)]})
    return 0


@app.command()
def check(
    run_folders: RunFolders,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
    select: Codes = None,
    ignore: Codes = None,
    format_: Annotated[str, typer.Option("--format", help="text, json, junit or github.")] = "text",
) -> int:
    """Judge recorded runs: exit 0 if all are fine, 1 if one has an error.

    [tool.gradlab] in the nearest pyproject.toml sets rules, their limits, and what is muted.
    """
    from gradlab import settings
    from gradlab.check_formats import FORMATS, Judged
    from gradlab.errors import one_of

    one_of("--format", format_, FORMATS)
    project = settings.nearest()
    judged = [
        Judged(run, project.judge(run, select=_codes(select), ignore=_codes(ignore)), strict)
        for run in _load(run_folders)
    ]
    print(FORMATS[format_](judged))
    return int(any(each.failed for each in judged))


@app.command()
def report(
    run_folders: RunFolders,
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML file.")] = Path("reports/report.html"),
    open_it: OpenIt = False,
) -> int:
    """Write recorded runs as one interactive HTML page, judged as `check` judges them."""
    from gradlab import settings

    _check_writable(output, None)
    path = _finish(_load(run_folders), output, None, None, judge=settings.nearest().judge)
    if open_it:
        _open(path)
    return 0


@app.command()
def gallery(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Only these experiments.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder for the pages.")] = Path("reports"),
    folder: Annotated[Path, typer.Option("--experiments", help="The folder of experiments.")] = Path("experiments"),
    quick: Annotated[bool, typer.Option("--quick", help="The short form of each, in seconds.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes to run them in; -1: one a core.")] = -1,
    open_it: OpenIt = False,
) -> int:
    """Run the course: every experiment a page, and index.html, which opens them all. Takes a few minutes."""
    from gradlab import gallery as course

    every = course.experiments(folder)
    chosen = course.choose(every, names or [])
    _check_writable(output / course.INDEX, None)
    built = []
    for done in course.build(chosen, output, course=every, quick=quick, jobs=jobs):
        built.append(done)
        said = f"failed: {done.error}" if done.error else str(output / done.experiment.page)
        print(f"[{len(built)}/{len(chosen)}] {done.experiment.name} ({done.seconds:.0f} s): {said}", flush=True)
    path = output / chosen[0].page if names else course.write_index(built, output)
    print(f"open {path}")
    if open_it:
        _open(path)
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
    width: Width = 64,
    norm: Annotated[str | None, typer.Option("--norm", help="batch or layer.")] = None,
    residual: Annotated[
        float | None, typer.Option("--residual", help="Scale of the branches of skip connections.")
    ] = None,
    dropout: Annotated[float, typer.Option("--dropout", help="Share of the units that is dropped.")] = 0.0,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Also write a page with the pictures.")] = None,
) -> int:
    """Predict, before anyone trains: how deep can I go? The gradient by layer, its limits and its band."""
    from gradlab.networks import usual_init
    from gradlab.report import forecast

    forecast.check_depth(depth, width)
    found = forecast.forecast(
        activation, init or usual_init(activation), gain, depth, width, norm=norm, residual=residual, dropout=dropout
    )
    print(forecast.text(found))
    if output is not None:
        from gradlab.report.article import write_article

        _check_writable(output)
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
    """Explain one rule: what it does, why it is bad, an example, what to try, references."""
    from gradlab.diagnosis import registry

    known = registry()
    if code.upper() not in known:
        raise GradlabError(f"rule {code!r} is unknown; choose from: {', '.join(known)}")
    print(known[code.upper()].documentation())
    return 0


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        from gradlab import __version__

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
    from gradlab.storage import DESCRIPTION

    found: list[Path] = []
    for folder in folders:
        inside = [] if (folder / DESCRIPTION).is_file() else sorted(folder.glob(f"[!.]*/{DESCRIPTION}"))
        found += [path.parent for path in inside] or [folder]
    return [load(folder) for folder in found]


def _check_writable(*paths: Path | None) -> None:
    """Fail before the training, not after it, where the result cannot be written."""
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise GradlabError(f"output {str(path)!r} is a folder; give a file name")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GradlabError(
                f"output {str(path)!r} cannot be written: {error.strerror}; choose another folder"
            ) from None
        if not os.access(path.parent, os.W_OK):
            raise GradlabError(f"output {str(path)!r} cannot be written: no permission; choose another folder")


def _open(path: Path) -> None:
    import webbrowser

    webbrowser.open(path.resolve().as_uri())


def _finish(subjects: list[Any], output: Path, json_file: Path | None, make_json, judge=None) -> Path:
    """Write the report and the JSON file, and say where they are."""
    from gradlab import storage
    from gradlab.report import write_report

    path = write_report(subjects[0] if len(subjects) == 1 else subjects, output, judge=judge)
    print(f"report: {path}  ({path.stat().st_size / 1e6:.1f} MB, opens offline in any browser)")
    if json_file is not None:
        storage.write_text(json_file, json.dumps(make_json(), allow_nan=False, indent=1))
        print(f"verdicts: {json_file}")
    return path


def _train_with_progress(plans, source: Data, *, jobs: int, runs: Path, force: bool) -> dict[Any, Cell]:
    """Train what is not finished, with a bar that says what runs and what is left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from gradlab.comparison import train_cells

    console = Console(stderr=True)
    cells: dict[Any, Cell] = {}
    order = sorted(plans, key=lambda each: each.cost, reverse=True)
    total = sum(each.cost for each in plans)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(_running(order, cells, jobs), total=total, count=f"0 of {len(plans)}")
        reported = False
        try:
            for cell in train_cells(plans, source, jobs=jobs, runs=runs, force=force):
                cells[cell.plan] = cell
                if not cell.reused and not reported:
                    reported = _say_reused(console, cells, plans)
                running, count = _running(order, cells, jobs), f"{len(cells)} of {len(plans)}"
                progress.update(bar, advance=cell.plan.cost, description=running, count=count)
                if not console.is_terminal and not cell.reused:
                    console.print(f"[{len(cells)}/{len(plans)}] {cell.name}: done", markup=False, highlight=False)
        except KeyboardInterrupt:
            console.print(
                f"\ninterrupted: {len(cells)} of {len(plans)} cells are finished and kept in {runs}; "
                "the same command goes on from there", markup=False, highlight=False,
            )  # fmt: skip
            raise
    if not reported:
        _say_reused(console, cells, plans)
    return cells


def _say_reused(console, cells: dict[Any, Cell], plans) -> bool:
    reused = sum(cell.reused for cell in cells.values())
    if reused:
        console.print(f"{reused} of {len(plans)} cells reused (--force trains anew)", markup=False, highlight=False)
    return True


def _running(order, cells: dict[Any, Cell], jobs: int) -> str:
    """Name the cells in training: workers take them in order, so they are the first of those not done."""
    workers = (os.cpu_count() or 1) if jobs == -1 else jobs
    left = [each.name for each in order if each not in cells]
    return ", ".join(left[:workers]) or "writing the report"


STYLES = {"learned": "green", "slow": "yellow", "not learned": "red"}


def _print_comparison(result: Comparison) -> None:
    """Print the table network x depth, then what each root cause says, worst first."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from gradlab.comparison import row

    console = Console(highlight=False)
    table = Table(title=None, box=None, pad_edge=False)
    for heading, justify in (
        ("network", "left"),
        ("depth", "right"),
        ("outcome", "left"),
        ("verdict", "left"),
        ("cause", "left"),
        ("accuracy", "right"),
    ):
        table.add_column(heading, justify=justify, no_wrap=True)  # pyright: ignore[reportArgumentType]
    previous = None
    for cell in result.cells:
        values = row(cell)
        if previous not in (None, values["network"]):
            table.add_section()
        previous = values["network"]
        accuracy = "-" if values["accuracy"] is None else f"{100 * values['accuracy']:.0f} %"
        healthy = values["verdict"] == "healthy"
        colour = "green" if healthy else "red" if not cell.diagnosis.ok else "yellow"
        table.add_row(
            values["network"], str(values["depth"]), Text(values["outcome"], STYLES[values["outcome"]]),
            Text(f"{values['verdict']} {cell.diagnosis.share}".rstrip(), colour), values["cause"], accuracy,
        )  # fmt: skip
    console.print(table)
    console.print()


def _print_run(run: Run) -> None:
    from gradlab.diagnosis import diagnose

    print(diagnose(run))
