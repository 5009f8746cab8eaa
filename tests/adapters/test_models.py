"""Models of the kinds that people train: silent where healthy, and each planted fault is found."""

import pytest

pytest.importorskip("torch")

import gradlab
from tests.adapters import models


@pytest.mark.parametrize("training", models.HEALTHY, ids=lambda training: training.name)
def test_a_healthy_training_has_no_finding(training):
    diagnosis = gradlab.diagnose(training.run())
    assert diagnosis.findings == (), str(diagnosis)
    assert "crashed" not in diagnosis.statuses.values()


@pytest.mark.parametrize("training", models.FAULTY, ids=lambda training: training.name)
def test_a_planted_fault_is_the_first_root(training):
    diagnosis = gradlab.diagnose(training.run())
    assert next(finding.rule for finding in diagnosis.findings) in training.expected, str(diagnosis)
    assert "crashed" not in diagnosis.statuses.values()


def test_the_dead_branch_of_a_net_that_learns_is_named_by_its_modules():
    training = next(each for each in models.FAULTY if each.name == "convnet, dead branch")
    finding = gradlab.diagnose(run := training.run()).findings[0]
    assert run.layers["name"].iloc[[layer - 1 for layer in finding.layers]].tolist() == [
        "first.1",
        "second.1",
    ]
    assert finding.severity == "note"


def test_a_layer_that_the_loss_does_not_see_is_named_by_its_module():
    import torch

    model = models.ConvNet()
    model.unused = torch.nn.Linear(4, 4)
    training = models.Training("unused", lambda: model, models.digits, steps=60)
    diagnosis = gradlab.diagnose(training.run())
    assert [finding.rule for finding in diagnosis.findings] == ["GL105"]
    assert diagnosis.findings[0].severity == "note"
    assert "unused" in diagnosis.findings[0].message
