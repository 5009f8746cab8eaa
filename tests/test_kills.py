"""A few trainings killed and interrupted; `python -m benchmarks.kills` does so a hundred times."""

import random

import pytest

from benchmarks import kills


@pytest.mark.parametrize("how", kills.SIGNALS)
@pytest.mark.parametrize("kind", ["Recorder", "train"])
def test_no_acknowledged_iteration_is_lost(kind, how, tmp_path):
    outcome = kills.disturbed(kind, how, tmp_path / "run", random.Random(f"{kind} {how}"))
    assert outcome.fault == ""
    assert outcome.read >= outcome.acknowledged > 0


@pytest.mark.parametrize("how", kills.SIGNALS)
def test_no_acknowledged_iteration_of_a_watched_training_is_lost(how, tmp_path):
    pytest.importorskip("torch")
    outcome = kills.disturbed("watch", how, tmp_path / "run", random.Random(how))
    assert outcome.fault == ""
    assert outcome.read >= outcome.acknowledged > 0


def test_what_is_lost_is_noticed(tmp_path):
    """Of a record that ends before what was acknowledged, and of one with another number in it."""
    whole = kills.undisturbed("Recorder", 20)
    short = kills.judged("Recorder", whole.save(tmp_path / "run"), whole.iterations + 5)
    assert short.fault == "5 acknowledged rows are gone"
    columns = {name: whole[name].copy() for name in whole.columns}
    columns["weight_norm"][7] += 1e-12
    masks = {name: whole.recorded(name) for name in whole.columns}
    other = type(whole).from_arrays(columns, steps={"loss": whole.step("loss")}, recorded=masks)
    assert kills.differences(other, whole) == ["weight_norm"]
