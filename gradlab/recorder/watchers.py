"""The callbacks that are called with each Recorder made in this process, in any thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

Callback = Callable[[Any], None]


class Watchers:
    """A list of callbacks that several threads may change and call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callback] = []

    def add(self, callback: Callback) -> None:
        """Call `callback` from now on."""
        with self._lock:
            self._callbacks.append(callback)

    def remove(self, callback: Callback) -> None:
        """Call `callback` no more: once less, where it was added several times."""
        with self._lock:
            self._callbacks.remove(callback)

    def tell(self, recorder: Any) -> None:
        """Call every callback with a recorder, outside the lock: a callback may make recorders."""
        with self._lock:
            callbacks = tuple(self._callbacks)
        for callback in callbacks:
            callback(recorder)


WATCHERS = Watchers()


@contextlib.contextmanager
def watching(callback: Callback) -> Iterator[None]:
    """Call `callback` with each Recorder that is made in this process inside the block."""
    WATCHERS.add(callback)
    try:
        yield
    finally:
        WATCHERS.remove(callback)
