"""A Ctrl-C that waits until something that must not be cut has ended."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Answer signals that raise exceptions, such as a Ctrl-C, at the end of the block.

    Only their handlers in Python are replaced, and only in the main thread, where they run. Whoever
    sends a second one is answered at once.
    """
    before: dict[int, Any] = {}
    came: list[tuple[int, Any]] = []

    def note(number: int, frame: Any) -> None:
        came.append((number, frame))
        if len(came) > 1:
            before[number](number, frame)

    try:
        if threading.current_thread() is threading.main_thread():
            for number in NUMBERS:
                handler = signal.getsignal(number)
                if callable(handler):
                    before[number] = handler
                    signal.signal(number, note)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if len(came) == 1:
            number, frame = came[0]
            before[number](number, frame)
