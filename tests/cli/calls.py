"""Commands called as a user types them, and runs for them to judge."""

import subprocess
import sys

from gradlab import cli

QUICK = ["--seeds", "2", "--iterations", "30", "--width", "8"]


def call(capsys, *arguments):
    """Return (exit code, stdout, stderr) of one command."""
    code = cli.run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def error(capsys, *arguments):
    """Return the one sentence a bad call gets: exit 2, nothing on stdout, no traceback."""
    code, out, err = call(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    assert err.startswith("gradlab: ")
    assert err.count("\n") == 1
    return err


def gradlab_process(*arguments, **options):
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "gradlab", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)
