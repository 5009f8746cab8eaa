"""The commands as a user types them: what they print, where, and how they exit."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import gradlab
from gradlab import datasets
from gradlab.activations import ACTIVATIONS
from gradlab.cli import application
from gradlab.comparison import networks
from gradlab.nn import schedules
from gradlab.nn.initializers import INITIALIZERS
from gradlab.nn.losses import LOSSES
from gradlab.nn.optimizers import OPTIMIZERS
from gradlab.options import TrainingOptions
from gradlab.report.data import build
from tests.cli.calls import QUICK, call, error


def test_compare_trains_prints_reports_and_resumes(capsys, tmp_path):
    arguments = [
        "compare",
        "--network",
        "sigmoid",
        "relu",
        "--depth",
        "1",
        "6",
        *QUICK,
        "--jobs",
        "1",
    ]
    code, out, err = call(capsys, *arguments, "--json", "verdicts.json")
    assert code == 0
    assert "[4/4]" in err
    for heading in ("network", "depth", "outcome", "verdict", "cause", "accuracy"):
        assert heading in out
    assert (tmp_path / "reports/activation-depth.html").stat().st_size > 1e5
    data = json.loads((tmp_path / "verdicts.json").read_text())
    assert data["schema"] == 1
    assert [run["config"]["depth"] for run in data["runs"]] == [1, 6, 1, 6]
    assert {len(run["accuracy"]) for run in data["runs"]} == {2}

    code, out_again, err = call(capsys, *arguments)
    assert "4 of 4 cells reused" in err
    assert out_again.splitlines()[:6] == out.splitlines()[:6]

    shutil.rmtree(next((tmp_path / "runs").glob("sigmoid-depth-6-*")))
    _, _, err = call(capsys, *arguments)
    assert "3 of 4 cells reused" in err

    _, _, err = call(capsys, *arguments, "--force")
    assert "reused" not in err


def test_a_half_written_cell_is_trained_anew(capsys, tmp_path):
    arguments = ["compare", "--network", "relu", "--depth", "1", *QUICK, "--jobs", "1"]
    call(capsys, *arguments)
    cell = next((tmp_path / "runs").glob("relu-*"))
    table = cell / "signals.parquet"
    table.write_bytes(table.read_bytes()[:100])
    code, _, err = call(capsys, *arguments)
    assert code == 0
    assert "reused" not in err
    assert gradlab.load(cell).iterations == 30


def test_train_writes_one_run_and_its_report(capsys, tmp_path):
    code, out, _ = call(capsys, "train", "--network", "tanh", "--depth", "2", *QUICK)
    assert code == 0
    assert (tmp_path / "reports/tanh-depth-2.html").exists()
    assert "tanh depth 2" in out
    assert "recorded in runs" in out


def test_check_exit_codes(capsys, healthy, sick):
    assert call(capsys, "check", healthy)[0] == 0
    assert call(capsys, "check", healthy, sick)[0] == 1
    assert call(capsys, "check", "--select", "GL101,GL402", healthy)[0] == 0
    assert call(capsys, "check", "--ignore", "GL001", sick)[0] == 1  # NaN is never healthy


def test_check_json(capsys, healthy, sick):
    code, out, _ = call(capsys, "check", "--format", "json", healthy, sick)
    assert code == 1
    data = json.loads(out)
    assert [run["ok"] for run in data["runs"]] == [True, False]
    assert data["runs"][1]["findings"][0]["rule"] == "GL001"


def test_check_takes_a_folder_of_runs(capsys, tmp_path, healthy, sick):
    code, out, _ = call(capsys, "check", tmp_path)
    assert code == 1
    assert "made (healthy): healthy" in out  # runs of one name are told apart by their folders
    assert "made (sick): 1 error" in out


def test_rules_and_rule(capsys):
    code, out, _ = call(capsys, "rules")
    assert code == 0
    assert "GL101  vanishing-gradient" in out
    code, out, _ = call(capsys, "rule", "gl101")
    assert code == 0
    assert "Why it is bad" in out
    assert "GL101" in error(capsys, "rule", "GL999")


def test_report_of_one_and_of_several_runs(capsys, tmp_path, healthy, sick):
    assert call(capsys, "report", healthy, "-o", "one.html")[0] == 0
    assert call(capsys, "report", healthy, sick, "-o", "deep/er/two.html")[0] == 0
    assert (tmp_path / "deep/er/two.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "--network", "sigmoyd"], ["sigmoyd", "sigmoid", "relu"]),
        (["compare", "--network", "relu:xavier"], ["xavier", "he_normal"]),
        (["compare", "--network", "relu:he_normal:gain=0"], ["gain", "above 0"]),
        (["compare", "--depth", "0"], ["--depth=0", "at least 1"]),
        (["compare", "--depth", "-3"], ["--depth=-3", "at least 1"]),
        (["compare", "--depth", "two"], ["two", "whole number"]),
        (["compare", "--width", "0"], ["--width=0"]),
        (["compare", "--seeds", "0"], ["--seeds=0"]),
        (["compare", "--learning-rate", "0"], ["--learning-rate=0", "above 0"]),
        (["compare", "--learning-rate", "nan"], ["--learning-rate=nan"]),
        (["compare", "--optimizer", "lion"], ["adamw", "sgd"]),
        (["compare", "--batch-size", "100000"], ["--batch-size=100000", "1437"]),
        (["compare", "--loss", "mse"], ["mse", "squared_error"]),
        (["compare", "--loss", "squared_error"], ["squared_error", "cross_entropy"]),
        (["compare", "--data", "missing.csv"], ["missing.csv"]),
        (["compare", "--target", "x"], ["--target"]),
        (["compare", "--jobs", "0"], ["--jobs=0"]),
        (["compare", "--l1", "-1"], ["--l1=-1", "at least 0"]),
        (["compare", "--clip", "norm:most=0"], ["most=0", "above 0"]),
        (["compare", "--clip", "norm"], ["needs most", "norm:most="]),
        (["compare", "--schedule", "cosine:length=1000"], ["1000 iterations", "only 500", "end=0"]),
        (["compare", "--network", "relu:dropout=1"], ["dropout=1", "below 1"]),
        (
            ["compare", "--network", "relu:norm=batch", "--batch-size", "1"],
            ["--batch-size=1", "BatchNorm"],
        ),
        (["compare", "--class-weights", "even"], ["even", "balanced"]),
        (["compare", "--class-weights", "1,2"], ["10 finite numbers above 0"]),
        (["compare", "--label-smoothing", "1"], ["--label-smoothing=1", "below 1"]),
        (["train", "--optimizer", "adam:beta1=1"], ["beta1=1", "below 1"]),
        (["train", "--depth", "0"], ["--depth=0"]),
        (["train", "--nonsense"], ["--nonsense"]),
        (["check", "nowhere"], ["nowhere", "does not exist"]),
        (["check", "."], ["not a run folder"]),
        (["report", "."], ["not a run folder"]),
        (["nonsense"], ["nonsense"]),
    ],
)
def test_bad_input_gets_one_clear_sentence(capsys, arguments, words):
    message = error(capsys, *arguments)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["empty"]),
        ("a,b,y\n1,2,0\n1,2\n", ["3"]),
        ("a,b,y\n" + "1,2,0\n1,nan,1\n" * 10, ["'b'"]),
    ],
)
def test_bad_csv_gets_one_clear_sentence(capsys, tmp_path, content, words):
    (tmp_path / "bad.csv").write_text(content)
    message = error(capsys, "compare", "--data", "bad.csv")
    for word in [*words, "bad.csv"]:
        assert word in message


def test_bad_run_folders_get_one_clear_sentence(capsys, tmp_path, healthy):
    newer = shutil.copytree(healthy, tmp_path / "newer")
    description = json.loads((newer / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps(description | {"schema": 99}))
    assert "schema 99" in error(capsys, "check", newer)
    torn = shutil.copytree(healthy, tmp_path / "torn")
    (torn / "steps.parquet").write_bytes((torn / "steps.parquet").read_bytes()[:-20])
    assert "steps.parquet" in error(capsys, "check", torn)
    cut = shutil.copytree(healthy, tmp_path / "cut")
    (cut / "run.json").write_text('{"schema": 1, "na')
    assert "run.json" in error(capsys, "check", cut)


def test_an_output_that_cannot_be_written_fails_before_training(capsys, tmp_path):
    (tmp_path / "file").write_text("mine")
    message = error(capsys, "compare", "-o", "file/report.html")
    assert "file" in message
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "runs").exists()
    assert "folder" in error(capsys, "compare", "-o", str(tmp_path))


def test_the_help_of_every_command_says_what_it_is_for(capsys):
    code, out, _ = call(capsys, "--help")
    assert code == 0
    for command in ("compare", "train", "check", "report", "rules", "rule"):
        assert command in out
        assert call(capsys, command, "--help")[0] == 0
    assert call(capsys, "--version")[1] == f"gradlab {gradlab.__version__}\n"


def test_an_internal_error_is_a_sentence_and_exit_2(capsys, monkeypatch):
    def explode(*_):
        raise ZeroDivisionError("boom")

    monkeypatch.setattr("gradlab.diagnosis.registry", explode)
    assert "internal error" in error(capsys, "rules")


def test_the_namesake_on_pypi_is_refused(capsys, monkeypatch):
    monkeypatch.setattr(application.metadata, "version", lambda name: "1.0")
    assert "pip uninstall gradlab" in error(capsys, "rules")


def test_a_finite_explosion_is_found(capsys):
    """20 relu layers at gain 2, rate 1e-12: gradients near 1e6, no NaN, a flat loss."""
    arguments = [
        "compare",
        "--network",
        "relu:he_normal:gain=2",
        "--depth",
        "20",
        "--learning-rate",
        "1e-12",
    ]
    call(
        capsys, *arguments, "--seeds", "2", "--iterations", "20", "--jobs", "1", "--json", "v.json"
    )
    run = json.loads(Path("v.json").read_text())["runs"][0]
    assert not run["ok"]
    root = run["findings"][0]
    assert root["rule"] in ("GL102", "GL203")
    assert root["cause"]["dominant"] == "weight"
    assert "GL001" not in {finding["rule"] for finding in run["findings"] + root["consequences"]}


LONG = ["compare", "--network", "relu", "--depth", "1", "400"]
LONG += ["--iterations", "1000", "--jobs", "2"]


def listen_to_ctrl_c():
    """Undo what a shell does to a command in the background: it ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def interrupted_midway(tmp_path):
    """A comparison in its own process group: one cell done, the second far from it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gradlab", *LONG, "--width", "16", "--seeds", "1"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=listen_to_ctrl_c,
    )
    assert process.stderr is not None
    assert "done" in process.stderr.readline()
    yield process
    process.stderr.close()
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def children(parent):
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text()
        except OSError:  # it has ended meanwhile
            continue
        if int(status.rpartition(")")[2].split()[1]) == parent:
            yield int(folder.name)


def finished(runs):
    return [
        folder
        for folder in runs.glob("[!.]*")
        if gradlab.load(folder).provenance["status"] == "complete"
    ]


def test_ctrl_c_keeps_finished_cells(tmp_path, interrupted_midway):
    os.killpg(interrupted_midway.pid, signal.SIGINT)
    said = interrupted_midway.stderr.read()
    assert interrupted_midway.wait(timeout=30) == 130
    assert "1 of 2 cells are finished" in said
    assert "Traceback" not in said
    assert len(finished(tmp_path / "runs")) == 1


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the workers in /proc")
def test_a_killed_worker_is_one_sentence_and_keeps_finished_cells(tmp_path, interrupted_midway):
    workers = [
        pid
        for pid in children(interrupted_midway.pid)
        if b"popen_loky" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    said = interrupted_midway.stderr.read()
    assert interrupted_midway.wait(timeout=30) == 2
    assert "worker process was killed" in said
    assert "Traceback" not in said
    assert len(finished(tmp_path / "runs")) == 1


def test_theory_says_how_deep_one_can_go(capsys):
    """The depths are theory.md's: sigmoid falls below 1e-3 at 6 layers and below 1e-6 at 11."""
    code, out, _ = call(capsys, "theory", "--activation", "sigmoid", "--depth", "20")
    assert code == 0
    assert "The gradient vanishes: times 0.238 a layer" in out
    assert "First depth below 0.001: 6 layers" in out
    assert "First depth below 1e-06: 11 layers" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--gain", "2"], "explodes: times 2 a layer"),
        (["--norm", "layer"], "about as large as it left (times "),
        (["--activation", "tanh", "--residual", "0.5"], "about as large as it left (times "),
        (["--depth", "1"], "about as large as it left (times "),
        (["--depth", "300", "--gain", "3"], "explodes"),
    ],
)
def test_theory_of_other_nets(capsys, arguments, says):
    code, out, _ = call(capsys, "theory", *arguments)
    assert code == 0
    assert says in out
    assert max(map(len, out.splitlines())) <= 80


