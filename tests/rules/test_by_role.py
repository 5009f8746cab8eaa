"""Layers held against their like in other blocks, and residual streams without a norm."""

import numpy as np
import pytest

from gradlab.rules.by_role import APART, apart_at_the_start, norms_for_a_bare_stream
from gradlab.run import Run


def of_blocks(norms, blocks=None):
    """Six blocks of one layer each, of these initial weight norms."""
    layers = [
        {"name": f"h.{k}.mlp.fc", "block": f"h.{k}", "role": "mlp.fc"} for k in range(len(norms))
    ]
    weight = np.array(norms, float) * np.ones((2, 1, len(norms)))
    return Run.from_arrays({"weight_norm": weight}, layers=layers, blocks=blocks or ())


def test_weights_far_larger_than_their_like_are_to_be_initialized_as_these():
    found = apart_at_the_start(of_blocks([2, 2, 2, 2, 1000, 1000]), (5, 6))
    assert found.action == "initialize"
    assert str(found) == (
        "initialize mlp.fc in h.4 and h.5 as in the other blocks: these weights started 500 times "
        "as large"
    )


@pytest.mark.parametrize(("times", "told"), [(APART, False), (APART + 0.1, True)])
def test_weights_a_little_larger_are_no_reason(times, told):
    run = of_blocks([1, 1, 1, 1, times])
    assert (apart_at_the_start(run, (5,)) is not None) is told


def test_too_few_blocks_have_no_usual_weights():
    assert apart_at_the_start(of_blocks([1, 1, 100]), (3,)) is None
    assert apart_at_the_start(of_blocks([1, 1, 1, 100]), (4,)) is not None


def test_one_of_the_layers_that_is_like_the_others_speaks_against_it():
    assert apart_at_the_start(of_blocks([1, 1, 1, 1, 100]), (4, 5)) is None


@pytest.mark.parametrize(
    ("norms", "told"), [(("none", "none"), True), (("none", "before"), False), (("", ""), False)]
)
def test_a_stream_without_any_norm_gets_some(norms, told):
    blocks = [{"block": f"h.{k}", "norm": norm} for k, norm in enumerate(norms)]
    found = norms_for_a_bare_stream(of_blocks([1, 1], blocks))
    assert (found is not None) is told
    assert not told or "1/sqrt(4)" in str(found)
