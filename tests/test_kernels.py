"""OpenBLAS's kernels: told, measured, offered; a training comes to the same with any of them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from gradlab.cli import kernels

TRAIN = """
import json, gradlab
run = gradlab.train(gradlab.MLP([64, 32, 32, 10], "tanh"), gradlab.datasets.digits(), iterations=30)
columns = [run.step("loss").ravel().tolist(), run["grad_norm"].ravel().tolist()]
print(json.dumps([*columns, gradlab.cli.kernels.in_use()]))
"""


def trained(name):
    settings = os.environ | {kernels.VARIABLE: name, "OPENBLAS_NUM_THREADS": "1"}
    code = "import gradlab.cli.kernels\n" + TRAIN
    told = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=settings
    )
    return json.loads(told.stdout)


def test_a_training_is_the_same_to_rounding_with_every_kernel_offered():
    found = {name: trained(name) for name in kernels.offered()}
    # it was taken
    assert {name: each[2] for name, each in found.items()} == {name: name for name in found}
    first = next(iter(found.values()))
    for loss, norms, _ in found.values():
        np.testing.assert_allclose(loss, first[0], rtol=1e-4)
        np.testing.assert_allclose(norms, first[1], rtol=1e-3)


def test_every_kernel_offered_is_measured():
    seconds = kernels.measure(kernels.offered(), sizes=(8, 64), rounds=1)
    assert set(seconds) == set(kernels.offered())
    for small, large in seconds.values():
        assert 0 < small < large


@pytest.mark.parametrize(
    ("current", "haswell", "skylake", "says"),
    [
        ("Haswell", 2.0, 1.0, "SkylakeX is 2.00 times as fast: set OPENBLAS_CORETYPE=SkylakeX"),
        ("Zen", 2.0, 1.0, "SkylakeX is 2.00 times as fast"),
        ("SkylakeX", 2.0, 1.0, "SkylakeX is as fast as any"),
        ("SkylakeX", 1.0, 1.09, "SkylakeX is as fast as any"),
        ("SkylakeX", 1.0, 1.11, "Haswell is 1.11 times as fast: set OPENBLAS_CORETYPE=Haswell"),
        ("Cooperlake", 1.0, 1.0, "SkylakeX is as fast as any"),
    ],
)
def test_the_advice_names_what_to_set(current, haswell, skylake, says):
    seconds = {"Haswell": [haswell, 4 * haswell], "SkylakeX": [skylake, 4 * skylake]}
    assert kernels._advice(current, seconds).startswith(says)


@pytest.mark.parametrize(
    ("current", "offered", "environment", "expected"),
    [
        ("Haswell", ("Haswell", "SkylakeX"), {}, True),
        ("Haswell", ("Haswell", "SkylakeX"), {kernels.VARIABLE: "Haswell"}, False),
        ("SkylakeX", ("Haswell", "SkylakeX"), {}, False),
        ("Haswell", ("Haswell",), {}, False),
        (None, ("Haswell", "SkylakeX"), {}, False),
    ],
)
def test_unused_avx512_is_noticed(monkeypatch, current, offered, environment, expected):
    monkeypatch.setattr(kernels, "in_use", lambda: current)
    monkeypatch.setattr(kernels, "offered", lambda: offered)
    monkeypatch.delenv(kernels.VARIABLE, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert kernels.suspicious() is expected


def test_without_openblas_or_avx512_there_is_nothing_to_choose(monkeypatch):
    monkeypatch.setattr(kernels, "in_use", lambda: None)
    assert "nothing to choose" in kernels.summary()[-1]
    monkeypatch.setattr(kernels, "in_use", lambda: "Haswell")
    monkeypatch.setattr(kernels, "offered", lambda: ("Haswell",))
    assert "nothing to choose" in kernels.summary()[-1]
