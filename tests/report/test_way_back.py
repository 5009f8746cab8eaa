"""The gradient's way back: by block where the net has a stream, else by layer."""

import numpy as np
import pytest

from gradlab.report.one_run import sparkline_values
from gradlab.report.way_back import chains, way_back
from gradlab.run import Run
from tests.report.test_data import made, only
from tests.report.test_pictures import of_blocks

STREAM = {"stream_grad_norm": np.array([8.0, 4.0, 2.0, 1.0]) * np.ones((3, 1, 4))}


def test_with_a_stream_the_places_are_blocks():
    way = way_back(of_blocks(block_signals=STREAM))
    assert way is not None
    assert way.by_block
    assert way.places == ["blocks.0", "blocks.1", "blocks.2", "blocks.3"]
    assert way.decades == pytest.approx(np.log10([8, 4, 2, 1]))
    assert way.arrives == pytest.approx(np.log10(8))


def test_without_a_stream_the_places_are_layers():
    way = way_back(of_blocks())
    assert way is not None
    assert not way.by_block
    assert way.places[:2] == ["tok", "blocks.0.attn.qkv"]
    assert way.arrives == pytest.approx(np.log10(1 / 14))


@pytest.mark.parametrize("signals", [{"grad_norm": np.ones((2, 1, 3))}, {}], ids=["no delta", "no"])
def test_a_gradient_that_was_not_recorded_goes_nowhere(signals):
    iterations = 2 if signals else 0
    shape = {"activation_rms": np.ones((iterations, 1, 3))} | signals
    assert way_back(Run.from_arrays(shape, name="it")) is None


def test_the_product_of_blocks_goes_from_the_last_to_the_first():
    chain = chains(of_blocks(block_signals=STREAM))["start"]
    steps = [(each["from"], each["into"], each["factor"]) for each in chain["head"]]
    assert steps == [
        ("blocks.3", "blocks.2", "2"),
        ("blocks.2", "blocks.1", "2"),
        ("blocks.1", "blocks.0", "2"),
    ]
    assert (chain["by_block"], chain["total"]) == (True, "8")


def test_a_block_without_a_finite_gradient_is_stepped_over():
    gap = {"stream_grad_norm": np.array([8.0, np.inf, 2.0, 1.0]) * np.ones((3, 1, 4))}
    steps = chains(of_blocks(block_signals=gap))["start"]["head"]
    assert [each["into"] for each in steps] == ["blocks.2", "blocks.0"]


def test_curve_number_and_sentence_of_a_net_of_blocks_agree():
    run = of_blocks(block_signals=STREAM)
    shown = only(run)
    assert sparkline_values(run) == shown["sparkline"] == [0.9, 0.6, 0.3, 0.0]
    assert shown["arrival"] == "× 8"
    assert "8 times as large at blocks.0 as at blocks.3" in shown["sentence"]


def test_a_plain_net_still_speaks_of_layers():
    assert only(made())["chains"]["start"]["by_block"] is False
