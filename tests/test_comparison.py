import numpy as np
import pytest

import gradlab
from gradlab import datasets
from gradlab.comparison import plan_cells
from gradlab.comparison.networks import Network
from gradlab.errors import ArgumentError

SETTINGS = {
    "width": 8,
    "seeds": 2,
    "iterations": 20,
    "optimizer": "sgd",
    "learning_rate": 0.03,
    "batch_size": 64,
    "loss": None,
}


@pytest.mark.parametrize(
    ("text", "network", "label"),
    [
        ("sigmoid", Network("sigmoid", "glorot_normal", 1.0), "sigmoid"),
        ("relu", Network("relu", "he_normal", 1.0), "relu"),
        ("relu:glorot_uniform", Network("relu", "glorot_uniform", 1.0), "relu:glorot_uniform"),
        ("relu:he_normal:gain=2", Network("relu", "he_normal", 2.0), "relu x2"),
        ("relu:he_normal:2", Network("relu", "he_normal", 2.0), "relu x2"),
        ("tanh:gain=0.5", Network("tanh", "glorot_normal", 0.5), "tanh x0.5"),
        ("relu:norm=batch", Network("relu", "he_normal", norm="batch"), "relu +batchnorm"),
        ("relu:residual=1", Network("relu", "he_normal", residual=1.0), "relu +skip"),
        (
            "sigmoid:lecun_uniform:gain=2:norm=layer:residual=0.5:dropout=0.1",
            Network("sigmoid", "lecun_uniform", 2.0, "layer", 0.5, 0.1),
            "sigmoid:lecun_uniform x2 +layernorm +skip 0.5 +dropout 0.1",
        ),
    ],
)
def test_networks_are_read(text, network, label):
    assert Network.parse(text) == network
    assert network.label == label


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "activation='' is unknown"),
        ("relu:", "init='' is unknown"),
        ("relu:he_normal:gain=x", "gain=x must be a number above 0"),
        ("relu:gain=2:he_normal", "gain=he_normal must be"),
        ("relu:he_normal:gain=-1", "gain=-1 must be"),
        ("relu:he_normal:0", "gain=0 must be"),
        ("relu:norm=group", "norm='group' is unknown; choose one of: batch, layer"),
        ("relu:dropout=1", "dropout=1 must be a number of at least 0 and below 1"),
        ("relu:residual=0", "residual=0 must be a number above 0"),
        ("relu:bias=1", "cannot be read at 'bias=1'; choose one of: gain, norm, residual, dropout"),
    ],
)
def test_unreadable_networks_are_refused(text, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        Network.parse(text)


def test_what_cannot_be_trained_is_refused_before_anything_is(tmp_path):
    data = datasets.digits(seed=0)
    for arguments, sentence in [
        (
            {"networks": ["relu", "relu:residual=1"], "depths": [1]},
            "residual=1.0 needs two neighbouring",
        ),
        (
            {"networks": ["relu:norm=layer"], "depths": [2], "width": 1},
            "norm='layer' makes a layer of one unit",
        ),
        (
            {"networks": ["relu:norm=batch"], "depths": [2], "batch_size": 1},
            "batch_size=1 leaves BatchNorm",
        ),
        (
            {"networks": ["relu"], "depths": [2], "schedule": "constant:warmup=20"},
            "warms up for 20 iterations",
        ),
        ({"networks": "relu", "depths": [2]}, "networks='relu' must be a list"),
        ({"networks": ["relu"], "depths": 2}, r"depths=2 must be a list, such as \[2, 5, 10\]"),
        (
            {"networks": ["relu"], "depths": [2], "learning_rate": "fast"},
            "learning_rate='fast' must be a number above 0",
        ),
        (
            {"networks": ["relu"], "depths": [2], "class_weights": [1.0, 2.0]},
            "10 finite numbers above 0",
        ),
        (
            {"networks": ["relu"], "depths": [2], "momentum": 0.9},
            "momentum is no option of a comparison",
        ),
    ]:
        with pytest.raises(ArgumentError, match=sentence):
            plan_cells(**{"data": data, **SETTINGS, **arguments})


def test_a_cell_is_known_by_configuration_and_data():
    digits, other = datasets.digits(seed=0), datasets.digits(seed=1)
    one = plan_cells(["relu"], [2], data=digits, **SETTINGS)[0]
    same = plan_cells(["relu:he_normal"], [2], data=digits, **SETTINGS)[0]
    assert one.folder == same.folder
    for change in ({"seeds": 3}, {"learning_rate": 0.04}, {"width": 9}):
        assert plan_cells(["relu"], [2], data=digits, **SETTINGS | change)[0].folder != one.folder
    assert plan_cells(["relu"], [2], data=other, **SETTINGS)[0].folder != one.folder


def test_compare_from_python(tmp_path):
    seen = []
    result = gradlab.compare(
        ["sigmoid", "relu"],
        [1, 2],
        width=8,
        seeds=2,
        iterations=20,
        jobs=2,
        runs=tmp_path,
        on_cell=seen.append,
    )
    assert [(c.plan.network.label, c.plan.depth) for c in result.cells] == [
        ("sigmoid", 1),
        ("sigmoid", 2),
        ("relu", 1),
        ("relu", 2),
    ]
    assert len(seen) == 4
    frame = result.to_frame()
    assert list(frame.columns) == ["network", "depth", "outcome", "verdict", "cause", "accuracy"]
    assert result.cell("relu:he_normal", 2).run.shape == (20, 2, 3)
    assert result.to_dict()["runs"][0]["name"] == "sigmoid depth 1"
    with pytest.raises(ArgumentError, match="no cell with network='relu', depth=9"):
        result.cell("relu", 9)


def test_processes_change_nothing(tmp_path):
    """The same cell in this process and in a worker: bit for bit the same record."""
    grids = [
        gradlab.compare(
            ["tanh"], [1, 3], width=8, seeds=2, iterations=15, jobs=jobs, runs=tmp_path / str(jobs)
        )
        for jobs in (1, 2)
    ]
    for one, other in zip(*(grid.cells for grid in grids), strict=True):
        for name in ("delta_norm", "weight_norm", "update_norm"):
            np.testing.assert_array_equal(one.run[name], other.run[name])


@pytest.fixture(scope="module")
def default_depths(tmp_path_factory):
    """The default comparison, shortened: what issue and README promise of it must hold."""
    return gradlab.compare(
        depths=[2, 5, 10, 20], seeds=4, iterations=300, runs=tmp_path_factory.mktemp("runs")
    )


@pytest.mark.parametrize("depth", [5, 10, 20])
def test_deep_sigmoid_nets_vanish_by_their_slope(default_depths, depth):
    root = default_depths.cell("sigmoid", depth).diagnosis.findings[0]
    assert (root.rule, root.severity) == ("GL101", "error")
    assert root.cause["dominant"] == "slope"


@pytest.mark.parametrize("depth", [2, 5, 10, 20])
@pytest.mark.parametrize("network", ["tanh", "relu"])
def test_tanh_and_relu_are_healthy(default_depths, network, depth):
    diagnosis = default_depths.cell(network, depth).diagnosis
    assert diagnosis.ok, str(diagnosis)


@pytest.mark.parametrize("depth", [10, 20])
def test_twice_the_weights_explode_by_their_scale(default_depths, depth):
    root = default_depths.cell("relu x2", depth).diagnosis.findings[0]
    assert root.rule in ("GL102", "GL203", "GL001")
    assert root.cause["dominant"] == "weight"


@pytest.mark.parametrize("network", ["sigmoid", "tanh", "relu"])
def test_theory_predicts_the_gradient_at_initialization(default_depths, network):
    from gradlab import theory

    run = default_depths.cell(network, 20).run
    config = run.config
    prediction = theory.predict(
        config["sizes"],
        config["activation"],
        config["init"],
        gain=config["gain"],
        q_input=config["input_rms"] ** 2,
    )
    delta = run["delta_norm"][0]
    measured = np.log(delta[:, 0] / delta[:, -1]).mean()
    assert prediction.lower[0] <= measured <= prediction.upper[0]