def test_theory_writes_a_page(capsys, tmp_path):
    code, _, _ = call(capsys, "theory", "--depth", "5", "-o", tmp_path / "theory.html")
    assert code == 0
    page = (tmp_path / "theory.html").read_text(encoding="utf-8")
    assert "How deep can I go?" in page
    assert "First depth below 0.001" in page


@pytest.mark.parametrize(
    "arguments",
    [
        ["--activation", "step"],
        ["--init", "zeros"],
        ["--gain", "0"],
        ["--depth", "0"],
        ["--norm", "group"],
        ["--residual", "-1"],
        ["--dropout", "1"],
    ],
)
def test_theory_of_nothing_is_one_sentence(capsys, arguments):
    error(capsys, "theory", *arguments)


def test_two_classes_can_be_trained_on_one_output(capsys):
    code, out, _ = call(
        capsys,
        "train",
        "--data",
        "breast_cancer",
        "--loss",
        "binary_cross_entropy",
        "--depth",
        "1",
        *QUICK,
    )
    assert code == 0
    assert "healthy" in out


EVERY_OPTION = (
    "--data iris --network gelu:lsuv:gain=1.5:norm=layer:residual=0.5:dropout=0.1 --depth 3 "
    "--optimizer adamw:weight_decay=0.1 --learning-rate 0.002 --batch-size 16 "
    "--schedule cosine:end=0.1:warmup=5 --clip norm:most=0.5 --l1 1e-4 --l2 1e-3 "
    "--class-weights 1,2,3 --label-smoothing 0.1 --histograms"
)


