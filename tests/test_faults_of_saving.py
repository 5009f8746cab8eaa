"""Whatever writes whole folders or files fails, or is interrupted, at every point in turn.

What lay there is still there, or what is new is there whole.
"""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

import gradlab
from gradlab.errors import RunError
from gradlab.files import write_text
from gradlab.recorder import Recorder
from tests.faults import LAYERS, Faults, injected

ERRORS = pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])


def run_of(value: float) -> gradlab.Run:
    return gradlab.Run.from_arrays(
        {"grad_norm": np.full((3, 1, 2), value)}, steps={"loss": np.full((3, 1), value)}
    )


def closed(folder: Path, value: float) -> gradlab.Run:
    """Return a run that lies in a folder, whose files are copied when it is saved."""
    return gradlab.load(run_of(value).save(folder))


def value_of(folder: Path) -> float:
    """Return the number that all of a run is made of."""
    run = gradlab.load(folder)
    values = {*run["grad_norm"].ravel(), *run.step("loss").ravel()}
    assert len(values) == 1
    return values.pop()


def attempts(act, error: type[BaseException], count: int = 1):
    """Do something again and again, the fault one operation later each time; yield after each."""
    for first in itertools.count(1):
        faults = Faults(error, first, count)
        with injected(faults):
            try:
                act()
            except (RunError, KeyboardInterrupt):
                assert faults.was_met
        yield
        if not faults.was_met:
            break
    assert first > 3, "no point was met"


@ERRORS
@pytest.mark.parametrize("source", ["memory", "folder"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_run_that_is_saved_over_another_is_one_of_the_two(error, source, count, tmp_path):
    target = tmp_path / "run"
    new = run_of(2.0) if source == "memory" else closed(tmp_path / "new", 2.0)
    run_of(1.0).save(target)
    for _ in attempts(lambda: new.save(target), error, count):
        # where the disk is gone for good, not even the old run can be put back into its place
        aside = tmp_path / ".run.old"
        assert value_of(target if target.exists() or count == 1 else aside) in (1.0, 2.0)
        run_of(1.0).save(target)
        assert value_of(target) == 1.0


@ERRORS
def test_a_run_that_is_saved_to_a_new_folder_is_whole_or_not_there(error, tmp_path):
    for _ in attempts(lambda: run_of(2.0).save(tmp_path / "run"), error):
        assert not (tmp_path / "run").exists() or value_of(tmp_path / "run") == 2.0
        assert [path.name for path in tmp_path.iterdir()] in ([], ["run"])
        run_of(2.0).save(tmp_path / "run")
        shutil.rmtree(tmp_path / "run")


def test_of_a_process_that_died_between_two_renames_nothing_is_lost(tmp_path):
    """The run that lay there is aside, and the new one not yet in its place."""
    run_of(1.0).save(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / ".run.old")
    with pytest.raises(RunError, match=r"does not exist.*\.run\.old"):
        gradlab.load(tmp_path / "run")
    with injected(Faults(OSError, 1, 99)), pytest.raises(RunError):
        run_of(2.0).save(tmp_path / "run")
    assert value_of(tmp_path / ".run.old") == 1.0
    assert value_of(run_of(2.0).save(tmp_path / "run")) == 2.0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@ERRORS
def test_a_text_is_the_old_or_the_new_one(error, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old", encoding="utf-8")
    for _ in attempts(lambda: write_text(path, "new"), error):
        assert path.read_text(encoding="utf-8") in ("old", "new")
        assert [each.name for each in tmp_path.iterdir()] == ["page.html"]
    assert path.read_text(encoding="utf-8") == "new"


@ERRORS
def test_a_recorder_that_cannot_open_its_folder_leaves_it_free(error, tmp_path):
    folder = tmp_path / "run"
    opened = []

    def begin() -> None:
        opened.append(Recorder(LAYERS, out=folder, overwrite=True))

    for _ in attempts(begin, error):
        if opened:
            opened.pop().close()
        Recorder(LAYERS, out=folder, overwrite=True).close()
