"""Take screenshots of a page.

Python tests/browser/shoot.py FILE.html OUT_DIR [--width 1280 380] [--theme dark].
"""

import argparse
import sys
from pathlib import Path

from playwright.sync_api import Page, TimeoutError

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root, as in the tests

from tests.browser.chromium import ChromiumMissing, find_chromium, launch
from tests.browser.pages import PageOpener

DRAWING = 20_000  # milliseconds


def drawn(page: Page) -> bool:
    """Wait until a page of gradlab has drawn its pictures, one by one.

    Whether it did. Other pages have none.
    """
    if not page.locator("[data-figure]").count():
        return True
    try:
        page.wait_for_selector("html[data-ready]", state="attached", timeout=DRAWING)
    except TimeoutError:
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Take screenshots of a page in the browser that the tests use."
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    parser.add_argument(
        "--width", type=int, nargs="+", default=[1280], help="in CSS pixels (default: 1280)"
    )
    parser.add_argument("--height", type=int, default=900, help="in CSS pixels (default: 900)")
    parser.add_argument("--theme", nargs="+", choices=["light", "dark"], default=["light"])
    parser.add_argument(
        "--full", action="store_true", help="the whole page instead of its first screen"
    )
    options = parser.parse_args()
    if not options.file.is_file():
        parser.error(f"no such file: {options.file}")
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        chromium = find_chromium()
    except ChromiumMissing as missing:
        parser.exit(2, f"{missing}\n")
    with launch(chromium) as browser:
        opener, late = PageOpener(browser), False
        for width in options.width:
            for theme in options.theme:
                page = opener(options.file, theme=theme, width=width, height=options.height)
                late |= not drawn(page)
                target = options.out / f"{options.file.stem}-{width}-{theme}.png"
                page.screenshot(path=target, full_page=options.full, animations="disabled")
                print(target)
        complaints = [
            *opener.complaints(),
            *(["the pictures were not drawn in time"] if late else []),
        ]
        opener.close()
    for complaint in dict.fromkeys(complaints):
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
