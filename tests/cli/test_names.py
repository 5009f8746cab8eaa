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


def test_an_error_cannot_command_a_terminal(capsys):
    message = error(capsys, "train", "--optimizer", "\x1b[2Jadam")
    assert "\x1b" not in message
