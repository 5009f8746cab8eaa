"""`Recorder`: measures what happens in a training and keeps it."""

from gradlab.recorder.recorder import COSTLY_EVERY, COSTLY_FIRST, Recorder
from gradlab.recorder.watchers import watching

__all__ = [
    "COSTLY_EVERY",
    "COSTLY_FIRST",
    "Recorder",
    "watching",
]
