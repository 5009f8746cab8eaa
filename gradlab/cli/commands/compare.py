"""`gradlab compare`: a grid of networks and depths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradlab.cli import inputs, options, output
from gradlab.ranges import Range

if TYPE_CHECKING:
    from gradlab.comparison import Comparison

GROUP = "Train"
EXAMPLES = (
    ("gradlab compare --open", "sigmoid, tanh and relu by depth"),
    ("gradlab compare --network relu tanh:norm=layer --depth 5 20", "two networks, two depths"),
    ("gradlab compare --data table.csv --target price", "your own data"),
    (
        "gradlab compare --depth 10 --sweep learning_rate=0.01,0.1 --columns learning_rate",
        "one more axis",
    ),
    ("gradlab compare --cluster tcp://host:8786", "on the machines of a Dask cluster"),
    (
        "gradlab compare --optimizer adam --learning-rate 0.001 --jobs 1",
        "other training, one process",
    ),
)

Networks = Annotated[
    list[str] | None,
    typer.Option(
        "--network",
        metavar="NETWORK ...",
        help=options.NETWORK_HELP + "; several for more rows.",
        rich_help_panel=options.NETWORK,
    ),
]
Depths = Annotated[
    list[str] | None,
    typer.Option(
        "--depth",
        metavar="N ...",
        help="Hidden layers, such as --depth 2 5 10.",
        rich_help_panel=options.NETWORK,
    ),
]
Jobs = Annotated[
    int,
    options.number(
        "--jobs",
        Range(-1, whole=True),
        "Processes to train with; -1: one a core.",
        options.OUTPUT,
    ),
]
Runs = Annotated[
    str,
    typer.Option(
        "--runs",
        metavar="FOLDER|URL",
        help="Folder that keeps finished trainings, to find them again; or a store, such as "
        "s3://bucket/sweep, that all machines write to.",
        rich_help_panel=options.OUTPUT,
    ),
]
Sweep = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep",
        metavar="AXIS=VALUE,VALUE ...",
        help="One more axis: any option of the training, width, seeds, seed, or init, gain, norm, "
        "residual, dropout of every network, such as --sweep learning_rate=0.01,0.1 "
        "init=he_normal,orthogonal.",
        rich_help_panel=options.TRAINING,
    ),
]
Rows = Annotated[
    str,
    typer.Option(
        "--rows",
        metavar="AXIS",
        help="The axis that the page shows in rows; it has a selector for each axis that is left.",
        rich_help_panel=options.OUTPUT,
    ),
]
Columns = Annotated[
    str,
    typer.Option(
        "--columns",
        metavar="AXIS",
        help="The axis that the page shows in columns.",
        rich_help_panel=options.OUTPUT,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="local|tcp://HOST:PORT",
        help="Train on a Dask cluster: its scheduler's address; local: one of processes here.",
        rich_help_panel=options.OUTPUT,
    ),
]


@options.training_options
def compare(
    network: Networks = None,
    depth: Depths = None,
    width: options.Width = 64,
    data: options.DataOption = "digits",
    target: options.Target = None,
    output_file: Annotated[Path, options.report_file("The report.")] = Path(
        "reports/activation-depth.html"
    ),
    json_file: options.JsonFile = None,
    open_it: options.Open = False,
    runs: Runs = "runs",
    force: options.Force = False,
    jobs: Jobs = -1,
    cluster: Cluster = None,
    sweep: Sweep = None,
    rows: Rows = "network",
    columns: Columns = "depth",
    seeds: options.Seeds = 8,
    **training: Any,
) -> int:
    """Train a grid of networks and depths, and explain what fails.

    By default sigmoid, tanh, relu, and relu with twice the weights, at depths 2 to 50, on
    handwritten digits.
    """
    from gradlab import comparison
    from gradlab.cli import progress
    from gradlab.ranges import COUNT

    networks = network or list(comparison.DEFAULT_NETWORKS)
    depths = [int(COUNT.read("depth", text)) for text in depth or ()]
    output.check_writable(output_file, json_file)
    source = inputs.data_set(data, target)
    plans = comparison.plan_cells(
        networks,
        depths or list(comparison.DEFAULT_DEPTHS),
        width=width,
        data=source,
        seeds=seeds,
        sweep=comparison.read_axes(sweep or ()),
        **training,
    )
    axes = {"rows": rows.replace("-", "_"), "columns": columns.replace("-", "_")}
    comparison.compared(plans, {}, **axes)  # wrong axes are told before anything is trained
    cells = progress.train(plans, source, jobs=jobs, runs=runs, force=force, cluster=cluster)
    result = comparison.compared(plans, cells, **axes, details={"data": source.name})
    path = _show(result, output_file, json_file)
    if open_it:
        output.open_page(path)
    return 0


def _show(result: Comparison, output_file: Path, json_file: Path | None) -> Path:
    """Print the table, write page and verdicts, and return the page's path."""
    from gradlab.cli import kernels, tables

    tables.print_comparison(result)
    path = output.write_report([result], output_file)
    if json_file is not None:
        output.write_verdicts(json_file, result.to_dict())
    if kernels.suspicious():
        output.say(
            "this processor has AVX-512, but OpenBLAS does not use it: gradlab kernels measures "
            "what it would bring"
        )
    return path
