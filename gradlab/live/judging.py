"""`Lookout`: judges a run while it is recorded, and speaks the moment a root cause appears."""

from __future__ import annotations

import contextlib
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from gradlab.errors import ArgumentError, FindingError, one_sentence, shown
from gradlab.live.portion import portion

if TYPE_CHECKING:  # most trainings are over before anything is judged
    from gradlab.diagnosis import Diagnosis
    from gradlab.recorder import Recorder
    from gradlab.rules import Finding
    from gradlab.run import Run

FINDING_WORDS = ("print", "raise")
LOAD_SECONDS = 2.0
"""From then on the code that judges is loaded, in a thread: the training goes on meanwhile."""
FIRST_SECONDS, FIRST_ITERATIONS = 5.0, 20
"""Before, nothing is judged, but for a NaN: a short training is over before anyone could act."""
PART_OF_TIME = 50
"""A verdict that took a second is followed by 50 seconds without one: at most 2 % of the time."""
CONFIRM = 10
"""Where something new was found, the next verdict, which confirms it or not, comes sooner."""
GROWTH = 1.25
"""The record has grown by a quarter before it is judged again."""
SEEN_TWICE = 2
"""A finding is told at its second verdict in a row: half of those that are wrong are seen once."""
AT_THE_END = ("GL402",)
"""Rules that ask how a training ended. A run has not failed to learn while it still may."""
LINE = 160  # characters

_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)


class Lookout:
    """Judges a run now and then while it is recorded: what a Recorder calls after it has written.

    Parameters
    ----------
    on_finding : "print", "raise" or callable
        "print": one line on stderr. "raise": FindingError at an error, a line at a warning. A
        callable is given the Finding; what it raises ends the training.
    judge : callable, optional
        Makes the Diagnosis of a Run, in place of `gradlab.diagnose`.
    clock : callable
        Seconds that only grow.
    spent : callable
        Seconds that this thread has computed: what a verdict costs, on a busy machine too.

    Attributes
    ----------
    seconds : float
        What all verdicts have cost.
    """

    def __init__(
        self,
        on_finding: str | Callable[[Finding], Any],
        *,
        judge: Callable[[Run], Diagnosis] | None = None,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] | None = None,
    ):
        self._on_finding, self._judge, self._clock = on_finding, judge, clock
        self._spent = spent or (time.thread_time if clock is time.monotonic else clock)
        self._loading: threading.Thread | None = None
        self._began = clock()
        self._next_time = self._began + FIRST_SECONDS
        self._next_iteration = FIRST_ITERATIONS
        self._broke = False
        self._before: set[str] = set()
        self._told: set[str] = set()
        self.seconds = 0.0

    def __call__(self, recorder: Recorder, *, ended: bool = False) -> None:
        """Judge what is on disk, if it is time to."""
        if not self._is_due(recorder, ended):
            self._load_ahead()
            return
        began = self._spent()
        diagnosis = self._verdict(recorder)
        now = self._clock()
        cost = self._spent() - began
        self.seconds += cost
        found = set() if diagnosis is None else {root.rule for root in diagnosis.faults}
        is_new = not found <= self._before | self._told
        self._next_time = now + (CONFIRM if is_new else PART_OF_TIME) * cost
        self._next_iteration = int(recorder.acknowledged * GROWTH) + 1
        if diagnosis is not None:
            self._tell(diagnosis, recorder.acknowledged, ended)

    def _load_ahead(self) -> None:
        """Load what judges before it is needed: the first verdict need not wait for it."""
        early = self._clock() < self._began + LOAD_SECONDS
        if early or self._loading is not None or self._judge is not None:
            return
        self._loading = threading.Thread(target=_load, daemon=True, name="gradlab-load")
        self._loading.start()

    def _is_due(self, recorder: Recorder, ended: bool) -> bool:
        if recorder.broke and not self._broke:
            self._broke = True
            return True
        now = self._clock()
        if ended:
            return now >= self._began + FIRST_SECONDS and now >= self._next_time
        return recorder.acknowledged >= self._next_iteration and now >= self._next_time

    def _verdict(self, recorder: Recorder) -> Diagnosis | None:
        """Return the verdict; None where it fails, which is no reason to disturb a training."""
        if self._judge is None:
            from gradlab.diagnosis import diagnose

            self._judge = diagnose
        try:
            return self._judge(portion(recorder.written()))
        except Exception:
            self._next_iteration = sys.maxsize
            return None

    def _tell(self, diagnosis: Diagnosis, iteration: int, ended: bool) -> None:
        """Tell the root causes that are new, each once; a NaN at once, others when seen twice."""
        found = {root.rule: root for root in diagnosis.faults}
        for rule, root in found.items():
            early = rule in AT_THE_END and not ended
            sure = ended or _is_broken(root) or rule in self._before
            if rule not in self._told and sure and not early:
                self._told.add(rule)
                self._speak(root, iteration, ended)
        self._before = set(found)

    def _speak(self, root: Finding, iteration: int, ended: bool) -> None:
        if callable(self._on_finding):
            self._on_finding(root)
            return
        words = line(root, iteration)
        if self._on_finding == "raise" and _severity(root) == "error" and not ended:
            raise FindingError(words)
        print(f"gradlab: {one_sentence(words)}", file=sys.stderr, flush=True)


def _load() -> None:
    from gradlab.diagnosis import registry

    with contextlib.suppress(Exception):  # a package whose rule is broken: the verdict says so
        registry()


def lookout(on_finding: str | Callable[[Finding], Any] | None) -> Lookout | None:
    """Return what watches over a training as `on_finding` says; None where nothing is to.

    Raises
    ------
    ArgumentError
        It is none of "print", "raise", a function and None.
    """
    check_on_finding(on_finding)
    if on_finding is None or (on_finding == "print" and _QUIET.get()):
        return None
    return Lookout(on_finding)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Print no line about trainings that begin inside the block: some are broken on purpose."""
    before = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(before)


def check_on_finding(value: object) -> None:
    """Raise ArgumentError unless `value` says what to do at a finding."""
    if value is None or callable(value) or value in FINDING_WORDS:
        return
    raise ArgumentError(
        f"on_finding={shown(value)} must be 'print', 'raise', a function that takes a Finding, or "
        "None"
    )


def line(root: Finding, iteration: int) -> str:
    """Say in one line what was found, by which rule, and what to try first."""
    head = f"iteration {iteration}: {root.name} ({root.rule}, {_severity(root)}): "
    said = textwrap.shorten(root.message, LINE - len(head), placeholder=" ...")
    if not root.remedies:
        return head + said
    return f"{head}{said} Try: {textwrap.shorten(str(root.remedies[0]), LINE, placeholder=' ...')}"


def _severity(root: Finding) -> str:
    from gradlab.diagnosis.verdict import worst_severity

    return worst_severity(root)


def _is_broken(root: Finding) -> bool:
    return any(each.rule.startswith("GL0") for each in (root, *root.consequences))
