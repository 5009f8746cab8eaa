"""`gradlab gallery`: the course of experiments as pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradlab.cli import completion, options, output
from gradlab.ranges import Range

GROUP = "Train"
EXAMPLES = (
    ("gradlab gallery --open", "the whole course: a few minutes"),
    ("gradlab gallery vanishing cures", "two of its pages"),
    ("gradlab gallery --experiments mine --quick", "experiments of your own, in their short form"),
)


Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME...]",
        autocompletion=completion.beginning(completion.experiments),
        help="Only these experiments.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--experiments",
        metavar="FOLDER",
        help="A folder of experiments; default: gradlab's course.",
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="The short form of each, in seconds.")]
Jobs = Annotated[
    int,
    options.number("--jobs", Range(-1, whole=True), "Processes to run them in; -1: one a core."),
]
OutputFolder = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        metavar="FOLDER",
        help="The folder for the pages.",
        rich_help_panel=options.OUTPUT,
    ),
]


def gallery(
    names: Names = None,
    folder: Folder = None,
    quick: Quick = False,
    jobs: Jobs = -1,
    output_folder: OutputFolder = Path("reports"),
    open_it: options.Open = False,
) -> int:
    """Run the course of experiments and write a page of each.

    index.html opens them all. The whole course takes a few minutes.
    """
    from gradlab.cli import course_progress
    from gradlab.report import gallery as course

    every = course.experiments(folder)
    chosen = course.choose(every, names or [])
    output.check_writable(output_folder / course.INDEX)
    built = course_progress.build(chosen, output_folder, course=every, quick=quick, jobs=jobs)
    for line in course_progress.summary(built, output_folder):
        output.say(line)
    path = output_folder / chosen[0].page
    if not names:
        path = course.write_index(built, output_folder)
    output.say(f"open {path}")
    if open_it:
        output.open_page(path)
    return 2 if any(done.error for done in built) else 0
