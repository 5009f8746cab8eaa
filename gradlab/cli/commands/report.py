"""`gradlab report`: recorded runs as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from gradlab.cli import inputs, options, output

GROUP = "Judge"
EXAMPLES = (
    ("gradlab report runs/mine --open", "one run"),
    ("gradlab report runs/before runs/after -o both.html", "two runs beside each other"),
    ("gradlab report runs/gpt --layers 'blocks.*.attn.*'", "some layers alone"),
)


def report(
    run_folders: options.RunFolders,
    layers: options.Layers = None,
    output_file: Annotated[Path, options.report_file("The HTML file.")] = Path(
        "reports/report.html"
    ),
    open_it: options.Open = False,
) -> int:
    """Write recorded runs as one interactive page.

    They are judged as `gradlab check` judges them.
    """
    from gradlab.diagnosis import project

    output.check_writable(output_file)
    found = inputs.runs(run_folders)
    judge = project.nearest().judge
    path = output.write_report(found, output_file, judge=judge, layers=layers or "")
    if open_it:
        output.open_page(path)
    return 0
