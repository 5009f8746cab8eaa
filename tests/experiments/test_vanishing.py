import numpy as np
import pytest

import gradlab
from experiments import vanishing
from tests.experiments.pages import check_page


@pytest.fixture(scope="module")
def result():
    return vanishing.run(quick=True)


def test_the_lectures_update_and_where_it_is_lost(result):
    assert result.updated["float64"] == pytest.approx(2.499, abs=1e-15)
    assert result.updated["float32"] == np.float32(2.499)
    assert result.updated["float16"] == np.float16(2.499)
    assert result.updated["bfloat16"] == 2.5


def test_rounding_is_that_of_the_formats():
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).normal(size=2000) * np.exp2(
        np.random.default_rng(1).integers(-10, 10, 2000)
    )
    values = np.append(
        values, [2.5, 2.4921875 + 2**-8, 1.0 + 2**-8, 1.0 + 3 * 2**-8]
    )  # ties go to even
    ours = {
        bits: [vanishing.rounded(float(value), bits) for value in values] for bits in (7, 10, 23)
    }
    np.testing.assert_array_equal(ours[7], torch.tensor(values).to(torch.bfloat16).double().numpy())
    normal = np.abs(values) > 1e-4  # float16's subnormal numbers have fewer bits
    np.testing.assert_array_equal(
        np.array(ours[10])[normal], values.astype(np.float16).astype(float)[normal]
    )
    np.testing.assert_array_equal(ours[23], values.astype(np.float32).astype(float))


def test_the_factors_multiply_to_the_measured_ratio(result):
    delta = result.sigmoid["delta_norm"][0]
    measured = np.exp(np.log(delta[:, 0] / delta[:, -1]).mean())
    assert result.left == pytest.approx(measured, rel=1e-9)
    assert (result.factors["sigmoid"] < 0.35).all()
    assert result.left < 1e-10


def test_the_ratio_is_the_one_theory_predicts(result):
    config = result.sigmoid.config
    theory = gradlab.theory.predict(
        config["sizes"], "sigmoid", "glorot_normal", q_input=config["input_rms"] ** 2
    )
    assert theory.lower[0] < np.log(result.left) < theory.upper[0]


def test_only_the_relu_net_moves_its_first_layer(result):
    assert result.moved["sigmoid"][0] < 1e-6
    assert result.moved["relu"][0] > 1e-3
    assert gradlab.diagnose(result.sigmoid).findings[0].rule == "GL101"
    assert gradlab.diagnose(result.relu).ok


def test_the_page(result):
    page = check_page(vanishing, result)
    assert f"{result.left:.0e}" in page.answer
