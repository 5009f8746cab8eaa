"""The labelled corpus in PyTorch: the same weights and batches get the same verdict."""

import os

import pytest

import gradlab
from gradlab.comparison.networks import Network
from tests.corpus import corpus

pytest.importorskip("torch")

# Every fourth case takes minutes off the suite; GRADLAB_WHOLE_CORPUS=1 asks for all of them.
CASES = corpus.load()[:: 1 if os.environ.get("GRADLAB_WHOLE_CORPUS") else 4]


def verdict(diagnosis: gradlab.Diagnosis) -> list:
    return [
        (
            each.rule,
            each.severity,
            each.layers,
            each.iterations,
            [c.rule for c in each.consequences],
        )
        for each in diagnosis.findings
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_twin_has_the_same_findings(case):
    from tests.adapters import twins

    data = corpus.plant_in_data(case, corpus.make_data(case))
    network = Network.parse(case.network)
    outputs = 1 if case.training.get("loss") == "binary_cross_entropy" else data.n_outputs
    model = gradlab.MLP(
        [data.n_features, *[case.width] * case.depth, outputs],
        network.activation,
        init=network.init,
        gain=network.gain,
        norm=network.norm,
        residual=network.residual,
        dropout=network.dropout,
        dtype=case.dtype,
    )
    corpus.plant_in_model(case, model)
    with corpus.Tampering(case, model):
        run, twin = twins.train(model, data, validate_every=10, **case.training)
    assert verdict(gradlab.diagnose(twin)) == verdict(gradlab.diagnose(run))
