"""The picture at the top of the README, and whether it still shows what the page shows.

    gradlab compare
    python -m tests.picture reports/activation-depth.html           # exit 1 where it is stale
    python -m tests.picture reports/activation-depth.html --write   # takes it anew, in Chromium

A picture cannot be compared across machines, so the words on it are kept beside it. Numbers are
left out: another processor may round the last digit otherwise.
"""

from __future__ import annotations

import argparse
import difflib
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

WORDS = Path(__file__).parent.parent / "docs" / "activation-depth-words.txt"
END = "Pick a cell"  # what stands below the first screen
NUMBER = re.compile(r"\d[\d.]*(?:·10[⁻⁰¹²³⁴-⁹]*)?")


def words_of(page: str) -> list[str]:
    """Return the words of a page's first screen, a line each, without its numbers."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    text, end, _ = unescape(re.sub(r"<[^>]+>", "\n", body)).partition(END)
    assert end, f"the page does not say {END!r}"
    lines = [" ".join(line.split()).removeprefix("· ") for line in text.split("\n")]
    # The link is there once the course was built beside the page.
    return [NUMBER.sub("#", line) for line in lines if line not in ("", "The course")]


def main() -> int:
    """Compare, or take the picture anew."""
    parser = argparse.ArgumentParser(description="The README's picture.")
    parser.add_argument("page", type=Path, metavar="reports/activation-depth.html")
    parser.add_argument("--write", action="store_true", help="take it anew")
    options = parser.parse_args()
    now = words_of(options.page.read_text(encoding="utf-8"))
    if options.write:
        WORDS.write_text("\n".join(now) + "\n", encoding="utf-8")
        shoot = [sys.executable, "tests/browser/shoot.py", options.page, WORDS.parent]
        return subprocess.run([*shoot, "--width", "1280", "--theme", "light"]).returncode
    kept = WORDS.read_text(encoding="utf-8").splitlines()
    difference = list(difflib.unified_diff(kept, now, "the picture", "the page", lineterm="", n=0))
    print("\n".join(difference) or "the README's picture shows what the page shows")
    return int(bool(difference))


if __name__ == "__main__":
    sys.exit(main())
