"""Pages that are written by the program, not by hand; `conf.py` calls `write`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from _site import api, commands, course, figures_html, llms, project, rules, statistics
from _site.docstrings import plain_bars
from _site.links import links_of_page
from _site.more import add_to_index

__all__ = ["add_to_index", "links_of_page", "plain_bars", "write"]


def write(source: Path) -> None:
    """Write every generated page into `source/generated`."""
    folder = source / "generated"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "extra").mkdir(parents=True)
    for part in (rules, statistics, commands, api, course, project):
        for name, text in part.pages(folder).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "figures.py").write_text(figures_html.STARTUP, encoding="utf-8")
    os.environ["IPYTHONDIR"] = str(folder / "ipython")
    found = (str(source), str(source.parent), os.environ.get("PYTHONPATH"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, found))  # of the notebook's kernel
    (folder / "extra" / "llms.txt").write_text(llms.text(source), encoding="utf-8")
