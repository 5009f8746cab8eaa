"""`--help`: as wide as the terminal, in groups; and colours where they are wanted."""

import os
import shlex
import sys
from dataclasses import fields

import pytest
import typer

import gradlab
from gradlab.cli import application
from gradlab.comparison import plan_cells
from gradlab.options import TrainingOptions
from tests.cli.calls import QUICK, call, gradlab_process


@pytest.mark.parametrize("width", [60, 80, 140])
def test_help_fits_the_terminal(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    out = call(capsys, "train", "--help")[1]
    assert width - 12 <= max(map(len, out.splitlines())) <= width


def test_help_lists_options_in_groups(capsys):
    out = call(capsys, "train", "--help")[1]
    headings = [line for line in out.splitlines() if line and not line.startswith((" ", "Usage"))]
    assert headings == ["Network:", "Data:", "Output:", "Training:", "Options:", "Examples:"]


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


COMMANDS = sorted(typer.main.get_command(application.application()).commands)
OPTIONS = fields(TrainingOptions)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_examples_that_it_understands(capsys, name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    command = typer.main.get_command(application.application()).commands[name]
    assert command.examples
    out = call(capsys, name, "--help")[1]
    for typed, purpose in command.examples:
        assert typed in out
        assert purpose in " ".join(out.split())
        words = application._spread_lists(shlex.split(typed)[1:])
        assert words[0] in COMMANDS
        known = typer.main.get_command(application.application()).commands[words[0]]
        given = known.make_context(words[0], words[1:]).params
        training = {each.name: given[each.name] for each in OPTIONS if each.name in given}
        plan_cells(["relu"], [1], width=2, data=gradlab.datasets.digits(), seeds=1, **training)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("gradlab ch", ["check"]),
        ("gradlab rule GL10", ["GL101", "GL102", "GL103", "GL104", "GL105", "GL106", "GL107"]),
        ("gradlab check --select GL201,GL40", ["GL201,GL401", "GL201,GL402"]),
        ("gradlab check --fail-on w", ["warning"]),
        ("gradlab gallery va", ["vanishing"]),
        ("gradlab theory --activation le", ["leaky_relu"]),
        ("gradlab theory --init ort", ["orthogonal"]),
        ("gradlab train --data wi", ["wine"]),
    ],
)
def test_the_tab_key_completes(capsys, monkeypatch, words, completed):
    monkeypatch.setenv("_GRADLAB_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    with pytest.raises(SystemExit, match="0"):
        typer.main.get_command(application.application())(prog_name="gradlab")
    found = capsys.readouterr().out.split()
    assert found[: len(completed)] == completed


def test_a_misspelt_rule_is_answered_by_the_nearest_name(capsys):
    code, _, err = call(capsys, "rule", "dead-unts")
    assert code == 2
    assert "did you mean 'dead-units' (GL201)?" in err


@pytest.mark.parametrize("typed", ["GL101", "vanishing-gradient", "Vanishing-Gradient"])
def test_a_rule_is_found_by_code_and_by_name(capsys, typed):
    assert "Vanishing gradient (GL101)" in call(capsys, "rule", typed)[1]
