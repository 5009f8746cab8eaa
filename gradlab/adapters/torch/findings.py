"""What is found while a model trains, and what the user's `on_finding` raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradlab.live import lookout
from gradlab.recorder import Recorder

if TYPE_CHECKING:
    from gradlab.rules import Finding


class Findings:
    """Judges the record as it grows; what `on_finding` raises waits until it can be passed on.

    Rows are written inside hooks, whose faults are kept out of the training; an exception that is
    meant for the user's loop leaves at the end of the step.
    """

    def __init__(self, on_finding: str | Callable[[Finding], Any] | None):
        self._lookout = lookout(on_finding)
        self._meant: Exception | None = None

    def follow(self, recorder: Recorder) -> None:
        """Look at what a Recorder writes."""
        if self._lookout is not None:
            recorder.listen(self._look)

    def _look(self, recorder: Recorder, *, ended: bool = False) -> None:
        assert self._lookout is not None
        try:
            self._lookout(recorder, ended=ended)
        except Exception as error:
            self._meant = error

    def take(self) -> Exception | None:
        """Return what is meant for the user's loop, once."""
        error, self._meant = self._meant, None
        return error
