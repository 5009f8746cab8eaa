"""Remedies: data, and words of the framework that a run comes from."""

import json

import pytest

from gradlab.diagnosis import diagnose
from gradlab.rules import expressions, remedies
from gradlab.run import Run
from tests.rules.runs import make_run

ROWS = [  # name, path of the module, class of the module
    ("embed", "embed", "Embedding"),
    ("blocks.3.up", "blocks.3.up", "Linear"),
    ("my-heads.0", "my-heads.0", "Linear"),
    ("attn.in_proj_weight", "attn", "MultiheadAttention"),
    ("Linear", "", "Linear"),
    ("cls_token", "", "VisionTransformer"),
    ("blocks.3.norm.bias", "blocks.3.norm", "LayerNorm"),
]


def of_torch(rate=0.1):
    run = make_run(layers=len(ROWS))
    layers = [
        {"fan_in": 64, "fan_out": 64, "name": name, "path": path, "owner": owner}
        for name, path, owner in ROWS
    ]
    return Run.from_arrays(
        {"grad_norm": run["grad_norm"]},
        layers=layers,
        config={"framework": "torch", "learning_rate": rate, "optimizer": "adam"},
    )


OF_ENGINE = make_run(config={"learning_rate": 0.1, "optimizer": "adam:beta1=0.8"})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "model"),
        ("head", "model.head"),
        ("0", "model[0]"),
        ("blocks.3.up", "model.blocks[3].up"),
        ("heads.my-task", 'model.heads["my-task"]'),
        ("layers.class", 'model.layers["class"]'),
    ],
)
def test_a_path_becomes_the_expression_that_a_person_would_type(path, expected):
    assert expressions.expression(path) == expected


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (2, "model.blocks[3].up.weight"),
        (3, 'model["my-heads"][0].weight'),
        (4, "model.attn.in_proj_weight"),
        (5, "model.weight"),
        (6, "model.cls_token"),
        (7, "model.blocks[3].norm.bias"),
    ],
)
def test_the_weights_of_a_layer_as_code(layer, expected):
    assert expressions.weight_of(of_torch(), layer) == expected


@pytest.mark.parametrize(
    ("make", "in_torch", "in_engine"),
    [
        (
            lambda run: remedies.initialize(run, (2,), "he_normal"),
            'initialize: nn.init.kaiming_normal_(model.blocks[3].up.weight, nonlinearity="relu")',
            'initialize with init="he_normal"',
        ),
        (
            lambda run: remedies.initialize(run, (2, 3), "glorot_normal"),
            "initialize: nn.init.xavier_normal_(model.blocks[3].up.weight), "
            "and the other layers named alike",
            'initialize with init="glorot_normal"',
        ),
        (
            lambda run: remedies.lower_learning_rate(run, 10),
            "lower the learning rate tenfold (lr=0.01)",
            "lower the learning rate tenfold (learning_rate=0.01)",
        ),
        (
            lambda run: remedies.raise_learning_rate(run, 3),
            "raise the learning rate by the factor 3 (lr=0.3)",
            "raise the learning rate by the factor 3 (learning_rate=0.3)",
        ),
        (
            remedies.clip,
            "clip the gradient by its norm, nn.utils.clip_grad_norm_(model.parameters(), 1) "
            "before optimizer.step()",
            'clip the gradient by its norm, clip="norm:most=1"',
        ),
        (
            lambda run: remedies.warm_up(run, 100),
            "warm the learning rate up: LinearLR(optimizer, start_factor=0.01, total_iters=100)",
            'warm the learning rate up: schedule="constant:warmup=100"',
        ),
        (
            lambda run: remedies.set_epsilon(run, 1e-10),
            "set epsilon to 1e-10 (eps=1e-10 in the optimizer)",
            'set epsilon to 1e-10 (optimizer="adam:epsilon=1e-10")',
        ),
        (
            lambda run: remedies.use_activation(run, "tanh"),
            "use nn.Tanh() with nn.init.xavier_normal_",
            "use tanh with glorot_normal",
        ),
        (
            lambda run: remedies.unfreeze(run, (2,)),
            "model.blocks[3].up.weight.requires_grad_(True)",
            "let the weights of layer 2 move",
        ),
        (
            lambda run: remedies.use_loss(run, "huber"),
            "use a robust loss: nn.HuberLoss()",
            "use a robust loss: huber",
        ),
    ],
)
def test_a_remedy_speaks_the_users_framework(make, in_torch, in_engine):
    assert str(make(of_torch())) == in_torch
    assert str(make(OF_ENGINE)) == in_engine
    assert make(of_torch()).action == make(OF_ENGINE).action


def test_a_remedy_is_data():
    remedy = remedies.lower_learning_rate(OF_ENGINE, 4, evidence="measured")
    assert remedy.to_dict() == {
        "action": "lower learning rate",
        "parameters": {"factor": 4},
        "words": "lower the learning rate by the factor 4 (learning_rate=0.025)",
        "evidence": "measured",
        "code": "",
    }


def test_a_factor_beyond_all_numbers_is_no_number_in_words_or_data():
    remedy = remedies.lower_learning_rate(OF_ENGINE, float("inf"))
    assert remedy.words == "lower the learning rate"
    assert json.dumps(remedy.to_dict(), allow_nan=False)


def test_an_unknown_rate_is_not_guessed():
    remedy = remedies.lower_learning_rate(make_run(), 10)
    assert remedy.words == "lower the learning rate tenfold"


def test_a_diagnosis_writes_remedies_as_data():
    (finding,) = diagnose(make_run(steps={"loss": 2.3}), select=["GL402"]).to_dict()["findings"]
    assert {tuple(remedy) for remedy in finding["remedies"]} == {
        ("action", "parameters", "words", "evidence", "code")
    }
