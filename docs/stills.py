"""The pictures of docs/live.md, made anew: python docs/stills.py

A training is stopped in its tracks at two iterations and looked at as a reader would: in the
terminal, and in the browser that the tests use (`npm ci --prefix tests/browser`).
"""

from __future__ import annotations

import re
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

from rich.console import Console

import gradlab

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the tests' browser

from gradlab.live.follower import Follower  # noqa: E402
from gradlab.live.server import LiveServer  # noqa: E402
from gradlab.live.terminal import picture  # noqa: E402
from gradlab.recorder import Recorder, watching  # noqa: E402
from tests.browser.chromium import find_chromium, launch  # noqa: E402

OUT = ROOT / "docs" / "live"
MOMENTS = (60, 240)  # iterations
SECONDS = 0.012  # a step, as the pictures say it: no reader's machine is this one
DRAWN = 60_000  # milliseconds


class Paused:
    """A training in a thread that waits at each of some iterations until it may go on."""

    def __init__(self, folder: Path):
        self.reached, self._go = threading.Semaphore(0), threading.Semaphore(0)
        self._recorders: list[Recorder] = []
        self._thread = threading.Thread(target=self._train, args=(folder,), daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        """Let it train up to the next moment, or to its end."""
        self._go.release()

    def end(self) -> None:
        """Let it train to its end."""
        for _ in MOMENTS:
            self.go_on()
        self._thread.join()

    def _train(self, folder: Path) -> None:
        data = gradlab.datasets.digits()
        model = gradlab.MLP([64] + [64] * 20 + [10], "sigmoid", seed=0)
        with watching(self._recorders.append):
            gradlab.train(
                model, data, name="night", learning_rate=0.1, batch_size=64, iterations=300,
                out=folder, on_step=self._wait, on_finding=None,
            )  # fmt: skip

    def _wait(self, step) -> None:
        if step.iteration in MOMENTS:
            self._recorders[0].flush()  # else as much is there as a second has brought
            self.reached.release()
            self._go.acquire()


def terminal(follower: Follower, path: Path) -> None:
    """Write what the terminal shows as an SVG that asks for no font from elsewhere."""
    frame = replace(follower.look(), folder="runs/night", seconds=SECONDS)
    console = Console(record=True, width=100, file=Path("/dev/null").open("w"))  # noqa: SIM115
    console.print(picture(frame, 100))
    svg = console.export_svg(title="gradlab live runs/night", unique_id="live")
    path.write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL), encoding="utf-8")


def browser(page, server: LiveServer, path: Path, version: int) -> None:
    """Take a picture of the live report once it shows this version."""
    server.look()
    page.wait_for_selector(f"html[data-report='{version}']", timeout=DRAWN)
    page.screenshot(path=path, animations="disabled")


def main() -> None:
    """Make all of them."""
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, launch(find_chromium()) as chromium:
        folder = Path(name) / "night"
        training = Paused(folder)
        training.reached.acquire()
        server = LiveServer(Follower(folder, rest=0), interval=3600)
        server.start()
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.goto(server.address)
        for number, moment in enumerate(MOMENTS, 1):
            terminal(Follower(folder), OUT / f"terminal-{moment}.svg")
            browser(page, server, OUT / f"browser-{moment}.png", number)
            training.go_on()
            if number < len(MOMENTS):
                training.reached.acquire()
        training.end()
        page.set_viewport_size({"width": 380, "height": 800})
        browser(page, server, OUT / "browser-end-380.png", len(MOMENTS) + 1)
        server.close()
    for path in sorted(OUT.iterdir()):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