def test_every_option_of_a_training_reaches_it(capsys):
    """One command that uses them all; the run's own record says what it was trained with."""
    code, _, _ = call(capsys, "train", *EVERY_OPTION.split(), *QUICK)
    assert code == 0
    run = gradlab.load(next(Path("runs").glob("gelu-*")))
    expected = {
        "activation": "gelu",
        "init": "lsuv",
        "gain": 1.5,
        "norm": "layer",
        "residual": 0.5,
        "dropout": 0.1,
        "depth": 3,
        "width": 8,
        "optimizer": "adamw",
        "weight_decay": 0.1,
        "learning_rate": 0.002,
        "batch_size": 16,
        "schedule": "cosine:end=0.1:warmup=5",
        "clip": "norm:most=0.5",
        "l1": 1e-4,
        "l2": 1e-3,
        "class_weights": [1.0, 2.0, 3.0],
        "label_smoothing": 0.1,
        "seeds": 2,
        "iterations": 30,
    }
    assert {name: run.config.get(name) for name in expected} == expected
    assert run.steps["clipped_grad_norm"].max() <= 0.5 * (1 + 1e-6)
    assert set(run.histograms["layer"]) == {1, 2, 3, 4}


def test_every_option_of_a_training_is_in_the_test_above():
    asked = {name for name in EVERY_OPTION.split() if name.startswith("--")}
    options = {f"--{each.name.replace('_', '-')}" for each in fields(TrainingOptions)}
    assert options - asked - {*QUICK} == {"--loss"}  # iris has one loss that takes all of these


