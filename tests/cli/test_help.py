"""`--help`: as wide as the terminal, in groups; and colours where they are wanted."""

import os
import sys

import pytest

from gradlab.cli import application
from tests.cli.calls import QUICK, call, gradlab_process


@pytest.mark.parametrize("width", [60, 80, 140])
def test_help_fits_the_terminal(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    out = call(capsys, "train", "--help")[1]
    assert width - 12 <= max(map(len, out.splitlines())) <= width


def test_help_lists_options_in_groups(capsys):
    out = call(capsys, "train", "--help")[1]
    headings = [line for line in out.splitlines() if line and not line.startswith((" ", "Usage"))]
    assert headings == ["Network:", "Data:", "Output:", "Training:", "Options:"]


def test_help_lists_commands_in_groups(capsys):
    out = call(capsys, "--help")[1]
    headings = [line for line in out.splitlines() if line and not line.startswith((" ", "Usage"))]
    assert headings == ["Options:", "Train:", "Judge:", "Predict:", "Machine:"]


def test_a_command_is_found_by_its_file(capsys, tmp_path, monkeypatch):
    """A file in `commands/` is all that a new command needs."""
    from gradlab.cli import commands

    (tmp_path / "greet.py").write_text(
        'GROUP = "Machine"\n\n'
        'def greet() -> int:\n    """Say hello."""\n    print("hello")\n    return 0\n'
    )
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    application.application.cache_clear()
    try:
        assert call(capsys, "greet")[:2] == (0, "hello\n")
        assert "Say hello." in call(capsys, "--help")[1]
    finally:
        application.application.cache_clear()


@pytest.mark.parametrize(("no_color", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_respected(tmp_path, no_color, coloured):
    environment = {
        "PATH": os.environ["PATH"],
        "FORCE_COLOR": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
        **no_color,
    }
    done = gradlab_process(
        "compare", "--depth", "1", "--network", "relu", *QUICK, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert ("\x1b[3" in done.stdout) == coloured
