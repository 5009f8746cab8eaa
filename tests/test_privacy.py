"""What gradlab does to the world outside: no request, no program, no file it was not asked for.

Opening a stranger's run writes nothing and runs nothing.
"""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.fuzz.folders import FOLDERS, write

ROOT = Path(__file__).parent.parent

# Python tells a hook of every file that is opened, every connection, process and class unpickled.
LISTENING = textwrap.dedent("""
    import json, sys, warnings
    import gradlab, gradlab.report.data, gradlab.report.render
    from gradlab import cli
    heard = []
    WORLD = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.spawn", "pickle.",
             "ctypes.dlopen", "urllib.", "http.", "smtplib.", "webbrowser.")

    def listen(event, arguments):
        if event == "open":
            path, mode, flags = arguments
            if isinstance(path, str) and (flags or 0) & 3:  # to be written
                heard.append(["write", path])
        elif event.startswith(WORLD):
            heard.append([event, repr(arguments)[:100]])

    # Once before: what Python's platform module and the BLAS do at first, and late imports.
    gradlab.load(sys.argv[1]).to_frame()
    net, data = gradlab.MLP([2, 4, 3], seed=0), gradlab.datasets.blobs(60)
    gradlab.train(net, data, iterations=70, batch_size=8)
    cli.run(["check", sys.argv[1], "--format", "json"])
    gradlab.write_report(gradlab.load(sys.argv[1]), "warm.html")
    sys.addaudithook(listen)
    ACTION
    print("\\n" + json.dumps(heard))
""")

ACTIONS = {
    "load": "run = gradlab.load(sys.argv[1]); run.to_frame(), str(run), run.nonfinite",
    "diagnose": "str(gradlab.diagnose(gradlab.load(sys.argv[1])))",
    "check": 'cli.run(["check", sys.argv[1]])',
}


def heard(action: str, folder: Path, home: Path) -> list[list[str]]:
    """Return what was heard while a process did something."""
    code = LISTENING.replace("ACTION", action)
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_opening_a_run_writes_nothing_and_runs_nothing(action, tmp_path):
    folder = write(FOLDERS["trained"], tmp_path / "run")
    assert heard(action, folder, tmp_path) == []


def test_a_report_writes_its_file_alone(tmp_path):
    folder = write(FOLDERS["trained"], tmp_path / "run")
    found = heard('gradlab.write_report(gradlab.load(sys.argv[1]), "page.html")', folder, tmp_path)
    (what,) = found
    assert what[0] == "write"
    assert Path(what[1]).name.startswith(".page.html.")  # which takes its place once it is whole


def test_a_training_writes_to_its_folder_alone(tmp_path):
    folder = write(FOLDERS["trained"], tmp_path / "run")
    found = heard(
        'gradlab.train(net, data, iterations=70, batch_size=8, out="mine")', folder, tmp_path
    )
    assert found
    assert {what for what, _ in found} == {"write"}
    assert {Path(path).parent.name for _, path in found} == {"mine"}


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_files_have_the_permissions_that_the_user_gives(umask, tmp_path):
    import gradlab

    run = gradlab.load(write(FOLDERS["trained"], tmp_path / "run"))
    before = os.umask(umask)
    try:
        folder = run.save(tmp_path / "saved")
        page = gradlab.write_report(run, tmp_path / "page.html")
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o777 & ~umask
    assert {path.stat().st_mode & 0o777 for path in (page, folder / "run.json")} == {0o666 & ~umask}
