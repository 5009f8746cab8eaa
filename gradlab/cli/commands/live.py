"""`gradlab live RUN`: a run seen while it is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradlab.cli import options
from gradlab.ranges import INTERVAL, PORT

GROUP = "Judge"
EXAMPLES = (
    ("gradlab live runs/night", "in this terminal"),
    ("gradlab live runs/night --browser", "the report, updated in place"),
    ("gradlab live /mnt/cluster/runs/night --once", "one look, at another machine's run"),
)

Folder = Annotated[
    Path, typer.Argument(metavar="RUN", help="The folder that a training records to.")
]
Once = Annotated[bool, typer.Option("--once", help="Look once, print what is there, and end.")]
Interval = Annotated[
    float,
    options.number("--interval", INTERVAL, "Seconds from one look to the next, at least."),
]


Browser = Annotated[
    bool,
    typer.Option(
        "--browser",
        help="Serve the report at an address of this machine, which only you know, and update it.",
    ),
]
Port = Annotated[
    int,
    options.number("--port", PORT, "Of that address, as for ssh -L; 0: a free one."),
]


def live(
    run: Folder,
    browser: Browser = False,
    port: Port = 0,
    open_it: options.Open = False,
    once: Once = False,
    interval: Interval = 1.0,
) -> int:
    """Show a run while it is recorded, here or on another machine.

    It reads the folder alone: the training knows nothing of it. Ctrl+C ends the view.
    """
    from gradlab.cli import live_view
    from gradlab.diagnosis import project
    from gradlab.live.follower import Follower

    follower = Follower(run, judge=project.nearest().judge)
    if browser:
        return live_view.serve(follower, port=port, interval=interval, open_it=open_it)
    return live_view.show(follower, once=once, interval=interval)
