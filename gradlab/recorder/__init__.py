"""`Recorder`: measures what happens in a training and keeps it."""

from gradlab.recorder.cadence import Cadence
from gradlab.recorder.recorder import Recorder
from gradlab.recorder.watchers import watching

__all__ = [
    "Cadence",
    "Recorder",
    "watching",
]
