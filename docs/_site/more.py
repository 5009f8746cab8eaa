"""Pages by hand that no table of contents names yet: they get one of their own."""

from __future__ import annotations

import re
from pathlib import Path

from _site.markdown import toctree

APART = ("_build", "_site", "_static", "generated")


def unlisted(source: Path) -> list[str]:
    """Return the names of the pages that index.md does not list, in order."""
    index = (source / "index.md").read_text(encoding="utf-8")
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```", index, flags=re.MULTILINE | re.DOTALL)
    listed = {line.strip() for tree in trees for line in tree.splitlines()}
    pages = (
        path.relative_to(source).with_suffix("").as_posix()
        for path in source.rglob("*.md")
        if path.relative_to(source).parts[0] not in APART
    )
    return sorted(set(pages) - listed - {"index"})


def add_to_index(app, name: str, text: list[str]) -> None:
    """Put them into the start page's bar at the side (an event of Sphinx)."""
    if name == "index" and (names := unlisted(Path(app.srcdir))):
        text[0] += "\n" + toctree(names).replace(":hidden:", ":hidden:\n:caption: More")
