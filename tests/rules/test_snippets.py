"""The code of remedies is run: on a live PyTorch model, and as arguments of the built-in engine."""

import dataclasses

import numpy as np
import pytest

import gradlab
from gradlab.comparison.networks import Network
from gradlab.diagnosis import diagnose
from gradlab.options import TrainingOptions
from gradlab.rules import Remedy, already, snippets
from tests.rules.runs import make_run
from tests.rules.wording import MADE

PARAMETERS = {
    "factor": 10.0,
    "layers": [1],
    "max_norm": 2.0,
    "activation": "elu",
    "scheme": "he_normal",
    "losses": ["huber"],
    "optimizer": "adam",
}
OF_ENGINE = make_run(config={"learning_rate": 0.1, "optimizer": "adam", "gain": 2.0})
OF_TRAINING = {each.name for each in dataclasses.fields(TrainingOptions)}
OF_NETWORK = {each.name for each in dataclasses.fields(Network)}


@pytest.mark.parametrize("action", sorted(set(snippets.ENGINE) - {"zero biases"}))
def test_the_code_of_the_engine_is_arguments_that_it_takes(action):
    code = snippets.code_of(Remedy(action, action, PARAMETERS), OF_ENGINE)
    arguments = eval(f"dict({code})")
    assert arguments
    TrainingOptions(**{key: arguments[key] for key in arguments.keys() & OF_TRAINING})
    network = {key: arguments[key] for key in arguments.keys() & OF_NETWORK}
    gradlab.MLP([4, 4, 4, 2], **network)
    assert arguments.keys() <= OF_TRAINING | OF_NETWORK


def test_zeroed_biases_are_zero():
    model = gradlab.MLP([4, 3, 2])
    model.biases[0][...] = 7.0
    exec(snippets.code_of(Remedy("zero biases", ""), OF_ENGINE), {"model": model})
    assert not np.any(model.biases.flat)


@pytest.mark.parametrize("made", sorted(MADE))
def test_every_remedy_of_a_verdict_has_evidence_and_code_that_can_be_read(made):
    code, run = MADE[made]
    verdict = diagnose(run(), select=[code])
    remedies = [each for finding in verdict.every_finding for each in finding.remedies]
    assert remedies
    assert [each.words for each in remedies if not each.evidence] == []
    for each in remedies:
        compile(f"dict({each.code})" if "=" in each.code else each.code, made, "exec")


@pytest.fixture(scope="module")
def trained():
    torch = pytest.importorskip("torch")
    from gradlab.adapters.torch import watch

    nn = torch.nn
    torch.manual_seed(0)
    model = nn.ModuleDict(
        {
            "my-stem": nn.Linear(4, 8),
            "norm": nn.BatchNorm1d(8, momentum=0.001),
            "heads": nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 2)]),
        }
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.5, weight_decay=10.0, eps=1.0)
    x = torch.randn(32, 4)
    with watch(model, optimizer) as recorder:
        for _ in range(12):
            optimizer.zero_grad()
            hidden = model["norm"](model["my-stem"](x)).relu()
            hidden = model["heads"][0](hidden).relu()
            loss = model["heads"][1](hidden).square().mean()
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss)
    return model, optimizer, recorder.run


def run_code(trained, action, **parameters):
    torch = pytest.importorskip("torch")
    model, optimizer, run = trained
    code = snippets.code_of(Remedy(action, action, parameters), run)
    exec(code, {"torch": torch, "nn": torch.nn, "model": model, "optimizer": optimizer})
    return model, optimizer


@pytest.mark.parametrize("action", sorted(snippets.TORCH))
def test_it_runs_on_the_model_it_was_given_for(trained, action):
    run_code(trained, action, layers=[1, 2], factor=3.0)


def test_weights_are_drawn_in_the_layers_named_and_only_there(trained):
    model = trained[0]
    before = {name: each.detach().clone() for name, each in model.named_parameters()}
    run_code(trained, "initialize", layers=[1, 3], scheme="glorot_normal")
    changed = {name for name, each in model.named_parameters() if not before[name].equal(each)}
    assert changed == {"my-stem.weight", "heads.1.weight"}


