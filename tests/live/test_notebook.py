"""A run in a notebook: an output that is updated in place, without a notebook to show it in."""

import sys
import time
import types

import pytest

import gradlab
from gradlab.errors import ArgumentError
from gradlab.live import notebook
from gradlab.live.notebook import markup
from tests.live.growing import Growing


class Handle:
    """What IPython's `display` returns for an output that can be updated."""

    def __init__(self, first):
        self.shown = [first]

    def update(self, new):
        self.shown.append(new)


@pytest.fixture
def outputs(monkeypatch):
    """Pretend to be in a notebook that never rests; a list of the outputs that were made."""
    made = []
    monkeypatch.setattr(notebook, "REST", 0)

    def display(first, *, display_id):
        assert display_id is True
        made.append(Handle(first))
        return made[-1]

    module = types.ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return made


def wait_for(condition):
    """Wait until something has happened in the thread that looks."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_output_is_updated_until_the_run_has_ended(outputs, tmp_path):
    growing = Growing(tmp_path / "night").grow(41)
    view = gradlab.live.show(tmp_path / "night", interval=0.05)
    (output,) = outputs
    assert "iteration 40" in output.shown[0]._repr_html_()
    growing.grow(20)
    wait_for(lambda: output.shown[-1].frame.iterations == 60)
    growing.end()
    assert view.wait(20)
    assert output.shown[-1].frame.state == "ended"
    assert "night: complete" in output.shown[-1]._repr_html_()
    assert repr(output.shown[-1]).startswith("night: ended, iteration 61")


def test_it_may_be_shown_before_anything_is_recorded(outputs, tmp_path):
    view = gradlab.live.show(tmp_path / "later", interval=0.05)
    (output,) = outputs
    assert "waiting for a run in" in output.shown[0]._repr_html_()
    growing = Growing(tmp_path / "later").grow(41)
    wait_for(lambda: "iteration 40" in repr(output.shown[-1]))
    assert growing.recorder.iterations == 41
    view.stop()
    assert view.wait(0)


def test_without_ipython_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ArgumentError, match="pip install ipython"):
        gradlab.live.show(tmp_path)


def test_names_from_a_stranger_are_escaped(tmp_path):
    from dataclasses import replace

    from gradlab.live.follower import Follower

    growing = Growing(tmp_path / "night").grow(41)
    frame = Follower(growing.recorder.folder).look()
    told = replace(frame.findings[0], message="<script>it ran</script>")
    text = markup(replace(frame, name="<b>night</b>", findings=(told,)))
    assert "<script>" not in text
    assert "<b>" not in text
    assert "&lt;b&gt;night" in text
    assert "<polyline" in text
