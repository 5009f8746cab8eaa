"""The source's own pages on the site: security, architecture, contributing and so on."""

from __future__ import annotations

from pathlib import Path

from _site.links import PAGES, rewritten

ROOT = Path(__file__).parents[2]


def pages(folder: Path) -> dict[str, str]:
    """Return each page with its links led to the site."""
    found = {}
    for source, target in PAGES.items():
        if target.startswith("generated/"):
            text = (ROOT / source).read_text(encoding="utf-8")
            page = target.removesuffix(".md")
            found[target.removeprefix("generated/")] = rewritten(text, at=source, page=page)
    return found
