"""The pictures of docs/how-to/report.md, made anew: python docs/report_stills.py

Small runs of gradlab's own engine, written as pages and looked at in the browser that the tests use
(`npm ci --prefix tests/browser`): about half a minute.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import gradlab

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the tests' browser

from gradlab.report.article import Article, Section, write_article  # noqa: E402
from gradlab.report.explorable import Explorable  # noqa: E402
from tests.browser.chromium import find_chromium, launch  # noqa: E402

OUT = ROOT / "docs" / "report"
DRAWN = 60_000  # milliseconds
LOOKS = (  # page, what is done there first, width, height, theme
    ("vanishing", (), 1280, 640, "light"),
    ("vanishing", (), 380, 900, "dark"),
    ("too-large", (), 1280, 640, "light"),
    ("matrix", (("click", '.cell[data-id="sigmoid-depth-20"]'),), 1280, 900, "light"),
    ("matrix", (("click", '.cell[data-id="sigmoid-depth-20"]'),), 380, 900, "light"),
    ("controls", (("select", "tanh"),), 1280, 720, "light"),
)


def pages(folder: Path) -> dict[str, Path]:
    """Train, and write a page of each."""
    data = gradlab.datasets.digits()
    deep = gradlab.MLP([64] + [48] * 20 + [10], "sigmoid", replicates=4, seed=0)
    run = gradlab.train(deep, data, name="night", iterations=300, learning_rate=0.1)
    wide = gradlab.MLP([64] + [48] * 6 + [10], "relu", seed=0)
    broken = gradlab.train(wide, data, name="too fast", iterations=120, learning_rate=3.0)
    grid = gradlab.compare(
        ["sigmoid", "relu"], [2, 10, 20], width=32, seeds=2, iterations=200, jobs=1,
        runs=folder / "runs",
    )  # fmt: skip
    section = Section("Try another net", "", explore=Explorable("sigmoid", 20, 1.0))
    article = Article(
        "controls",
        "A net to build",
        "How deep may tanh be?",
        "About as deep as you like.",
        [section],
    )
    return {
        "vanishing": gradlab.write_report(run, folder / "vanishing.html"),
        "too-large": gradlab.write_report(broken, folder / "too-large.html"),
        "matrix": gradlab.write_report(grid, folder / "matrix.html"),
        "controls": write_article(article, folder / "controls.html"),
    }


def look(browser, page: Path, actions, width: int, height: int, theme: str, path: Path) -> None:
    """Open a page, do what a reader would, and keep what is then in view."""
    size = {"width": width, "height": height}
    context = browser.new_context(color_scheme=theme, viewport=size, offline=True)
    opened = context.new_page()
    opened.goto(page.as_uri())
    opened.wait_for_selector("html[data-ready]", state="attached", timeout=DRAWN)
    for kind, target in actions:
        if kind == "click":
            opened.click(target)
        else:
            opened.select_option("[name=activation]", target)
    opened.screenshot(path=path, animations="disabled")
    context.close()


def main() -> None:
    """Write every picture."""
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, launch(find_chromium()) as browser:
        made = pages(Path(folder))
        for name, actions, width, height, theme in LOOKS:
            path = OUT / f"{name}-{width}-{theme}.png"
            look(browser, made[name], actions, width, height, theme, path)
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
