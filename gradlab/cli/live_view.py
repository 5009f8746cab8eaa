"""The loop behind `gradlab live`: look, draw, wait."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from gradlab.cli import output

if TYPE_CHECKING:
    from gradlab.live.follower import Follower
    from gradlab.live.frame import Frame

NICER = 10  # than the training, where both run on one machine


def show(follower: Follower, *, once: bool, interval: float) -> int:
    """Show a run until it has ended; a line for each look where this is no terminal.

    Returns the exit code: 0.
    """
    be_nice()
    console = Console(highlight=False)
    frame = follower.look()
    if once or frame.state == "ended":
        console.print(_picture(frame, console))
        return 0
    if console.is_terminal:
        _draw(follower, console, frame, interval)
    else:
        _write(follower, frame, interval)
    return 0


def serve(follower: Follower, *, port: int, interval: float, open_it: bool) -> int:
    """Serve the live report until Ctrl+C; return the exit code: 0."""
    from gradlab.errors import GradlabError
    from gradlab.live.server import LiveServer

    be_nice()
    try:
        server = LiveServer(follower, port=port, interval=interval)
    except OSError as error:
        raise GradlabError(
            f"port={port} cannot be used: {error}; choose another one, or 0"
        ) from None
    server.start()
    print(f"live report: {server.address}  (this machine only; Ctrl+C ends it)", flush=True)
    if open_it:
        import webbrowser

        webbrowser.open(server.address)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 0
    finally:
        server.close()


def be_nice() -> None:
    """Let the training go first."""
    with contextlib.suppress(OSError, AttributeError):  # Windows has none
        os.nice(NICER)


def _draw(follower: Follower, console: Console, frame: Frame, interval: float) -> None:
    never = threading.Event()
    with Live(_picture(frame, console), console=console, auto_refresh=False) as shown:
        while frame.state not in ("ended", "killed"):
            follower.wait(never, interval)
            frame = follower.look()
            shown.update(_picture(frame, console), refresh=True)


def _write(follower: Follower, frame: Frame, interval: float) -> None:
    from gradlab.live.terminal import plain_line

    before, never = None, threading.Event()
    while True:
        if before is None or frame.iterations != before.iterations or frame.state != before.state:
            print(output.clean(plain_line(frame)), flush=True)
        if frame.state in ("ended", "killed"):
            return
        before = frame
        follower.wait(never, interval)
        frame = follower.look()


def _picture(frame: Frame, console: Console):
    from gradlab.live.terminal import picture

    return picture(frame, console.width)
