"""A folder of one's own for each test, and recorded runs."""

import numpy as np
import pytest

from gradlab.rules import Finding, Rule
from tests.rules.runs import make_run


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def healthy(tmp_path):
    return make_run().save(tmp_path / "healthy")


@pytest.fixture
def run_with(tmp_path, monkeypatch):
    """Make a run whose only finding, at layer 1, has the severity that is asked for."""

    class Odd(Rule):
        """Finds every run odd."""

        code, name, summary = "XX001", "odd", "every run"

        def judge(self, run):
            seeds = {"hit": 1, "total": 1, "which": [0]}
            severity = run.config["severity"]
            return Finding("XX001", "odd", severity, (1,), (0, 9), seeds, 1.0, 0.0, "It is odd.")

    for place in ("judge", "project"):
        monkeypatch.setattr(f"gradlab.diagnosis.{place}.registry", lambda: {"XX001": Odd()})

    def make(severity):
        return make_run(config={"severity": severity}).save(tmp_path / severity)

    return make


@pytest.fixture
def sick(tmp_path):
    return make_run(20, delta_norm=np.nan).save(tmp_path / "sick")
