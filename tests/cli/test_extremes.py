"""Streams that fail, names that are none, and arguments far out: one sentence each."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.calls import error, gradlab_process


def test_a_full_standard_output_is_one_sentence_and_exit_2(healthy):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gradlab", "check", healthy],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "gradlab: No space left on device\n"


def test_a_closed_standard_output_is_no_error(healthy):
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m gradlab check {healthy} >&-"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_that_knows_ascii_only(healthy):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = gradlab_process("theory", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()


def test_a_name_that_is_no_utf_8(tmp_path):
    done = gradlab_process("check", b"\xff\xfe".decode("utf-8", "surrogateescape"))
    assert done.returncode == 2
    assert done.stderr.startswith("gradlab: ")
    assert "does not exist" in done.stderr


def test_a_deleted_working_directory(tmp_path):
    here = tmp_path / "gone"
    here.mkdir()
    code = f"import os, sys; os.chdir({str(here)!r}); os.rmdir({str(here)!r}); "
    code += "from gradlab import cli; "
    code += "sys.exit(cli.run(['train', '--depth', '1']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("gradlab: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--depth", "999999999"],
        ["train", "--width", "9" * 30],
        ["train", "--seeds", "9" * 400],
        ["train", "--iterations", "1e400"],
        ["train", "--batch-size", "0x10"],
        ["train", "--network", "relu" * 10000],
        ["train", "--network", "relu:gain=1e-400"],
        ["train", "-o", "x" * 5000],
        ["train", "--data", "x" * 5000],
        ["check", "x" * 5000],
        ["theory", "--gain", "1e-320"],
        ["theory", "--depth", "9" * 30],
        ["compare", "--depth", "--width", "8"],
        ["report", "x", "-o", "/proc/none/report.html"],
        ["compare", "--network"],
        ["compare", "--depth", ""],
        ["rule", "\x00"],
    ],
    ids=lambda arguments: " ".join(arguments)[:30],
)
def test_extreme_arguments_are_one_short_sentence(capsys, arguments):
    message = error(capsys, *arguments)
    assert "internal error" not in message
    assert len(message) < 1100
