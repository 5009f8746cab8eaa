"""The report against a plain Plotly page: size, time, memory, time to the first picture.

    python -m benchmarks.report [--rounds 9]

The plain page is what Plotly's own `to_html` writes of the same six pictures of the same run. Both
are opened in turn in the browser of the tests; the first picture is there when a curve or a bar is
in the page.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import gradlab
from benchmarks._pairs import Measured, gate, goal, in_turn
from tests.browser.chromium import find_chromium, launch

FIRST = """
const places = {
    figure: '.cartesianlayer path, .cartesianlayer image',
    curve: '.hero .curve, .cartesianlayer path',
};
window.first = {};
new MutationObserver(() => {
  for (const [name, place] of Object.entries(places)) {
    if (name in window.first || !document.querySelector(place)) continue;
    window.first[name] = performance.now();
  }
}).observe(document, { childList: true, subtree: true });
"""
BUILD = """
import json, resource, sys, time
import gradlab
run = gradlab.load(sys.argv[1])
{imports}
start = time.perf_counter()
{build}
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([time.perf_counter() - start, memory]))
"""
OURS = "gradlab.write_report(run, sys.argv[2])"
PLAIN = """
names = ("gradient_profile", "factors", "heatmap", "loss", "weights", "layer_statistics")
drawn = [getattr(gradlab.figures, name)(run) for name in names]
parts = [figure.to_html(full_html=False, include_plotlyjs=not k) for k, figure in enumerate(drawn)]
page = '<!doctype html><meta charset="utf-8"><body>' + "".join(parts)
open(sys.argv[2], "w").write(page)
"""


def train(folder: Path) -> Path:
    """Record the run that both pages show: a deep sigmoid net that stalls."""
    model = gradlab.MLP(
        [64] + [64] * 20 + [10], activation="sigmoid", init="glorot_normal", seed=0, replicates=8
    )
    return gradlab.train(
        model, gradlab.datasets.digits(seed=0), learning_rate=0.03, iterations=500
    ).save(folder)


def built(run: Path, page: Path, build: str) -> tuple[float, float]:
    """Return seconds and megabytes of a process that builds a page."""
    code = BUILD.format(
        build=build, imports="import gradlab.report.render" if build is OURS else "import plotly.io"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(run), str(page)],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, memory = (float(each) for each in told.stdout.strip("[] \n").split(","))
    return seconds, memory


def opened(browser, page: Path, what: str = "figure") -> float:
    """Return the seconds to the first Plotly figure, or curve, in a fresh browser profile."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    try:
        tab = context.new_page()
        tab.add_init_script(FIRST)
        tab.goto(page.as_uri())
        tab.wait_for_selector(".cartesianlayer path", state="attached", timeout=60_000)
        return tab.evaluate("window.first")[what] / 1000
    finally:
        context.close()


def main() -> int:
    """Print the table; exit with 1 if the plain page's first picture is earlier."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        run, ours, plain = (
            train(Path(name) / "run"),
            Path(name) / "ours.html",
            Path(name) / "plain.html",
        )
        cost = {"report": [], "plain": []}
        for _ in range(3):
            cost["report"].append(built(run, ours, OURS))
            cost["plain"].append(built(run, plain, PLAIN))
        with launch(find_chromium()) as browser:
            first = in_turn(
                {
                    "plain": lambda: opened(browser, plain),
                    "report": lambda: opened(browser, ours),
                    "again": lambda: opened(browser, plain),
                    "curve": lambda: opened(browser, ours, "curve"),
                },
                rounds,
            )
        sizes = {"report": ours.stat().st_size / 1e6, "plain": plain.stat().st_size / 1e6}
    print_table(cost, sizes, first)
    quiet = first.quiet("again", "plain")
    over = first.ratio("curve", "plain")[0]
    goal("size of the report", sizes["report"], 2.5, unit="MB")
    goal("first picture of the report over the plain page's", over, 1.0, quiet=quiet)
    return 0 if over <= 1 else 1


def print_table(cost: dict, sizes: dict, first: Measured) -> None:
    """Print size, time to build, memory, and time to the first figure, of both pages."""
    print("                  size      built in     memory    first Plotly figure")
    for name in ("report", "plain"):
        seconds, memory = (statistics.median(column) for column in zip(*cost[name], strict=True))
        label = {"report": "gradlab's report", "plain": "plain Plotly"}[name]
        print(
            f"{label:<17} {sizes[name]:4.2f} MB   {seconds:6.2f} s   {memory:6.0f} MB   "
            f"{first.median(name):8.2f} s"
        )
    print(
        f"the report's first curve, the small one beside its headline: {first.median('curve'):.2f} "
        "s"
    )
    middle, low, high = first.ratio("report", "plain")
    print(
        f"first Plotly figure, report over plain: {middle:.2f} (quartiles {low:.2f} to "
        f"{high:.2f}); goal: at most 1"
    )
    print(gate(first, "again", "plain"))


if __name__ == "__main__":
    sys.exit(main())
