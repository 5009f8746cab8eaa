import numpy as np
import pytest

from experiments import batch_size
from tests.experiments.pages import check_page


@pytest.fixture(scope="module")
def result():
    return batch_size.run(quick=True)


def test_the_lowest_point_is_least_squares(result):
    data = batch_size.problem(2000)
    design = np.hstack([data.x_train, np.ones((2000, 1))])
    solution, residual, *_ = np.linalg.lstsq(design, data.y_train)
    np.testing.assert_allclose(result.solution, solution, rtol=1e-10)
    assert result.floor == pytest.approx(residual.item() / 2000)


def test_gradient_descent_is_its_closed_form(result):
    """w_t - w* = (I - eta H)^t (w_0 - w*), and the quadratic is the loss itself."""
    way = result.ways[result.points]
    start = np.append(batch_size.START, 0.0) - result.solution
    step = np.eye(3) - batch_size.LEARNING_RATE * result.hessian
    for t in (1, 10, 100):
        place = result.solution + np.linalg.matrix_power(step, t) @ start
        np.testing.assert_allclose(way.weights[t], place[:2], rtol=1e-9)
        data = batch_size.problem(2000)
        loss = np.mean((data.x_train @ place[:2] + place[2] - data.y_train) ** 2)
        assert way.loss[t] == pytest.approx(loss, rel=1e-9)


def test_noise_follows_the_root_of_the_batch(result):
    for size, (measured, theory) in result.noise.items():
        # the sample deviation of 400 draws is off by 1 / sqrt(800) = 3.5 %; heavy tails double that
        # for single examples
        assert measured == pytest.approx(theory, rel=0.25 if size == 1 else 0.15), size


def test_small_batches_end_higher(result):
    def floor(size):
        return np.median(result.ways[size].loss[-50:]) - result.floor

    # The gradient's noise has a variance of 1 / batch, and all examples together have none.
    assert floor(1) > 4 * floor(32)
    assert floor(32) > 4 * floor(256)
    assert floor(256) > 1e6 * floor(result.points)


def test_batches_need_as_many_steps_but_less_work(result):
    whole, hundred = result.reached(result.points), result.reached(100)
    assert abs(hundred - whole) < 0.3 * whole
    assert hundred * 100 < 0.2 * whole * result.points


def test_a_stall_of_the_machine_leaves_no_mark():
    places, loss = np.zeros((4, 2)), np.zeros(4)
    walks = [
        batch_size.Way(places, loss, np.array(seconds)) for seconds in ([0, 1, 9, 10], [0, 5, 7, 8])
    ]
    np.testing.assert_array_equal(batch_size._undisturbed(walks).seconds, [0, 1, 3, 4])


def test_an_epoch_of_ten_thousand_points_in_batches_of_a_hundred_is_a_hundred_steps(result):
    table = check_page(batch_size, result).sections[2].table.set_index("examples a step")
    assert table.loc["100", "steps an epoch"] == "20"  # of 2,000 points in this short form
    assert -(-batch_size.POINTS // 100) == 100
