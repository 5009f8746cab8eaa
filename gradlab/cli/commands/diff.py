"""`gradlab diff A B`: how two recorded runs differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradlab.cli import options, output
from gradlab.ranges import COUNT_OR_0

if TYPE_CHECKING:
    from gradlab.differences import Difference
    from gradlab.run import Run

GROUP = "Judge"
EXAMPLES = (
    ("gradlab diff runs/before runs/after", "where two runs first differ"),
    ("gradlab diff runs/whole runs/resumed --offset 100", "one that began at iteration 100"),
    ("gradlab diff runs/float32 runs/bfloat16 --fail-on verdict", "in CI: is the second worse?"),
)

First = Annotated[Path, typer.Argument(metavar="A", help="Folder of a recorded run.")]
Second = Annotated[Path, typer.Argument(metavar="B", help="Folder of another recorded run.")]
Rounding = Annotated[
    str | None,
    typer.Option(
        "--rounding",
        metavar="TYPE",
        help="Allow for the rounding of float64, float32, float16 or bfloat16; default: the "
        "coarser type that the two configurations name.",
    ),
]
Offset = Annotated[
    int | None,
    options.number(
        "--offset",
        COUNT_OR_0,
        "B begins at iteration N of A; default: found by the weights that B begins with.",
    ),
]


def diff(
    first: First,
    second: Second,
    rounding: Rounding = None,
    offset: Offset = None,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            metavar="parting|verdict",
            help="Exit with 1 where the records part beyond rounding, or only where B has an error "
            "or warning that A has not.",
        ),
    ] = "parting",
    format_: Annotated[
        str, typer.Option("--format", metavar="text|json", help="How to write it.")
    ] = "text",
    output_file: Annotated[
        Path | None, options.report_file("Also write both runs as a page that begins with this.")
    ] = None,
    open_it: options.Open = False,
) -> int:
    """Say where two runs part: setting, iteration, layer, verdict.

    Exits with 1 if the records part beyond rounding.
    """
    from gradlab.diagnosis import project
    from gradlab.errors import one_of

    one_of("format", format_, ("text", "json"))
    one_of("fail_on", fail_on, ("parting", "verdict"))
    output.check_writable(output_file)
    runs = _two_runs(first, second)
    difference = _difference(runs, rounding, offset)
    if format_ == "json":
        print(json.dumps(difference.to_dict(), allow_nan=False, indent=1))
    else:
        output.say(str(difference))
    if output_file is not None:
        judge = project.nearest().judge
        path = output.write_report(runs, output_file, judge=judge, difference=difference)
        if open_it:
            output.open_page(path)
    return int(not difference.same if fail_on == "parting" else difference.worse)


def _two_runs(first: Path, second: Path) -> list[Run]:
    from gradlab.cli import inputs
    from gradlab.errors import GradlabError

    runs = inputs.runs([first, second])
    if len(runs) != 2:
        raise GradlabError(
            f"diff compares two runs, and {first} and {second} hold {len(runs)}; give the folder "
            "of one run each"
        )
    return runs


def _difference(runs: list[Run], rounding: str | None, offset: int | None) -> Difference:
    from gradlab.diagnosis import project
    from gradlab.differences import diff as difference_of

    judge = project.nearest().judge
    return difference_of(*runs, judge=judge, rounding=rounding, offset=offset)
