"""Links that hold on the site as well as in the source's own pages."""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath

PAGES = {
    "SECURITY.md": "generated/project/security.md",
    "ARCHITECTURE.md": "generated/project/architecture.md",
    "CONTRIBUTING.md": "generated/project/contributing.md",
    "CHANGELOG.md": "generated/project/changelog.md",
    "experiments/README.md": "generated/project/experiments.md",
    "README.md": "index.md",
}
LINK = re.compile(r"(?<!!)\[(?P<words>[^\]]+)\]\((?P<target>[^):#\s]+)(?P<anchor>#[^)\s]*)?\)")


def links_of_page(app, name: str, source: list[str]) -> None:
    """Rewrite the links of a page by hand that lead out of docs/ (an event of Sphinx)."""
    if not name.startswith("generated/"):
        source[0] = rewritten(source[0], at=f"docs/{name}.md", page=name)


def rewritten(text: str, *, at: str, page: str) -> str:
    """Return a text whose links lead to pages of the site; a file of the source is only named.

    Parameters
    ----------
    text : str
        Markdown.
    at : str
        Where it lies in the source, which its links start from.
    page : str
        Where it is on the site, without its ending.
    """

    def replace(found: re.Match[str]) -> str:
        target = os.path.normpath(PurePosixPath(at).parent / found["target"])
        if target in PAGES:
            place = PAGES[target]
        elif target.startswith("docs/") and not target.startswith("docs/generated/extra/"):
            place = target.removeprefix("docs/")
        elif "generated/extra" in target:
            return found[0]
        else:
            return found["words"] if "`" in found["words"] else f"`{target}`"
        start = PurePosixPath(page).parent
        return f"[{found['words']}]({os.path.relpath(place, start)}{found['anchor'] or ''})"

    return LINK.sub(replace, text)
