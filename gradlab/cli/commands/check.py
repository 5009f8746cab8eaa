"""`gradlab check`: recorded runs judged, for people and for CI."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from gradlab.cli import inputs, options

GROUP = "Judge"


def check(
    run_folders: options.RunFolders,
    select: Annotated[
        str | None,
        options.codes(
            "--select", "Only these rules, such as GL101,GL102, or GL1 for all of GL1xx."
        ),
    ] = None,
    ignore: Annotated[str | None, options.codes("--ignore", "All rules but these.")] = None,
    layers: options.Layers = None,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            metavar="error|warning|note",
            help="Exit with 1 at a finding of this severity, or of a graver one.",
        ),
    ] = "error",
    strict: Annotated[
        bool, typer.Option("--strict", help="The same as --fail-on warning.")
    ] = False,
    format_: Annotated[
        str,
        typer.Option("--format", metavar="text|json|junit|github", help="How to write verdicts."),
    ] = "text",
) -> int:
    """Judge recorded runs; exit with 1 if one has an error.

    [tool.gradlab] in the nearest pyproject.toml sets rules, their limits, and what is muted.
    """
    from gradlab.cli.check_formats import FORMATS, LEVELS, Judged
    from gradlab.cli.layers import at_layers
    from gradlab.diagnosis import project
    from gradlab.errors import one_of
    from gradlab.run import distinct_names

    one_of("format", format_, FORMATS)
    one_of("fail_on", fail_on, LEVELS)
    if strict and fail_on == "error":
        fail_on = "warning"
    settings = project.nearest()
    judged = []
    runs = list(inputs.runs(run_folders))
    for run, name in zip(runs, distinct_names(runs), strict=True):
        diagnosis = settings.judge(run, select=inputs.codes(select), ignore=inputs.codes(ignore))
        diagnosis = replace(diagnosis, run=name)
        if layers is not None:
            diagnosis = at_layers(diagnosis, inputs.matching_layers(run, layers))
        judged.append(Judged(run, diagnosis, fail_on))
    print(FORMATS[format_](judged))
    return int(any(each.failed for each in judged))
