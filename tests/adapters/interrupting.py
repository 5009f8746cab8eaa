"""A Ctrl-C at the n-th line of what hands a watched training's rows over."""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path

from gradlab.adapters import torch as adapter

FOLDER = str(Path(adapter.__file__).parent)
WATCHED = {
    (f"{FOLDER}/record.py", name) for name in ("hand_over", "_move", "_keep", "due")
} | {
    (f"{FOLDER}/ledger.py", name)
    for name in ("rows", "release", "copy", "_reserve", "_join", "_moved")
} | {
    (f"{FOLDER}/assembly.py", name) for name in ("assemble", "_of_weights")
} | {
    (f"{FOLDER}/observe/loss_observer.py", "stages"),
    (f"{FOLDER}/steps.py", "_end_iteration"),
}  # fmt: skip


class Interrupt:
    """Raises or sends a KeyboardInterrupt once, at the n-th line of the functions watched."""

    def __init__(self, line: int, watched, sent: bool):
        self.left, self.watched, self.sent = line, watched, sent

    def __call__(self, frame, event, argument):
        if (frame.f_code.co_filename, frame.f_code.co_name) not in self.watched:
            return None
        return self._line

    def _line(self, frame, event, argument):
        if event == "line":
            self.left -= 1
            if self.left == 0 and self.sent:
                signal.raise_signal(signal.SIGINT)
            elif self.left == 0:
                raise KeyboardInterrupt
        return self._line


@contextlib.contextmanager
def interrupted(line: int, watched=frozenset(WATCHED), *, sent: bool = False):
    """Raise KeyboardInterrupt once, at the n-th of the lines that are watched.

    `sent`: as a signal, as a terminal does, which a handler may answer later.
    """
    before = sys.gettrace()
    interrupt = Interrupt(line, watched, sent)
    sys.settrace(interrupt)
    try:
        yield interrupt
    finally:
        sys.settrace(before)
