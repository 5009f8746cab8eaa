"""A Recorder under any order of calls and faults: Hypothesis chooses what happens next."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import gradlab
from gradlab.errors import ArgumentError, RunError
from gradlab.recorder import Recorder
from tests.faults import (
    BLOCKS,
    LAYERS,
    Faults,
    added,
    added_together,
    check,
    injected,
    recorded,
)

HOSTILE = st.sampled_from(
    [
        "oops",
        b"1",
        object(),
        [1.0, 2.0, 3.0],
        {},
        1j,
        np.array(["x"]),
        np.ma.masked_all(1),
        np.array([[1.0]]),
        [],
    ]
)
STEP = st.sampled_from([recorded, added, added_together])


class Recording(RuleBasedStateMachine):
    """Records, fails, goes on, is killed and is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.folder = Path(self.home.name) / "run"
        self.recorder = Recorder(LAYERS, out=self.folder, blocks=BLOCKS, weights=6)
        self.closed = False

    @precondition(lambda self: not self.closed)
    @rule(step=STEP, times=st.integers(1, 70))
    def record(self, step, times):
        for _ in range(times):
            step(self.recorder)

    @precondition(lambda self: not self.closed)
    @rule(
        step=STEP,
        error=st.sampled_from([OSError, KeyboardInterrupt]),
        first=st.integers(1, 12),
        count=st.sampled_from([1, 3, 99]),
        flushes=st.booleans(),
    )
    def record_with_a_fault(self, step, error, first, count, flushes):
        before = self.recorder.iterations
        with injected(Faults(error, first, count)):
            for act in (lambda: step(self.recorder), self.recorder.flush if flushes else int):
                with contextlib.suppress(RunError, KeyboardInterrupt):
                    act()
        assert self.recorder.iterations > before

    @precondition(lambda self: not self.closed)
    @rule(
        name=st.sampled_from(["loss", "learning_rate", "score", "weights", "gradients"]),
        bad=HOSTILE,
    )
    def record_what_is_none(self, name, bad):
        before = self.recorder.iterations
        weights = [np.ones((2, 2)), np.ones((2, 1))]
        given = {
            "loss": 1.0,
            "learning_rate": 1.0,
            "weights": weights,
            "weights_after": weights,
            "gradients": weights,
        }
        with pytest.raises(ArgumentError):
            self.recorder.record(**given | {name: bad})
        assert self.recorder.iterations == before

    @precondition(lambda self: not self.closed)
    @rule(name=st.sampled_from(["loss", "score", "phase", "followed", "output_stage"]), bad=HOSTILE)
    def add_what_is_none(self, name, bad):
        before = self.recorder.iterations
        if name == "output_stage" and isinstance(bad, list) and not bad:
            bad = "oops"  # of no operations: nothing is wrong with that
        with pytest.raises(ArgumentError):
            self.recorder.add({"weight_norm": [1.0, 2.0]}, **{name: bad})
        assert self.recorder.iterations == before

    @precondition(lambda self: not self.closed)
    @rule()
    def flush(self):
        self.recorder.flush()

    @rule(text=st.text(max_size=5))
    def note(self, text):
        if self.closed:
            return
        with contextlib.suppress(ArgumentError):  # half a surrogate pair
            self.recorder.note(word=text)

    @rule()
    def look(self):
        check(self.recorder.snapshot())
        check(self.recorder.run)

    @rule()
    def load_what_a_kill_would_leave(self):
        with tempfile.TemporaryDirectory() as name:
            copy = Path(name) / "run"
            shutil.copytree(self.folder, copy)
            run = gradlab.load(copy)
            assert run.iterations >= self.recorder.acknowledged
            check(run)

    @precondition(lambda self: not self.closed)
    @rule(error=st.sampled_from([OSError, KeyboardInterrupt]), first=st.integers(1, 30))
    def close_with_a_fault(self, error, first):
        with injected(Faults(error, first, 1)):
            try:
                self.recorder.close()
            except (RunError, KeyboardInterrupt):
                self.closed = self.recorder.run.provenance["status"] != "unfinished"
                return
        self.closed = True

    @precondition(lambda self: not self.closed and self.recorder.iterations > 100)
    @rule()
    def close(self):
        run = self.recorder.close()
        assert run.iterations == self.recorder.iterations
        self.closed = True

    @invariant()
    def memory_does_not_grow(self):
        waiting = self.recorder.iterations - self.recorder.acknowledged
        assert waiting <= 64 + 70 or self.closed

    def teardown(self):
        run = self.recorder.close()
        assert run.iterations == self.recorder.iterations
        check(run)
        check(gradlab.load(self.folder))
        self.home.cleanup()