def figures_of(name):
    """Return the pictures that the report of a recorded run holds."""
    (folder,) = Path("runs").glob(f"*{name}*")
    return build(gradlab.load(folder))["cells"][0]["figures"]


def test_histograms_are_counted_and_drawn_where_they_are_asked_for(capsys):
    assert call(capsys, "train", "--histograms", "--depth", "2", *QUICK)[0] == 0
    assert call(capsys, "train", "--depth", "3", *QUICK)[0] == 0
    assert "gradient_histogram" in figures_of("depth-2")
    assert "gradient_histogram" not in figures_of("depth-3")


@pytest.mark.parametrize(("most", "share"), [(1e-3, 1.0), (1e6, 0.0)])
def test_how_often_clipping_bites_is_said(capsys, most, share):
    _, out, _ = call(
        capsys, "train", "--depth", "1", "--clip", f"norm:most={most}", "--json", "v.json", *QUICK
    )
    assert f"Clipping made the gradient smaller in {100 * share:.0f} % of the updates." in out
    assert json.loads(Path("v.json").read_text())["runs"][0]["clipped"] == share


def test_the_help_names_everything_there_is(capsys):
    for command in ("train", "compare"):
        said = call(capsys, command, "--help")[1]
        words = set(re.findall(r"\w+", re.sub(r"\n\s+", " ", said)))
        for names in (
            ACTIVATIONS,
            LOSSES,
            OPTIMIZERS,
            schedules.HYPERPARAMETERS,
            datasets.BUNDLED,
            networks.KEYS,
        ):
            assert set(names) <= words, (command, set(names) - words)
        for name in INITIALIZERS:
            assert name in words or name.replace("_uniform", "_normal") in words
