"""`Follower`: reads a run folder again and again while another process, or machine, writes it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from gradlab.diagnosis import Diagnosis, diagnose
from gradlab.live.frame import Frame, describe, tell
from gradlab.live.judging import AT_THE_END
from gradlab.live.portion import portion
from gradlab.run import Run, load
from gradlab.run.locks import LOCK, owner_of

PART_OF_TIME = 20
"""A look that took a second is followed by 20 seconds without one, and so is a verdict: together
they take a tenth of one core at most."""
GROWTH = 1.1
SILENT = 30.0  # seconds without a new row
RECENT = 60.0  # seconds over which the time of a step is averaged


class Follower:
    """Looks at a run folder; it only reads, so the training knows nothing of it.

    Parameters
    ----------
    folder : path
    judge : callable
        Makes the Diagnosis of a Run.
    rest : float
        How many times as long as a look took it rests before the next; verdicts likewise.
    clock : callable
        Seconds that only grow.
    computed : callable, optional
        Seconds that this thread has computed: what a look costs beside a training, too, that keeps
        the processor or Python's lock.

    Attributes
    ----------
    run : Run or None
        What was there at the last look: of a large one that is still recorded, a part.
    diagnosis : Diagnosis or None
        The newest verdict.
    """

    def __init__(
        self,
        folder: Path,
        *,
        judge: Callable[[Run], Diagnosis] = diagnose,
        rest: float = PART_OF_TIME,
        clock: Callable[[], float] = time.monotonic,
        computed: Callable[[], float] | None = None,
    ):
        self.folder = folder
        self._judge, self.rest, self._clock = judge, rest, clock
        self._computed = computed or (time.thread_time if clock is time.monotonic else clock)
        self.diagnosis: Diagnosis | None = None
        self.run: Run | None = None
        self._judged_at, self._next_verdict = 0, clock()
        self._judged_whole = False
        self._seen: deque[tuple[float, int]] = deque()
        self._pause = self._spent = 0.0
        self._looks = 0
        self._was_recorded = False  # at the last look, before it read

    def look(self) -> Frame:
        """Read the folder and return what it holds now.

        Raises
        ------
        RunError
            It is no run folder, or is damaged.
        """
        began, before = self._clock(), self._computed()
        self._spent = 0.0
        self._was_recorded = self._is_recorded()
        whole = load(self.folder)
        ended = whole.provenance.get("status") != "unfinished"
        run = whole if ended else portion(whole.held())
        self.run = run
        self._note(began, whole.iterations)
        self._judge_if_due(run, whole.iterations, ended)
        frame = Frame(
            folder=str(self.folder),
            state=self._state(ended),
            seconds=self._seconds(whole),
            judged_at=self._judged_at,
            **describe(run) | {"iterations": whole.iterations},
            **tell(self.diagnosis),
        )
        if self._looks:  # the first one loads what it needs
            self._pause = self.rest * (self._computed() - before - self._spent)
        self._looks += 1
        return frame

    def wait(self, stopped: threading.Event, interval: float) -> bool:
        """Wait until the next look is due, or the recording has ended; return whether to stop.

        Parameters
        ----------
        stopped : Event
            Set where nobody looks any more.
        interval : float
            Seconds from one look to the next, at least.
        """
        until = self._clock() + max(interval, self._pause)
        while (left := until - self._clock()) > 0:
            if stopped.wait(min(left, interval)):
                return True
            if self._was_recorded and not self._is_recorded():
                break
        return stopped.is_set()

    def _is_recorded(self) -> bool:
        return (self.folder / LOCK).exists()

    @property
    def pause(self) -> float:
        """The seconds to wait before the next look, so that looking stays cheap."""
        return self._pause

    def _note(self, now: float, iterations: int) -> None:
        """Remember when how many iterations were there: the newest look, and those of a minute."""
        if not self._seen or self._seen[-1][1] != iterations:
            self._seen.append((now, iterations))
        while len(self._seen) > 2 and now - self._seen[0][0] > RECENT:
            self._seen.popleft()

    def _judge_if_due(self, run: Run, iterations: int, ended: bool) -> None:
        grown = iterations >= max(1, self._judged_at * GROWTH)
        due = grown and self._clock() >= self._next_verdict
        last = ended and not self._judged_whole
        if not (due or last):
            return
        before = self._computed()
        verdict = self._judge(run)
        self.diagnosis = verdict if ended else without_the_end(verdict)
        self._judged_at, self._judged_whole = iterations, ended
        self._spent = self._computed() - before
        self._next_verdict = self._clock() + self.rest * self._spent

    def _state(self, ended: bool) -> str:
        if ended:
            return "ended"
        owner = owner_of(self.folder)
        if owner is not None and owner.is_gone:
            return "killed"
        silent = self._clock() - self._seen[-1][0] > SILENT
        return "silent" if silent else "recording"

    def _seconds(self, run: Run) -> float | None:
        """Return how long a step takes: over the last minute, else since the recording began."""
        (first, before), (last, now) = self._seen[0], self._seen[-1]
        if now > before:
            return (last - first) / (now - before)
        changed = _changed(self.folder)
        try:
            began = datetime.fromisoformat(str(run.provenance.get("created"))).timestamp()
        except ValueError:
            return None
        if changed is None or not run.iterations or changed <= began:
            return None
        return (changed - began) / run.iterations


def without_the_end(verdict: Diagnosis) -> Diagnosis:
    """Return a verdict without what only the end of a training can show."""
    left = tuple(root for root in verdict.findings if root.rule not in AT_THE_END)
    return replace(verdict, findings=left)


def _changed(folder: Path) -> float | None:
    """Return when rows were last written; None where there are none."""
    paths = [*folder.glob("steps.*.arrow"), *folder.glob("steps.parquet")]
    return max((path.stat().st_mtime for path in paths), default=None)
