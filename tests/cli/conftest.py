"""A folder of one's own for each test, and recorded runs."""

import numpy as np
import pytest

from tests.rules.runs import make_run


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def healthy(tmp_path):
    return make_run().save(tmp_path / "healthy")


@pytest.fixture
def warned(tmp_path):
    p = np.ones((60, 4, 4))
    p[:, :1, 0] = 1e-9
    return make_run(60, 4, per_example_grad_norm=p).save(tmp_path / "warned")


@pytest.fixture
def sick(tmp_path):
    return make_run(20, delta_norm=np.nan).save(tmp_path / "sick")


@pytest.fixture
def vanished(tmp_path):
    """A run whose first layer cannot change the loss."""
    p = np.array([1e-9, 1, 1, 1])
    return make_run(
        steps={"loss": 1.0}, config={"baseline_loss": 10.0}, per_example_grad_norm=p
    ).save(tmp_path / "v")
