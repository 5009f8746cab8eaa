"""Ten pages of real trainings, looked at in every width and theme, and walked through.

    python -m benchmarks.pages [--out FOLDER] [NAME ...]

Each page (see `_ten_pages`) is opened in 380, 800, 1280 and 2560 pixels, light and dark, and
printed. Its first screen must say what is wrong in twelve words at most and what to do; a reader
presses, chooses and unfolds everything; axe must find nothing serious, nothing may be wider than
the screen, and nothing may be asked for. FOLDER then holds the pages, their first screens as PNG,
the whole pages in 1280 pixels, and what comes out of a printer as PDF, for a person to look at:
about ten minutes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

import gradlab
from benchmarks._ten_pages import PAGES
from gradlab.report import BUDGET
from tests.browser.chromium import Theme, find_chromium, launch
from tests.browser.pages import PageOpener
from tests.browser.shoot import drawn
from tests.browser.walk import WIDER, first_screen, walk

SIZES = {380: 760, 800: 1000, 1280: 800, 2560: 1440}  # width: height
THEMES: tuple[Theme, ...] = ("light", "dark")
BETWEEN_MARGINS = 702  # pixels of A4
CONTROLS = "button:visible:not(.cell, .link), select:visible, input:visible"
WALKED = ((1280, "light"), (380, "dark"))


def on_paper(page: Page, sheets: Path) -> list[str]:
    """Print a page, and return what is wrong with what a printer is given."""
    page.pdf(path=sheets, format="A4", print_background=True)
    size = page.viewport_size
    page.set_viewport_size({"width": BETWEEN_MARGINS, "height": 1018})
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    wrong = ["wider than the paper"] if page.evaluate(WIDER) > 0 else []
    wrong += [f"{count} controls on paper"] if (count := page.locator(CONTROLS).count()) else []
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    page.set_viewport_size(size)
    return wrong


def look(browser: Browser, path: Path, out: Path) -> list[str]:
    """Look at a page in all sizes and themes; return what is wrong with it."""
    wrong = []
    opener = PageOpener(browser)
    for width, height in SIZES.items():
        for theme in THEMES:
            place = f"{path.stem} {width} {theme}"
            page = opener(path, theme=theme, width=width, height=height)
            if not drawn(page):
                wrong.append(f"{place}: not drawn in time")
            picture = out / f"{path.stem}-{width}-{theme}.png"
            page.screenshot(path=picture, animations="disabled")
            wrong += [f"{place}: {each}" for each in first_screen(page)]
            if (width, theme) == WALKED[0]:
                whole = picture.with_stem(f"{path.stem}-whole")
                page.screenshot(path=whole, full_page=True, animations="disabled")
                paper = on_paper(page, out / f"{path.stem}.pdf")
                wrong += [f"{place}: {each}" for each in paper]
            if (width, theme) in WALKED:
                wrong += [f"{place}: {each}" for each in walk(page)]
            wrong += [f"{place}: {each}" for each in opener.complaints()]
            opener.errors.clear()
            page.close()
    opener.close()
    if path.stat().st_size > BUDGET:
        wrong.append(f"{path.stem}: {path.stat().st_size / 1e6:.2f} MB")
    return wrong


def main() -> int:
    """Make the pages, look at them, and print what is wrong; 1 where anything is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PAGES))
    parser.add_argument("--out", type=Path, help="keep pages and pictures here")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(PAGES))
    if unknown:
        parser.error(f"no page {unknown[0]!r}; there are {', '.join(PAGES)}")
    wrong = []
    with tempfile.TemporaryDirectory() as folder, launch(find_chromium()) as browser:
        out = options.out or Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        for name in options.names or PAGES:
            with gradlab.live.quiet():
                path = PAGES[name](out)
            found = look(browser, path, out)
            size = path.stat().st_size / 1e6
            print(f"{name:<12} {size:.2f} MB  {len(found)} wrong", flush=True)
            wrong += found
    for each in dict.fromkeys(wrong):
        print(each)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
