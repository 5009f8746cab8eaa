"""The report: one self-contained HTML page that says why a net does not learn, and shows it.

    gradlab.write_report(run, "reports/sigmoid20.html")

It reads verdicts and never computes one. `data.build` collects plain data (`one_run` of each run),
`headline`, `story` and `wording` find the words, `pictures` draw, and `render.render` writes the
page. `figures` holds the pictures as ordinary Plotly figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gradlab.diagnosis import Diagnosis
from gradlab.differences import Difference
from gradlab.kinds import CALLBACK, PATH, TEXT, instance, of_kinds
from gradlab.report import figures
from gradlab.report.data import Subject, build
from gradlab.report.fix_page import write_fix
from gradlab.run import Run

__all__ = ["figures", "write_fix", "write_report"]

BUDGET = 2_500_000  # bytes: a page one can send by mail
SCALES = (1.0, 0.6, 0.35, 0.2, 0.1)


@of_kinds(
    path=PATH,
    judge=CALLBACK.or_none,
    layers=TEXT,
    difference=instance(Difference, "what gradlab.diff returns").or_none,
)
def write_report(
    subject: Subject,
    path: str | Path,
    *,
    judge: Callable[[Run], Diagnosis] | None = None,
    links: Sequence[tuple[str, str]] = (),
    layers: str = "",
    difference: Difference | None = None,
) -> Path:
    """Write the report of a Run, a Comparison or several Runs, and return its path.

    It is written whole, or not at all.

    Parameters
    ----------
    subject : Run, Comparison or sequence of Run
    path : path
        The HTML file; its folder is made where it is missing.
    judge : callable, optional
        Diagnoses each run in place of `gradlab.diagnose`: by a project's own limits, say. A
        Comparison's runs have their verdicts already.
    links : sequence of (label, address)
        Where the page leads, as one page of several: the way back first, then its neighbours.
    layers : str
        A glob such as "blocks.*.attn.*", a regular expression between slashes, or a part of a name:
        the page opens with the layers that it fits. Its filter box can be changed.
    difference : Difference, optional
        Of the two runs, as `gradlab.diff` finds it: the page of two runs then says where they part.

    Raises
    ------
    ArgumentError
        The subject is none of these, or holds no run; no layer fits `layers`; a link
        leads to what a browser would run.
    RunError
        The file cannot be written.
    """
    from gradlab.report.render import write_page

    page = report_page(subject, judge=judge, links=links, layers=layers, difference=difference)
    return write_page(page, path)


def report_page(
    subject: Subject,
    *,
    judge: Callable[[Run], Diagnosis] | None = None,
    links: Sequence[tuple[str, str]] = (),
    layers: str = "",
    difference: Difference | None = None,
) -> str:
    """Return the report as HTML; arguments as for `write_report`."""
    from gradlab.report.render import render

    page = ""
    for scale in SCALES:
        page = render(build(subject, scale, judge, layers, difference), links=links)
        if len(page.encode()) <= BUDGET:
            break
    return page
