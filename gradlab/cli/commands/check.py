"""`gradlab check`: recorded runs judged, for people and for CI."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gradlab.cli import completion, inputs, options, output

GROUP = "Judge"
TEXT = "text"
PAGE = Path("reports/check.html")
EXAMPLES = (
    ("gradlab check runs/mine", "one run"),
    ("gradlab check runs --fail-on warning", "every run in a folder, in CI"),
    ("gradlab check runs/mine --select GL1,GL302", "the rules on gradients, and one more"),
    ("gradlab check runs/gpt --layers 'blocks.*.attn.*'", "some layers alone"),
    ("gradlab check runs --format github", "as annotations; or json, junit"),
)


Select = Annotated[
    str | None,
    options.codes("--select", "Only these rules, such as GL101,GL102, or GL1 for all of GL1xx."),
]
Ignore = Annotated[str | None, options.codes("--ignore", "All rules but these.")]
FailOn = Annotated[
    str,
    typer.Option(
        "--fail-on",
        metavar="error|warning|note",
        autocompletion=completion.beginning(lambda: ("error", "warning", "note")),
        help="Exit with 1 at a finding of this severity, or of a graver one.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="The same as --fail-on warning.")]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="text|json|junit|github",
        autocompletion=completion.beginning(lambda: ("text", "json", "junit", "github")),
        help="How to write verdicts.",
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say why rules could not judge.")]
Open = Annotated[
    bool,
    typer.Option(
        "--open",
        help="Also write the page of these runs, reports/check.html, and open it.",
        rich_help_panel=options.OUTPUT,
    ),
]


def check(
    run_folders: options.RunFolders,
    select: Select = None,
    ignore: Ignore = None,
    layers: options.Layers = None,
    fail_on: FailOn = "error",
    strict: Strict = False,
    format_: Format = TEXT,
    verbose: Verbose = False,
    open_it: Open = False,
) -> int:
    """Judge recorded runs; exit with 1 if one has an error.

    [tool.gradlab] in the nearest pyproject.toml sets rules, their limits, and what is muted.
    """
    from gradlab.cli.check_formats import FORMATS, LEVELS, Judged
    from gradlab.cli.check_text import print_text
    from gradlab.cli.layers import at_layers
    from gradlab.diagnosis import project
    from gradlab.errors import one_of
    from gradlab.run import distinct_names

    one_of("format", format_, (TEXT, *FORMATS))
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
    if format_ == TEXT:
        print_text(judged, verbose=verbose)
    else:
        print(FORMATS[format_](judged))
    if open_it:
        page = output.write_report(runs, PAGE, judge=settings.judge, layers=layers or "")
        output.open_page(page)
    return int(any(each.failed for each in judged))
