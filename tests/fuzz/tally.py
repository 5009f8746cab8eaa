"""What was tried, what was refused, and what went wrong: counted by kind."""

from __future__ import annotations

import contextlib
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradlab
from gradlab.errors import GradlabError

OURS = str(Path(gradlab.__file__).parent)
LONGEST = 1200  # characters of a refusal
SECONDS = 60  # of processor time that one input may take: a busy machine is no fault of its own
WAITING = 10  # times as long it may take by the clock: what waits for ever takes no processor time


class TooLong(BaseException):
    """An input took longer than it may; nothing that catches exceptions catches this."""


@dataclass
class Failure:
    """A way to fail.

    Attributes
    ----------
    count : int
    shortest : str
        Of the inputs that failed in this way.
    trace : str
        Where that was.
    """

    count: int = 0
    shortest: str = ""
    trace: str = ""


@dataclass
class Tally:
    """Counts the inputs of one kind.

    Attributes
    ----------
    strict : bool
        Whether a failure is raised, so that Hypothesis looks for the shortest input; else it is
        counted.
    """

    strict: bool = True
    inputs: int = 0
    refused: int = 0
    failures: dict[str, Failure] = field(default_factory=dict)

    def attempt(self, shown: str, action: Callable[[], Any], seconds: float = SECONDS) -> None:
        """Do something with an input: it works, or is refused in one sentence."""
        self.inputs += 1
        try:
            with limited(seconds):
                action()
        except GradlabError as error:
            self.refused += 1
            self._check_sentence(shown, error)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            said = str(error).partition("\n")[0][:80]
            self._failed(f"{type(error).__name__} at {place_of(error)}: {said}", shown, error)

    def _check_sentence(self, shown: str, error: GradlabError) -> None:
        sentence = str(error)
        if "\n" in sentence or len(sentence) > LONGEST or not sentence.isprintable():
            self._failed(f"refusal is no sentence, at {place_of(error)}", shown, error)

    def _failed(self, what: str, shown: str, error: BaseException) -> None:
        if self.strict:
            raise error
        failure = self.failures.setdefault(what, Failure())
        failure.count += 1
        if not failure.shortest or len(shown) < len(failure.shortest):
            failure.shortest = shown
            failure.trace = "".join(traceback.format_exception(error))


def place_of(error: BaseException) -> str:
    """Return the innermost line of gradlab that an error passed, else of anything."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(OURS)] or frames
    if not ours:
        return "?"
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno} ({ours[-1].name})"


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TooLong in the middle of what takes more processor time, or ten times as long."""

    def ring(number: int, frame: Any) -> None:
        raise TooLong(f"more than {seconds} seconds")

    clocks = {
        signal.SIGPROF: (signal.ITIMER_PROF, seconds),
        signal.SIGALRM: (signal.ITIMER_REAL, WAITING * seconds),
    }
    before = {number: signal.signal(number, ring) for number in clocks}
    for timer, most in clocks.values():
        signal.setitimer(timer, most)
    try:
        yield
    finally:
        for number, (timer, _) in clocks.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])
