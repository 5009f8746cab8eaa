"""The edge of chaos, against tanh's slope at 0 and a simulation without gradlab."""

import numpy as np
import pytest

from experiments import phase_diagram
from tests.experiments.pages import check_page


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return phase_diagram.run(quick=True, runs=tmp_path_factory.mktemp("runs"))


def simulated_factor(gain, width=400, layers=40, seed=0):
    """What a layer multiplies a gradient by, deep in one wide random tanh net."""
    random = np.random.default_rng(seed)
    h = random.standard_normal(width)
    slopes, weights = [], []
    for _ in range(layers):
        weights.append(random.standard_normal((width, width)) * gain / np.sqrt(width))
        h = np.tanh(h @ weights[-1])
        slopes.append(1 - h**2)
    gradient, norms = random.standard_normal(width), []
    for weight, slope in zip(weights[::-1], slopes[::-1], strict=True):
        gradient = (gradient * slope) @ weight.T
        norms.append(np.linalg.norm(gradient))
    return (norms[19] / norms[4]) ** (1 / 15)  # away from both ends


def test_the_edge_is_where_the_slope_at_zero_and_the_scale_cancel(result):
    """tanh'(0) = 1, so that chi = gain^2 while the signal dies out."""
    assert result.critical == pytest.approx(1.0, abs=1e-6)
    assert phase_diagram.theory_factor(0.5) == pytest.approx(0.5, rel=1e-6)
    assert phase_diagram.scale(0.5) == pytest.approx(1 / np.log(4.0), rel=1e-6)


@pytest.mark.parametrize("gain", [1.5, 2.0, 3.0])
def test_theory_is_what_a_wide_random_net_does(gain):
    assert phase_diagram.theory_factor(gain) == pytest.approx(simulated_factor(gain), rel=0.06)


@pytest.mark.parametrize(
    ("gain", "depth", "phase"),
    [
        (0.5, 4, "trainable"),  # 6 / ln 4 = 4.33
        (0.5, 5, "ordered"),
        (1.0, 1000, "trainable"),
        (3.0, 20, "chaotic"),
    ],
)
def test_phases(gain, depth, phase):
    assert phase_diagram.phase(gain, depth, 1.0) == phase


def made(accuracy):
    """Return a result of one depth, 35, with these accuracies at gains 0.4, 1, 1.1 and 3."""
    gains, column = (0.4, 1.0, 1.1, 3.0), np.array(accuracy)[:, None]
    factor = np.ones_like(column)
    return phase_diagram.Result(gains, (35,), column, factor, 1.0, None)


@pytest.mark.parametrize(
    ("accuracy", "best"),
    [
        ([0.08, 0.09, 0.62, 0.11], 1.1),
        ([0.08, 0.62, 0.09, 0.11], 1.0),
        ([np.nan, np.nan, np.nan, 0.2], 3.0),
    ],
)
def test_the_answer_names_the_scale_that_was_best_in_deep_nets(accuracy, best):
    assert phase_diagram.best_gain(made(accuracy)) == best


def test_the_answer_claims_no_more_for_the_critical_scale_than_was_measured():
    answer = phase_diagram.article(made([0.08, 0.09, 0.62, 0.11])).answer
    assert "does best at 1.1: right in 62 % of cases, against 8 % at 0.4 and 11 % at 3" in answer


def test_deep_nets_learn_at_the_edge_alone(result):
    """Guessing one of ten digits is right in a tenth of cases."""
    shallow, deep = result.accuracy.T
    assert shallow.min() > 0.5
    assert deep[0] < 0.3
    assert deep[1] > 0.6
    assert not deep[2] > deep[1] - 0.2
    assert phase_diagram.deepest(result, 1.0) == 20
    assert phase_diagram.deepest(result, 0.5) == 2


def test_the_gradient_shows_the_phases_before_any_training(result):
    ordered, edge, chaotic = result.factor[:, -1]
    assert ordered == pytest.approx(0.5, rel=0.05)
    assert edge == pytest.approx(1.0, abs=0.15)
    assert chaotic == pytest.approx(simulated_factor(3.0), rel=0.1)


def test_the_map_and_its_curves_share_one_axis(result):
    squares, *curves = phase_diagram.article(result).sections[0].figure.data
    assert list(squares.x) == [0, 1]
    assert [0 <= x <= 1 for curve in curves for x in curve.x].count(False) == 0
    assert phase_diagram._place((2, 8), 4.0) == pytest.approx(0.5)  # half way by its logarithm
    assert phase_diagram._place((2, 8), 9.0) is None


def test_the_page_holds(result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    article = check_page(phase_diagram, result)
    assert article.facts["critical"] == pytest.approx(1.0, abs=1e-6)
    assert "With 20 hidden layers a tanh network does best at 1: right in" in article.answer