@pytest.mark.parametrize(
    ("action", "key", "value"),
    [
        ("lower learning rate", "lr", 0.05),
        ("raise learning rate", "lr", 5.0),
        ("set epsilon", "eps", 1e-8),
        ("lower weight decay", "weight_decay", 0.1),
    ],
)
def test_options_are_set(trained, action, key, value):
    _, optimizer = run_code(trained, action)
    assert optimizer.param_groups[0][key] == pytest.approx(value)


@pytest.mark.parametrize("action", ["raise norm momentum", "lower norm momentum"])
def test_the_momentum_of_norms_is_set(trained, action):
    model, _ = run_code(trained, action)
    assert model["norm"].momentum == 0.1


@pytest.mark.parametrize(
    ("config", "action", "parameters", "there"),
    [
        ({"clip": "norm:most=1"}, "clip gradient", {"norm": 1.0}, True),
        ({"clip": "norm:most=1.01"}, "clip gradient", {"norm": 1.0}, False),
        ({"clip": "value:most=1"}, "clip gradient", {"norm": 1.0}, False),
        ({}, "clip gradient", {"norm": 1.0}, False),
        ({"schedule": "cosine:warmup=50"}, "warm up", {"iterations": 50}, True),
        ({"schedule": "cosine:warmup=49"}, "warm up", {"iterations": 50}, False),
        ({"schedule": "constant"}, "warm up", {"iterations": 50}, False),
        ({"norm": "layer"}, "normalize", {}, True),
        ({}, "normalize", {}, False),
        ({"residual": 1.0}, "add residual connections", {}, True),
        ({}, "add residual connections", {}, False),
        ({"activation": "relu"}, "use activation", {"activation": "relu"}, True),
        ({"activation": "tanh"}, "use activation", {"activation": "relu"}, False),
        ({"optimizer": "adam"}, "use optimizer", {"optimizer": "adam"}, True),
        ({"loss": "huber"}, "use loss", {"losses": ["huber"]}, True),
        ({"loss": "huber"}, "use loss", {"losses": ["huber", "mean_absolute_error"]}, False),
        ({"weight_decay": 0.0}, "lower weight decay", {}, True),
        ({"weight_decay": 0.1}, "lower weight decay", {}, False),
        ({}, "lower weight decay", {}, False),
        ({"init": "he_normal"}, "initialize", {"scheme": "he_normal"}, False),
    ],
)
def test_what_a_training_has_already_is_not_proposed(config, action, parameters, there):
    run = make_run(config=config)
    assert already.has(run, Remedy(action, action, parameters)) is there


@pytest.mark.parametrize(("clipped", "there"), [(1.0, True), (1.01, False), (np.nan, False)])
def test_clipping_that_was_seen_counts(clipped, there):
    run = make_run(steps={"clipped_grad_norm": np.full((20, 2), clipped)}, iterations=20)
    assert already.has(run, Remedy("clip gradient", "", {"norm": 1.0})) is there


@pytest.mark.parametrize(
    ("rates", "there"),
    [
        (np.minimum(1, np.arange(60) / 55), True),
        (np.minimum(1, np.arange(60) / 20), False),
        (np.minimum(1, 0.6 + np.arange(60) / 100), False),
        (np.ones(60), False),
        (np.full(60, np.nan), False),
    ],
    ids=["long", "short", "from more than half", "constant", "not recorded"],
)
def test_a_warm_up_that_was_seen_counts(rates, there):
    run = make_run(steps={"learning_rate": np.tile(rates[:, None], 2)}, iterations=60)
    assert already.has(run, Remedy("warm up", "", {"iterations": 50})) is there


def test_a_rate_can_be_lowered_where_a_warm_up_begins_at_0():
    rates = np.tile(np.arange(20.0)[:, None], 2)
    run = make_run(config={"learning_rate": 0.0}, steps={"learning_rate": rates}, iterations=20)
    assert not already.has(run, Remedy("lower learning rate", "", {"factor": 10.0}))


def test_a_rate_of_0_is_not_lowered():
    run = make_run(
        config={"learning_rate": 0.0}, steps={"learning_rate": np.zeros((20, 2))}, iterations=20
    )
    assert already.has(run, Remedy("lower learning rate", "", {"factor": 10.0}))
