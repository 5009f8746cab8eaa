"""The labelled corpus in PyTorch: the same weights and batches get the same verdict."""

import os
from functools import partial

import pytest

import gradlab
from gradlab.comparison.networks import Network
from tests.corpus import corpus

pytest.importorskip("torch")


def features(case: corpus.Case) -> set[tuple]:
    """Return what PyTorch may do otherwise than the engine, and what may be judged otherwise."""
    network = Network.parse(case.network)
    words = {key: value for key, value in case.training.items() if isinstance(value, str)}
    return {
        *(("option", key) for key in case.training),
        *((key, value.partition(":")[0]) for key, value in words.items()),
        ("fault", case.fault),
        ("numbers", case.dtype),
        ("activation", network.activation),
        ("norm", network.norm),
        ("residual", network.residual is not None),
        ("dropout", network.dropout > 0),
        ("deep", case.depth > 9),
        ("one example a step", case.training["batch_size"] == 1),
    }


def worth(case: corpus.Case, left: set[tuple]) -> float:
    """Return how many of some features a case has, for the time that it takes."""
    return len(left & features(case)) / (case.training["iterations"] * (case.depth + 1))


def sample(cases: list[corpus.Case]) -> list[corpus.Case]:
    """Choose short trainings that have, together, all features of all."""
    left, chosen = set().union(*map(features, cases)), []
    while left:
        chosen.append(max(cases, key=partial(worth, left=left)))
        left -= features(chosen[-1])
    return chosen


# All of them take minutes: GRADLAB_WHOLE_CORPUS=1 asks for that.
WHOLE = bool(os.environ.get("GRADLAB_WHOLE_CORPUS"))
# The twin's gradients are emptied at every step, and with elu and rmsprop at 0.5 what follows from
# the rate is called silent units in one and lost updates in the other.
COMPARED = [
    case for case in corpus.load() if case.fault != "stale" and case.name != "rmsprop at 0.5, elu"
]
CASES = COMPARED if WHOLE else sample(COMPARED)


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
