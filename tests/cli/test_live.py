"""`gradlab live`: one look, lines where there is no terminal, and what cannot be shown."""

import socket
import threading

import pytest

from tests.cli.calls import call, error
from tests.live.growing import Growing


def test_one_look_shows_a_run_that_is_recorded(capsys, tmp_path):
    growing = Growing(tmp_path / "night").grow(41)
    code, out, err = call(capsys, "live", growing.recorder.folder, "--once")
    assert (code, err) == (0, "")
    assert "night  recording" in out
    assert "vanishing-gradient (GL101" in out


def test_a_run_that_has_ended_is_shown_once(capsys, healthy):
    code, out, _ = call(capsys, "live", healthy)
    assert code == 0
    assert "made  complete" in out
    assert "healthy, judged at iteration 60" in out


def test_without_a_terminal_a_line_is_written_at_each_change_until_the_end(capsys, tmp_path):
    growing = Growing(tmp_path / "night").grow(41)
    later = threading.Timer(0.5, lambda: growing.grow(20).end())
    later.start()
    code, out, _ = call(capsys, "live", growing.recorder.folder, "--interval", "0.1")
    later.join()
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("recording, iteration 40, loss")
    assert lines[-1].startswith("ended, iteration 61, loss")
    assert len(set(lines)) == len(lines)


def test_what_is_no_run_is_one_sentence(capsys, tmp_path):
    assert "does not exist" in error(capsys, "live", tmp_path / "nothing")


@pytest.mark.parametrize("interval", ["0", "-1", "soon"])
def test_an_interval_is_above_0(capsys, healthy, interval):
    assert "--interval" in error(capsys, "live", healthy, "--interval", interval)


def test_a_port_that_is_taken_is_said(capsys, healthy):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"--port={port} cannot be used" in error(
            capsys, "live", healthy, "--browser", "--port", port
        )
