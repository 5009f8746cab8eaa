import numpy as np
import pytest

import gradlab
from experiments import exploding
from tests.experiments.pages import check_page


@pytest.fixture(scope="module")
def result():
    return exploding.run(quick=True)


def test_the_lectures_trajectory_is_a_runaway():
    assert pytest.approx((8.6, 89.8)) == exploding.STEPS
    assert pytest.approx(10.442, abs=5e-4) == exploding.RATIO
    assert pytest.approx(1038.3, abs=0.05) == exploding.NEXT


def test_the_runaway_repeats_the_lectures_steps(result):
    way = exploding.trajectory(result.runaway)
    np.testing.assert_allclose(np.diff(way)[:3], [8.6, 89.8, 89.8 * 89.8 / 8.6], rtol=1e-9)


def test_the_overshoot_is_gradient_descent_past_two_over_lambda(result):
    rate, curvature = result.overshoot.config["learning_rate"], result.curvature
    assert rate > 2 / curvature
    distance = exploding.trajectory(result.overshoot) - 3.0  # the minimum is at w* = 3
    np.testing.assert_allclose(distance[1:] / distance[:-1], 1 - rate * curvature, rtol=1e-9)
    h, loss = 1e-3, lambda w: np.mean((w * np.array([1.0, -1.0]) - 3 * np.array([1.0, -1.0])) ** 2)
    assert (loss(3 + h) - 2 * loss(3) + loss(3 - h)) / h**2 == pytest.approx(curvature, rel=1e-6)


def test_the_record_tells_them_apart(result):
    (ran, same), (over, opposite) = (
        exploding.recorded(result.runaway),
        exploding.recorded(result.overshoot),
    )
    np.testing.assert_allclose(ran[:3], exploding.RATIO, rtol=1e-6)
    np.testing.assert_allclose(over[:3], exploding.RATIO, rtol=1e-6)
    np.testing.assert_allclose(same[:3], 1, atol=1e-12)
    np.testing.assert_allclose(opposite[:3], -1, atol=1e-12)


def test_the_overshoot_is_told_and_the_runaway_laid_to_its_data(result):
    runaway, overshoot = (
        gradlab.diagnose(run).findings[0] for run in (result.runaway, result.overshoot)
    )
    assert (runaway.rule, overshoot.rule) == ("GL404", "GL303")  # targets out of reach
    assert "overshoot" in overshoot.message


def test_the_deep_net_grows_by_about_two_a_layer(result):
    assert len(result.factors) == 20
    assert 1.7 < result.grown ** (1 / 20) < 2.3
    theory = gradlab.theory.predict(result.deep.config["sizes"], "relu", "he_normal", 2.0)
    assert theory.lower[0] - 1 < np.log(result.grown) < theory.upper[0] + 1
    diagnosis = gradlab.diagnose(result.deep)
    assert diagnosis.findings[0].rule == "GL102"
    assert diagnosis.findings[0].cause["dominant"] == "weight"


def test_the_page(result):
    page = check_page(exploding, result)
    assert f"{exploding.RATIO:.2f}" in page.answer
