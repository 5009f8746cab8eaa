"""Which layers a pattern fits."""

import pytest

from gradlab.errors import ArgumentError
from gradlab.report.data import build
from gradlab.report.layer_filter import fitting, names_of
from tests.report.test_data import made
from tests.report.test_pictures import of_blocks

NAMES = [["tok"], ["blocks.0.attn.qkv"], ["blocks.0.mlp.up"], ["blocks.10.attn.qkv", "other"]]


@pytest.mark.parametrize(
    ("pattern", "layers"),
    [
        ("blocks.*.attn.*", [2, 4]),
        ("blocks.?.attn.qkv", [2]),
        ("blocks.[01].*", [2, 3]),
        ("blocks.[!0]*", [4]),
        ("/attn|tok/", [1, 2, 4]),
        (r"/^blocks\.\d\./", [2, 3]),
        ("attn", [2, 4]),
        ("Attn", []),
        ("other", [4]),
        ("attn*", []),
        ("blocks.0", [2, 3]),
    ],
)
def test_globs_fit_a_whole_name_regular_expressions_and_words_a_part(pattern, layers):
    assert fitting(NAMES, pattern) == layers


def test_a_regular_expression_that_cannot_be_read_is_refused():
    with pytest.raises(ArgumentError, match="is no regular expression"):
        fitting(NAMES, "/(/")


def test_a_page_opens_with_the_pattern_and_refuses_one_that_fits_nothing():
    assert build(of_blocks(), layers="blocks.*.attn.*")["filter"] == "blocks.*.attn.*"
    assert build(made())["filter"] == ""
    with pytest.raises(ArgumentError, match=r"fits no layer.*blocks"):
        build(of_blocks(), layers="block.*")


def test_vectors_are_not_asked():
    assert len(names_of(of_blocks())) == 14
