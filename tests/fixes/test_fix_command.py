"""`gradlab fix` as a user types it, and its page."""

import json

import pytest

import gradlab
from gradlab.fixes import engine
from gradlab.report import fix_page
from gradlab.report.fix_page import fix_article
from tests.cli.calls import call, error

QUICK = ["--depth", "12", "--width", "32", "--seeds", "2", "--iterations", "120"]
QUICK += ["--learning-rate", "0.1"]
NETWORK = "tanh:gain=0.5"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "mine"
    model = gradlab.MLP([64, *[32] * 12, 10], "tanh", init="glorot_normal", gain=0.5, replicates=2)
    data = gradlab.datasets.digits()
    gradlab.train(model, data, learning_rate=0.1, iterations=120, out=folder)
    return folder


def test_a_network_is_trained_and_cured_and_the_last_line_is_the_line_to_change(capsys, tmp_path):
    code, out, err = call(capsys, "fix", NETWORK, *QUICK, "--json", "fix.json")
    assert code == 0
    assert out.splitlines()[-1] == 'change: init="glorot_normal", gain=1'
    assert "tried glorot_normal, gain 1: " in err
    page = (tmp_path / "reports/fix.html").read_text()
    assert "What cures tanh x0.5 depth 12?" in page
    assert json.loads((tmp_path / "fix.json").read_text())["cured"] is True


def test_a_recorded_run_is_cured(capsys, recorded):
    code, out, _ = call(capsys, "fix", recorded)
    assert code == 0
    assert out.splitlines()[-1].startswith("change: ")


def test_options_of_a_training_are_for_networks_alone(capsys, recorded):
    message = error(capsys, "fix", recorded, "--learning-rate", "3")
    assert "--learning-rate is for a NETWORK" in message


def test_a_folder_that_is_not_there_is_no_network(capsys):
    assert "runs/none" in error(capsys, "fix", "runs/none")


def test_a_word_that_is_neither_folder_nor_network_is_told_so(capsys):
    message = error(capsys, "fix", "nowhere")
    assert "nowhere is no folder of a run, and network 'nowhere': activation=" in message


def test_nothing_helped_exits_with_1_and_says_what_was_tried(capsys, recorded, monkeypatch):
    monkeypatch.setattr(engine, "LEARNS", 2.0)
    code, out, _ = call(capsys, "fix", recorded, "--budget", "1")
    assert code == 1
    assert "nothing helped: the one change that was tried does not cure" in out
    assert "glorot_normal, gain 1" in out
    assert "change: " not in out


def test_an_interrupt_keeps_what_was_found(capsys, recorded, monkeypatch):
    trained = engine.EngineBench.train

    def interrupted(bench, changes, share):
        if changes:
            raise KeyboardInterrupt
        return trained(bench, changes, share)

    monkeypatch.setattr(engine.EngineBench, "train", interrupted)
    code, out, _ = call(capsys, "fix", recorded)
    assert code == 1
    assert "; interrupted" in out


def test_the_page_shows_before_and_after_on_the_same_scales(recorded):
    article = fix_article(gradlab.fix(gradlab.load(recorded)))
    change, loss, profile, tried = article.sections[:4]
    assert change.heading == 'Change: init="glorot_normal", gain=1'
    assert list(change.table.columns) == ["setting", "before", "after"]
    for section in (loss, profile):
        layout = section.figure.layout
        assert (layout.xaxis2.matches, layout.yaxis2.matches) == ("x", "y")
        assert layout.yaxis2.type == layout.yaxis.type
        before, after = section.figure.data
        assert len(before.x) == len(after.x)
        phone = layout.meta["phone"]["layout"]
        assert phone["yaxis2"]["domain"][1] < phone["yaxis"]["domain"][0]
    assert profile.figure.data[0].y[0] < -3 < profile.figure.data[1].y[0]
    assert tried.table.iloc[0, 0].endswith(" (the cure)")
    assert article.facts["cured"] is True


def test_a_loss_of_forty_powers_of_ten_has_an_axis_that_can_be_read(recorded, monkeypatch):
    result = gradlab.fix(gradlab.load(recorded), budget=0.1)
    monkeypatch.setattr(fix_page, "curve", lambda run: [(0, 1e-2), (1, 1e38)])
    axis = fix_page._losses(result.before, result.before).figure.layout.yaxis
    assert (axis.type, axis.dtick, axis.exponentformat) == ("log", 10, "power")
