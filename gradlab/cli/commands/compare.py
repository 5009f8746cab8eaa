"""`gradlab compare`: a grid of networks and depths."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gradlab.cli import inputs, options, output
from gradlab.ranges import Range

GROUP = "Train"
EXAMPLES = (
    ("gradlab compare --open", "sigmoid, tanh and relu by depth"),
    ("gradlab compare --network relu tanh:norm=layer --depth 5 20", "two networks, two depths"),
    ("gradlab compare --data table.csv --target price", "your own data"),
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
    runs: options.Runs = Path("runs"),
    force: options.Force = False,
    jobs: Jobs = -1,
    cluster: Cluster = None,
    seeds: options.Seeds = 8,
    **training: Any,
) -> int:
    """Train a grid of networks and depths, and explain what fails.

    By default sigmoid, tanh, relu, and relu with twice the weights, at depths 2 to 50, on
    handwritten digits.
    """
    from gradlab import comparison
    from gradlab.cli import kernels, progress, tables
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
        **training,
    )
    cells = progress.train(plans, source, jobs=jobs, runs=runs, force=force, cluster=cluster)
    result = comparison.Comparison(
        tuple(cells[each] for each in plans), details={"data": source.name}
    )
    tables.print_comparison(result)
    path = output.write_report([result], output_file)
    if json_file is not None:
        output.write_verdicts(json_file, result.to_dict())
    if kernels.suspicious():
        output.say(
            "this processor has AVX-512, but OpenBLAS does not use it: gradlab kernels measures "
            "what it would bring"
        )
    if open_it:
        output.open_page(path)
    return 0
