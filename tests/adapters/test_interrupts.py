"""A Ctrl-C between any two lines of what hands a record over: no row is lost or misplaced.

GRADLAB_EVERY_LINE=1 tries every line.
"""

from __future__ import annotations

import contextlib
import json
import os

import numpy as np
import pytest

import gradlab

torch = pytest.importorskip("torch")

from gradlab.adapters.torch import record as record_module  # noqa: E402
from gradlab.adapters.torch import watch  # noqa: E402
from tests.adapters import interrupted_ranks  # noqa: E402
from tests.adapters.interrupting import interrupted  # noqa: E402
from tests.adapters.loops import mlp, train  # noqa: E402
from tests.adapters.test_distributed import Launched  # noqa: E402

STEPS = 3
EVERY = int(os.environ.get("GRADLAB_EVERY_LINE", "83"))
EVERY_OF_TWO = os.environ.get("GRADLAB_EVERY_LINE", "211")


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


def joined(run):
    """How many iterations are those of both processes, and were measured in full.

    Of the last one, the process that was interrupted may not have logged its loss.
    """
    return max(run.provenance.get("joined_until", run.iterations) - 1, 0)


def test_a_ctrl_c_in_an_exchange_of_two_processes_holds_nobody_up(tmp_path):
    """In either of them, at any line: what is recorded is what was measured, by both or by one."""
    launched = Launched(tmp_path, ["1", EVERY_OF_TWO], script=interrupted_ranks.__file__)
    assert launched.codes == [[0, 0]], launched.output
    whole = gradlab.load(tmp_path / "whole")
    names = json.loads((tmp_path / "lines.json").read_text())
    assert {name[0] for name in names} == {"0", "1"}
    recorded = [name for name in names if (tmp_path / name).exists()]
    assert len(recorded) >= 4
    for name in recorded:
        run = gradlab.load(tmp_path / name)
        end = max(run.iterations - 1, 0)
        for column in run.columns:
            known = run.recorded(column)[:end]
            np.testing.assert_array_equal(
                run[column][:end][known], whole[column][:end][known], err_msg=f"{name} {column}"
            )
        loss, expected = (each.step("loss")[: joined(run)] for each in (run, whole))
        np.testing.assert_array_equal(loss, expected, err_msg=name)
    # Who was not interrupted has trained to the end, and its record holds all of it.
    complete = [gradlab.load(tmp_path / name) for name in recorded if name[0] == "1"]
    assert {run.iterations for run in complete} == {interrupted_ranks.STEPS}
    assert {run.provenance["status"] for run in complete} == {"complete"}
