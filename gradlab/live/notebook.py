"""A run in a notebook while it grows: one output that is updated in place."""

from __future__ import annotations

import html
import math
import threading
from pathlib import Path
from typing import Any

from gradlab import display
from gradlab.errors import ArgumentError, GradlabError, RunError
from gradlab.live.follower import Follower
from gradlab.live.frame import Frame
from gradlab.live.terminal import duration, number
from gradlab.ranges import INTERVAL

REST = 100  # times as long as a look or a verdict took: it shares the process with a training
WIDTH, HEIGHT = 480, 90  # of the loss, in pixels


class LiveView:
    """Shows a run folder in a notebook and updates it, until the recording ends or `stop()`.

    Made by `gradlab.live.show`. A thread reads the folder; the cells that train go on meanwhile.

    Parameters
    ----------
    follower : Follower
    handle : object
        What `IPython.display.display(..., display_id=True)` returns: it has `update`.
    interval : float
        Seconds from one look to the next, at least.
    """

    def __init__(self, follower: Follower, handle: Any, interval: float):
        self._follower, self._handle, self._interval = follower, handle, interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._thread.start()

    def _ipython_display_(self) -> None:
        """Show nothing: a cell that ends in `gradlab.live.show(...)` has its output already."""

    def stop(self) -> None:
        """Update it no more."""
        self._stopped.set()
        self._thread.join()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the recording has ended; return whether it has within `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _look_on(self) -> None:
        while not self._follower.wait(self._stopped, self._interval):
            try:
                frame = self._follower.look()
            except (GradlabError, OSError):  # such as a mounted folder that is away for a while
                continue
            self._handle.update(Picture(frame))
            if frame.state in ("ended", "killed"):
                return


class Waiting:
    """What is shown as long as nothing records to the folder."""

    def __init__(self, folder: Path):
        self._words = f"waiting for a run in {folder}"

    def __repr__(self) -> str:
        return self._words

    def _repr_html_(self) -> str:
        return display.box(display.paragraph(self._words))


class Picture:
    """A frame as a notebook shows it."""

    def __init__(self, frame: Frame):
        self.frame = frame

    def __repr__(self) -> str:
        from gradlab.live.terminal import plain_line

        return f"{self.frame.name}: {plain_line(self.frame)}"

    def _repr_html_(self) -> str:
        return markup(self.frame)


def show(run: str | Path, *, interval: float = 1.0) -> LiveView:
    """Show a run that is being recorded in this notebook, and update it in place.

    Call it in a cell of its own before the one that trains with `out=` the same folder, which need
    not be there yet. It reads in a thread of this process, for 2 % of the time at most.

    Parameters
    ----------
    run : path
        The folder that is recorded to, here or mounted from another machine.
    interval : float
        Seconds from one look to the next, at least.

    Raises
    ------
    ArgumentError
        IPython is not installed, or an argument is outside its range.
    """
    interval = INTERVAL.check("interval", interval)
    try:
        from IPython.display import (  # pyright: ignore[reportMissingImports]
            display as show_in_notebook,
        )
    except ImportError:
        raise ArgumentError(
            "gradlab.live.show needs a notebook: pip install ipython, or use `gradlab live`"
        ) from None
    follower = Follower(Path(run), rest=REST)
    try:
        first: Any = Picture(follower.look())
    except RunError:
        first = Waiting(Path(run))
    handle = show_in_notebook(first, display_id=True)
    return LiveView(follower, handle, interval)


def markup(frame: Frame) -> str:
    """Return a frame as HTML: state, numbers, loss, bars and findings."""
    state = frame.status if frame.state == "ended" else frame.state
    said = [f"iteration {frame.iterations:,}"]
    said += [f"{label} {number(value)}" for label, value in frame.numbers]
    if frame.seconds is not None:
        said.append(f"{duration(frame.seconds)} a step")
    parts = [
        display.paragraph(f"{frame.name}: {state}", bold=True),
        display.paragraph(" · ".join(said)),
        _loss(frame),
    ]
    if frame.bars:
        parts.append(display.paragraph(f"{frame.bars_title}, iteration {frame.bars_at:,}"))
        parts.append(display.bars_html(frame.bars))
    for told in frame.findings:
        colour = told.severity if told.severity in display.COLOURS else ""
        head = f"{told.name} ({told.rule}, {told.severity})"
        parts.append(display.paragraph(head, bold=True, colour=colour))
        parts.append(display.paragraph(told.message))
        if told.remedy:
            parts.append(display.paragraph(f"Try: {told.remedy}"))
    if frame.verdict and not frame.findings:
        parts.append(display.paragraph(f"{frame.verdict}, judged at {frame.judged_at:,}"))
    return display.box(*parts)


def _loss(frame: Frame) -> str:
    points = [(time, value) for time, value in frame.losses if math.isfinite(value)]
    if len(points) < 2:
        return ""
    first, last = points[0][0], points[-1][0]
    low, high = min(value for _, value in points), max(value for _, value in points)
    x = WIDTH / (last - first)
    y = HEIGHT / (high - low) if high > low else 0.0
    steps = (f"{x * (t - first):.1f},{HEIGHT - y * (v - low):.1f}" for t, v in points)
    words = html.escape(f"The loss, from {number(points[0][1])} to {number(points[-1][1])}")
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 -2 {WIDTH} {HEIGHT + 4}" role="img" '
        f'aria-label="{words}" style="max-width: 100%"><polyline points="{" ".join(steps)}" '
        f'fill="none" stroke="{display.COLOURS["fine"]}" stroke-width="1.5"/></svg>'
    )
