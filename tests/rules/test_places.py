"""Layers by the names of their modules, as findings tell them."""

import numpy as np
import pytest

from gradlab.rules.places import in_names
from gradlab.run import Run


def run_of(layers):
    return Run.from_arrays({"grad_norm": np.ones((1, 1, len(layers)))}, layers=layers)


def in_blocks(blocks=6):
    """An embedding, blocks of two layers each, and a head: numbers 1, 2 to 13, 14."""
    layers = [{"name": "tok"}]
    for k in range(blocks):
        for role in ("attn.proj", "mlp.up"):
            block = f"blocks.{k}"
            layers.append({"name": f"{block}.{role}", "block": block, "role": role})
    return run_of([*layers, {"name": "head"}])


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("layer 3 is hit", "blocks.0.mlp.up is hit"),
        ("layer 14's weights", "head's weights"),
        ("layer 4 (blocks.1.attn.proj), in the loss", "blocks.1.attn.proj, in the loss"),
        ("layers 2, 6 and 12 are hit", "attn.proj in 3 of 6 blocks are hit"),
        ("Layers 3, 5, 7, 9, 11 and 13 do not move", "mlp.up in all 6 blocks do not move"),
        ("of layers 4-9, in", "of blocks.1 to blocks.3, in"),
        ("layers 2-3", "blocks.0"),
        ("layers 2-13 and 14", "all 6 blocks and head"),
        ("from hidden layer 1 to hidden layer 14", "from tok to head"),
        ("layer 15 is none", "layer 15 is none"),
        ("about 0.3 a layer", "about 0.3 a layer"),
    ],
)
def test_numbers_of_layers_become_blocks_roles_and_names(told, expected):
    assert in_names(told, in_blocks()) == expected


def test_layers_in_a_row_are_told_by_their_ends():
    run = run_of([{"name": f"conv{k}"} for k in range(8)])
    assert in_names("layers 2-7", run) == "conv1 to conv6"
    assert in_names("layers 1, 3, 5 and 7", run) == "conv0, conv2, conv4 and 1 more"
    assert in_names("layers 1, 3 and 5", run) == "conv0, conv2 and conv4"


def test_a_part_of_a_sequential_is_told_as_code():
    run = run_of([{"name": "0"}, {"name": "2"}])
    assert in_names("layer 2 back to layer 1", run) == "model[2] back to model[0]"


def test_names_that_are_numbers_stay_numbers():
    run = run_of([{"name": "hidden1"}, {"name": "hidden2"}, {"name": "output"}])
    assert in_names("layers 1-2", run) == "layers 1-2"
