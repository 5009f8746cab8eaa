"""The course as a gallery: a card a page; the pages themselves are interactive and stand alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

from _site.markdown import plain
from gradlab.report import gallery

BUILT = "GRADLAB_COURSE"
"""A folder in which `gradlab gallery` has written its pages; without it they are built here."""
INTRODUCTION = """# The course

The way from one neuron to deep networks. Each page asks one question, shows what happens, and
answers with a number that was measured when the page was made. They build on each other: begin at
the top. `gradlab gallery --open` makes the same pages on your machine, in the long form; [an
experiment of your own](project/experiments.md) is one file of 30 lines.

"""
CARD = """::::{{card}} {step} {title}
:link: {address}
:link-type: url

{question}

**{answer}**
::::
"""


def pages(folder: Path) -> dict[str, str]:
    """Return the page of cards; the experiments' pages go into `extra/course`."""
    target = folder / "extra" / "course"
    built = os.environ.get(BUILT)
    if built:
        source = Path(built)
    else:
        source = folder.parent / "_build" / "course"
        if not (source / gallery.INDEX).exists():
            command = [sys.executable, "-m", "gradlab", "gallery", "--quick", "-o", str(source)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    target.mkdir(parents=True)
    answers = _answers((source / gallery.INDEX).read_text(encoding="utf-8"))
    cards = []
    for each in gallery.experiments():
        shutil.copy(source / each.page, target / each.page)
        cards.append(
            CARD.format(
                step=f"{each.order:g}",
                title=plain(each.title),
                address=f"../course/{each.page}",
                question=plain(each.question),
                answer=plain(answers[each.page]),
            )
        )
    shutil.copy(source / gallery.INDEX, target / gallery.INDEX)
    return {"course.md": INTRODUCTION + "\n".join(cards)}


def _answers(index: str) -> dict[str, str]:
    """Read page -> answer from the page that opens the course."""
    found = re.findall(r'<a href="([^"]+)">.*?<p class="hint">(.*?)</p>', index, flags=re.DOTALL)
    return {address: unescape(answer) for address, answer in found}
