"""`gradlab.fix` on small trainings of the built-in engine."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

import gradlab
from gradlab.errors import ArgumentError, RunError
from gradlab.fixes import engine
from gradlab.fixes.changes import OPTIONS, changes_for
from gradlab.fixes.setup import Setup
from gradlab.rules import Remedy
from gradlab.run import load

TRAINING = {"learning_rate": 0.05, "batch_size": 32, "iterations": 120}


@pytest.fixture(scope="module")
def data():
    return gradlab.datasets.digits()


def trained(data, activation="relu", depth=3, **options):
    network = {key: options.pop(key) for key in ("init", "gain", "norm") if key in options}
    network = {"init": "he_normal", **network}
    model = gradlab.MLP(
        [data.n_features, *[32] * depth, data.n_outputs], activation, replicates=2, **network
    )
    return gradlab.train(model, data, **(TRAINING | options))


@pytest.fixture(scope="module")
def small_weights(data):
    return trained(data, "tanh", depth=14, init="glorot_normal", gain=0.5)


@pytest.fixture(scope="module")
def result(small_weights):
    return gradlab.fix(small_weights)


def test_weights_that_are_too_small_are_drawn_anew(result):
    assert result.cured
    assert result.winner is result.trials[0]
    assert result.winner.changes[0].remedy.action == "initialize"
    assert result.diff["gain"] == (0.5, 1.0)


def test_before_is_the_recorded_training_again(small_weights, result):
    again = result.before.run
    assert np.array_equal(again["grad_norm"], small_weights["grad_norm"], equal_nan=True)
    assert np.array_equal(again.step("loss"), small_weights.step("loss"))


def test_the_winner_learns_on_held_out_data_by_a_count_of_our_own(result, data):
    names = {}
    exec(result.code, names)
    answers = names["model"].predict(data.x_test).argmax(axis=-1)
    shares = (answers == data.y_test).mean(axis=-1)
    assert result.winner.score.value == pytest.approx(np.median(shares))
    assert np.median(shares) > 0.5


def test_trials_start_from_the_same_seeds_with_the_same_batches(data):
    run = trained(data, learning_rate=20.0)
    result = gradlab.fix(run, budget=1)
    first, before = (trial.run for trial in (result.trials[0], result.before))
    assert np.array_equal(first["weight_norm"][0], before["weight_norm"][0])
    assert first.step("loss")[0].tolist() == before.step("loss")[0].tolist()


def test_the_code_of_the_winner_runs_and_gives_its_losses(result):
    names = {}
    exec(result.code, names)
    assert np.array_equal(names["run"].step("loss"), result.winner.run.step("loss"))
    assert names["run"].config["gain"] == 1.0


def test_what_is_printed_ends_with_the_line_to_change(result):
    last = str(result).splitlines()[-1]
    assert last == f"change: {result.lines[0]}"
    assert 'init="glorot_normal", gain=1' in last


def test_what_is_printed_holds_a_row_a_trial_and_the_winner_first(result):
    rows = result.rows()
    assert len(rows) == 1 + len(result.trials)
    assert rows[0][0].startswith("* ")
    assert rows[1][0] == "as it was"


def test_plain_data_can_be_written_as_json_and_hold_both_curves(result):
    written = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert written["cured"] is True
    assert written["winner"]["loss"][-1][1] < written["before"]["loss"][-1][1]


def test_a_healthy_run_needs_nothing(data):
    result = gradlab.fix(trained(data))
    assert result.trials == ()
    assert result.headline.startswith("nothing to fix")


def test_data_that_say_nothing_are_not_cured_and_what_was_tried_is_said():
    rng = np.random.default_rng(0)
    noise = gradlab.datasets.split(
        "noise", rng.normal(size=(2000, 8)), rng.integers(0, 4, 2000), seed=0
    )
    result = gradlab.fix(trained(noise, learning_rate=0.02), noise, budget=6)
    assert not result.cured
    assert result.trials
    assert result.headline.startswith("nothing helped: ")


def test_what_was_done_to_the_model_is_done_again_and_can_be_taken_back(data):
    model = gradlab.MLP([64, 32, 32, 32, 10], "relu", init="he_normal", replicates=2)
    push_down(model)
    run = gradlab.train(model, data, **TRAINING)
    result = gradlab.fix(run, prepare=push_down)
    assert result.winner.changes[0].remedy.action == "zero biases"
    assert result.winner.changes[0].line == "model.biases.flat.fill(0)"


def push_down(model):
    model.biases[1][...] = -40.0


def test_a_run_that_cannot_be_built_again_is_not_searched(data):
    model = gradlab.MLP([64, 32, 32, 32, 10], "relu", init="he_normal", replicates=2)
    push_down(model)
    run = gradlab.train(model, data, **TRAINING)
    with pytest.raises(RunError, match="give prepare="):
        gradlab.fix(run)


def test_data_are_found_by_name_and_fingerprint():
    data = gradlab.datasets.digits(seed=3)
    run = trained(data, iterations=20)
    assert engine.data_of(run).fingerprint == data.fingerprint


def test_data_that_cannot_be_found_are_asked_for():
    data = gradlab.datasets.blobs(100, classes=2, features=3, spread=1.0, seed=0)
    with pytest.raises(ArgumentError, match="give them"):
        gradlab.fix(trained(data, iterations=5))


def test_a_run_of_another_framework_is_refused(small_weights):
    config = small_weights.config | {"framework": "torch"}
    foreign = SimpleNamespace(name="foreign", config=config)
    with pytest.raises(ArgumentError, match=r"adapters\.torch\.fix"):
        Setup.of(foreign)


@pytest.mark.parametrize("name", ["budget", "seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_bounds_are_above_0(small_weights, name, value):
    with pytest.raises(ArgumentError, match=name):
        gradlab.fix(small_weights, **{name: value})


def setup_of(data, **options):
    return Setup.of(trained(data, iterations=2, **options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "adam:epsilon=0.5", "schedule": "cosine:warmup=1", "clip": "norm:most=2"},
        {"optimizer": "adamw:weight_decay=0.5:beta1=0.8", "l2": 0.01, "norm": "layer"},
        {"optimizer": "momentum:momentum=0.5", "class_weights": "balanced", "norm": "batch"},
        {"label_smoothing": 0.1, "l1": 0.001, "gain": 2.0, "init": "orthogonal"},
    ],
)
def test_a_setup_is_read_from_a_record_whole(data, options, tmp_path):
    run = trained(data, iterations=3, out=tmp_path / "run", **options)
    setup = Setup.of(load(tmp_path / "run"))
    again = gradlab.train(setup.model(), data, **dataclasses.asdict(setup.options))
    assert again.config == run.config
    assert np.array_equal(again.step("loss"), run.step("loss"))


def test_no_change_is_proposed_that_the_training_has_already(data):
    setup = setup_of(data, norm="layer", clip="norm:most=1")
    assert changes_for(Remedy("normalize", "norms"), setup) == []
    assert changes_for(Remedy("clip gradient", "clip", {"norm": 1.0}), setup) == []
    assert changes_for(Remedy("clip gradient", "clip", {"norm": 0.5}), setup) != []


@pytest.mark.parametrize("action", sorted(OPTIONS))
def test_the_line_of_every_change_can_be_typed(data, action):
    parameters = {
        "factor": 7.0,
        "epsilon": 1e-9,
        "max_norm": 3.0,
        "optimizer": "adam",
        "losses": ["huber"],
        "activation": "elu",
        "iteration": 40,
        "gain": 1.0,
    }
    setup = setup_of(
        data,
        optimizer="adamw:epsilon=0.1",
        clip="norm:most=0.1",
        l2=0.001,
        schedule="cosine:warmup=1",
    )
    setup = dataclasses.replace(setup, activation="sigmoid").training(
        loss="squared_error", iterations=100, schedule="constant:warmup=90"
    )
    assert changes_for(Remedy(action, action), setup) or action in ("use activation", "stop early")
    found = changes_for(Remedy(action, action, parameters), setup)
    assert found
    for each in found:
        compile(
            each.line.replace(", ", "\n").replace(" and nothing", "  # nothing"), "line", "exec"
        )


def test_a_lower_rate_is_the_remedys_factor_and_else_a_tenth(data):
    setup = setup_of(data, learning_rate=0.6)
    found = changes_for(Remedy("lower learning rate", "lower", {"factor": 3}), setup)
    assert [each.apply(setup).options.learning_rate for each in found] == [0.2, 0.06]


def test_a_short_training_warms_up_within_itself(data):
    options = setup_of(data).training(iterations=400, schedule="cosine:warmup=200").options
    assert engine._shortened(options, 100).schedule == "cosine:warmup=50"
    assert engine._shortened(options, 400) is options
