"""Looks at a built site: `python docs/_site/check_links.py docs/_build/html`.

Every link and every anchor must lead somewhere, none out of the site's folder; pages load nothing
from elsewhere; and no path of the machine that built them stands in them.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

PRIVATE = re.compile(r"(?<![\w.])/(?:root|home|work|tmp|Users)/[\w.]+")


class Page(HTMLParser):
    """What a page links to, what it loads, and which anchors it has."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag's addresses and its name."""
        found = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := found.get(key))}
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))
        if tag in ("script", "img", "iframe") and found.get("src"):
            self.loads.append(str(found["src"]))
        if tag == "link" and found.get("rel") == "stylesheet":
            self.loads.append(str(found["href"]))


@cache
def read(path: Path) -> Page:
    """Return a page of the site."""
    return Page(path.read_text(encoding="utf-8"))


def problems(site: Path) -> list[str]:
    """Return a line for everything that is wrong with a site."""
    found = []
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        page = read(path)
        found += [f"{name} loads {each}" for each in page.loads if urlsplit(each).netloc]
        for link in (*page.links, *page.loads):
            if wrong := problem(site, path, link):
                found.append(f"{name}: {link} {wrong}")
        if not name.startswith("course/"):
            text = path.read_text(encoding="utf-8")
            found += [f"{name} holds {each}" for each in PRIVATE.findall(text)]
    return found


def problem(site: Path, path: Path, link: str) -> str:
    """Say what is wrong with a link; empty if nothing."""
    parts = urlsplit(link)
    if parts.scheme in ("http", "https", "mailto", "data") or parts.netloc:
        return ""
    target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
    if not target.is_relative_to(site):
        return "leads out of the site"
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return "leads nowhere"
    anchor = unquote(parts.fragment)
    if anchor and target.suffix == ".html" and "/course/" not in target.as_posix():
        return "" if anchor in read(target).anchors or anchor == "top" else "has no such anchor"
    return ""


def main() -> int:
    """Print what is wrong."""
    site = Path(sys.argv[1]).resolve()
    found = problems(site)
    print(
        "\n".join(found) or f"{len(list(site.rglob('*.html')))} pages: every link leads somewhere"
    )
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
