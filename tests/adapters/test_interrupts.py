"""A Ctrl-C between any two lines of what hands a record over: no row is lost or misplaced."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gradlab.adapters import torch as adapter  # noqa: E402
from gradlab.adapters.torch import record as record_module  # noqa: E402
from gradlab.adapters.torch import watch  # noqa: E402
from tests.adapters.loops import mlp, train  # noqa: E402

STEPS = 3
EVERY = int(os.environ.get("GRADLAB_EVERY_LINE", "83"))
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
    """Raises KeyboardInterrupt once, at the n-th line of the functions above."""

    def __init__(self, line: int):
        self.left = line

    def __call__(self, frame, event, argument):
        if (frame.f_code.co_filename, frame.f_code.co_name) not in WATCHED:
            return None
        return self._line

    def _line(self, frame, event, argument):
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self._line


@contextlib.contextmanager
def interrupted(line: int):
    before = sys.gettrace()
    interrupt = Interrupt(line)
    sys.settrace(interrupt)
    try:
        yield interrupt
    finally:
        sys.settrace(before)


def trained(line: int):
    """Train until a Ctrl-C at a line; return the run, and whether it came."""
    torch.manual_seed(0)
    model = mlp(6, 8, 3)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    watched = watch(model, optimizer, weights=5)
    with interrupted(line) as interrupt, contextlib.suppress(KeyboardInterrupt), watched:
        train(model, optimizer, STEPS, watched)
    if watched.iterations:
        watched.close()  # again, where the Ctrl-C came while it was closed
    return watched, interrupt.left <= 0


def test_a_ctrl_c_at_any_line_of_a_hand_over_misplaces_no_row(monkeypatch):
    monkeypatch.setattr(record_module, "BLOCK_ITERATIONS", (1, 1))
    monkeypatch.setattr(record_module, "BLOCK_SECONDS", 1e9)
    whole, came = trained(10**9)
    assert not came
    expected = whole.run
    for line in range(1, 10**6, EVERY):
        watched, came = trained(line)
        if not came:
            break
        if not watched.iterations:
            continue
        run = watched.run
        count = run.iterations
        assert count == watched.iterations, line
        end = count - 1  # the last of a training that goes on is not measured in full
        np.testing.assert_array_equal(
            run.step("loss")[:end], expected.step("loss")[:end], err_msg=str(line)
        )
        for name in expected.columns:
            np.testing.assert_array_equal(
                run[name][:end], expected[name][:end], err_msg=f"{name} at line {line}"
            )
        assert (run.output_stage["iteration"] < count).all()
    assert line > 50
