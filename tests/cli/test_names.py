"""Names from a stranger's record or from the command line are printed, never obeyed."""

import numpy as np
import pytest

from tests.cli.calls import call, error
from tests.rules.runs import make_run

HOSTILE = "\x1b]0;owned\x07\x1b[2J\n::error::pwned\n##[error]pwned\u202egnp"


@pytest.mark.parametrize("form", ["text", "json", "junit", "github"])
def test_names_cannot_command_a_terminal_or_ci(capsys, tmp_path, form):
    run = make_run(20, name=HOSTILE, delta_norm=np.nan).save(tmp_path / "hostile")
    _, out, _ = call(capsys, "check", run, "--format", form)
    assert not set("\x1b\x07\u202e") & set(out)
    planted = [line for line in out.splitlines() if line.startswith(("::error::pwned", "##["))]
    assert planted == []


@pytest.mark.parametrize("command", ["live", "diff"])
def test_names_cannot_command_a_terminal_in_a_view_or_a_difference(capsys, tmp_path, command):
    described = {1: {"name": HOSTILE, "path": HOSTILE}}
    run = make_run(20, name=HOSTILE, described=described, delta_norm=[5.0, 1, 1, 1])
    folder = run.save(tmp_path / "hostile")
    plain = make_run(20, described=described).save(tmp_path / "plain")
    words = ["live", folder, "--once"] if command == "live" else ["diff", plain, folder]
    _, out, _ = call(capsys, *words)
    assert "owned" in out
    assert not set("\x1b\x07\u202e") & set(out)
    assert not [line for line in out.splitlines() if line.startswith(("::error::", "##["))]


def test_an_error_cannot_command_a_terminal(capsys):
    message = error(capsys, "train", "--optimizer", "\x1b[2Jadam")
    assert "\x1b" not in message
