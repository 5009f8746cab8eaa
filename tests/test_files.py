"""Files are written whole or not at all, and what is no regular file is never replaced."""

import os
import stat
import threading
from pathlib import Path

import pytest

from gradlab.errors import RunError
from gradlab.files import write_text


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old and longer")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_link_stays_and_its_target_is_written(tmp_path):
    target = tmp_path / "there" / "report.html"
    target.parent.mkdir()
    target.write_text("old")
    link = tmp_path / "link.html"
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_link_to_nothing_makes_its_target(tmp_path):
    link = tmp_path / "link.html"
    link.symlink_to(tmp_path / "report.html")
    write_text(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "report.html").read_text() == "new"


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "new")
    reader.join(timeout=10)
    assert read == ["new"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_links_in_a_circle_are_one_sentence(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.symlink_to(other)
    other.symlink_to(one)
    with pytest.raises(RunError, match="one is a link that leads back to itself"):
        write_text(one, "new")
    assert one.is_symlink()


def test_a_device_is_written_to():
    null = Path("/dev/null")
    before = null.stat()
    write_text(null, "new")
    assert (null.stat().st_mode, null.stat().st_rdev) == (before.st_mode, before.st_rdev)


def test_a_full_device_is_one_sentence():
    with pytest.raises(RunError, match="/dev/full cannot be written: No space left"):
        write_text(Path("/dev/full"), "new")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gradlab.files.os.replace", fail)
    with pytest.raises(RunError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_file_is_as_readable_as_others(tmp_path):
    path = tmp_path / "report.html"
    write_text(path, "new")
    (tmp_path / "other").write_text("")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode
