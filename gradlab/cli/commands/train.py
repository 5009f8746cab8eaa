"""`gradlab train`: one network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gradlab.cli import inputs, options, output

GROUP = "Train"
EXAMPLES = (
    ("gradlab train --network sigmoid --depth 20 --open", "verdict and page of one network"),
    ("gradlab train --network relu:he_normal:gain=2 --depth 20", "weights twice as large"),
    ("gradlab train --optimizer adam --clip norm:most=1", "Adam, its gradients clipped"),
)


@options.training_options
def train(
    network: Annotated[
        str,
        typer.Option(
            "--network",
            metavar="NETWORK",
            help=options.NETWORK_HELP,
            rich_help_panel=options.NETWORK,
        ),
    ] = "relu:he_normal",
    depth: options.Depth = 5,
    width: options.Width = 64,
    data: options.DataOption = "digits",
    target: options.Target = None,
    output_file: Annotated[
        Path | None, options.report_file("The report; default: reports/NETWORK-DEPTH.html.")
    ] = None,
    json_file: options.JsonFile = None,
    open_it: options.Open = False,
    runs: options.Runs = Path("runs"),
    force: options.Force = False,
    seeds: options.Seeds = 8,
    **training: Any,
) -> int:
    """Train one network and write its report.

    The run is recorded while it is trained: `gradlab check runs` judges a killed training, too.
    """
    from gradlab import comparison
    from gradlab.cli import progress
    from gradlab.diagnosis import clipped, summary

    source = inputs.data_set(data, target)
    plans = comparison.plan_cells(
        [network], [depth], width=width, data=source, seeds=seeds, **training
    )
    page = f"{plans[0].name.replace(' ', '-').replace(':', '-')}.html"
    output_file = output_file or Path("reports") / page
    output.check_writable(output_file, json_file)
    (cell,) = progress.train(plans, source, jobs=1, runs=runs, force=force, in_place=True).values()
    output.say(str(cell.diagnosis))
    if (share := clipped(cell.run)) is not None:
        output.say(f"Clipping made the gradient smaller in {100 * share:.0f} % of the updates.")
    output.say(f"\nrecorded in {cell.folder}")
    path = output.write_report([cell.run], output_file)
    if json_file is not None:
        output.write_verdicts(json_file, {"schema": 1, "runs": [summary(cell.run, cell.diagnosis)]})
    if open_it:
        output.open_page(path)
    return 0
