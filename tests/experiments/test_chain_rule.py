import numpy as np
import pytest

from experiments import chain_rule
from tests.experiments.pages import check_page


@pytest.fixture(scope="module")
def result():
    return chain_rule.run(quick=True)


def test_the_net_is_the_courses(result):
    assert [w.shape for w in result.model.weights] == [(4, 3), (3, 2), (2, 1)]
    assert sum(w.size for w in result.model.weights) == 20
    assert [len(each.paths) for each in result.sums] == [1, 1, 2]


def test_paths_add_up_to_backpropagation_for_all_twenty_weights(result):
    assert result.worst < 1e-12


def test_the_derivatives_are_those_of_the_formula_written_out(result):
    """The course's expressions, typed by hand from the network's weights."""

    def sigma(z):
        return 1 / (1 + np.exp(-z))

    w1, w2, w3 = result.model.weights
    o1 = sigma(chain_rule.X @ w1)
    o2 = sigma(o1 @ w2)
    error = 2 * (o2 @ w3 - chain_rule.Y)[0]
    by_hand = [
        error * o2[0],
        error * w3[0, 0] * o2[0] * (1 - o2[0]) * o1[0],
        error
        * sum(w3[j, 0] * o2[j] * (1 - o2[j]) * w2[0, j] for j in range(2))
        * o1[0]
        * (1 - o1[0])
        * chain_rule.X[0],
    ]
    np.testing.assert_allclose([each.value for each in result.sums], by_hand, rtol=1e-12)


def test_the_page(result):
    page = check_page(chain_rule, result)
    assert f"{result.sums[2].value:.6f}" in page.answer
    tables = [section.table for section in page.sections if section.table is not None]
    assert [len(table) for table in tables] == [3, 5, 14]
