"""Layers by the names of their modules: rules speak of "layer 7", a reader of "blocks.1.mlp.up"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gradlab.run import Run

NAMED = 3  # names or roles that are listed; of more, the ends or the first
SOME = 2  # as many need no span
LAYERS = re.compile(
    r"\b(?:hidden )?[Ll]ayers? (\d+(?:-\d+)?(?:(?:, | and )\d+(?:-\d+)?)*)(?![\d.]| %| of \d)"
    r"(?: \((?P<name>[^()\s]+)\))?"
)


def in_names(text: str, run: Run) -> str:
    """Write the layers that a text names by number by the names of their modules.

    "layers 3-5" becomes "mlp.up in 3 of 24 blocks" or "conv1 to conv3". Where the names of a run
    say no more than numbers ("hidden3"), the text stays as it is.

    Parameters
    ----------
    text : str
        As a rule writes it: "layer 7", "layers 1-3 and 7".
    run : Run
        The run whose rows the numbers count, from 1.
    """
    names = telling_names(run)
    if not any(names):
        return text

    def named(found: re.Match[str]) -> str:
        layers = _numbers(found[1])
        if layers[-1] > len(names) or not all(names[layer - 1] for layer in layers):
            return found[0]
        told = found["name"]
        if told and told != names[layers[0] - 1]:  # what stands in brackets is something else
            return f"{place(run, layers)} ({told})"
        return place(run, layers)

    return LAYERS.sub(named, text)


def _numbers(listed: str) -> list[int]:
    """Read "1-3 and 7"."""
    numbers: list[int] = []
    for part in re.split(", | and ", listed):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def telling_names(run: Run) -> tuple[str, ...]:
    """Return each layer's name, empty if it tells no more than its number: "hidden3", "output"."""
    matrices = run.matrices.shape[2]
    usual = [*(f"hidden{number}" for number in range(1, matrices)), "output"]
    names = [str(name) for name in run.layer("name")]
    if names[:matrices] == usual:
        names[:matrices] = [""] * matrices
    return tuple(names)


def place(run: Run, layers: Sequence[int]) -> str:
    """Name layers, given by numbers from 1: by block and role inside blocks, else by their names.

    Examples: "head", "conv1 to conv4", "attn.proj and mlp.down in 9 of 24 blocks".
    """
    names = [str(name) for name in run.layer("name")]
    blocks = [str(block or "") for block in run.layer("block")]
    roles = [str(role or "") for role in run.layer("role")]
    inside = [layer for layer in layers if blocks[layer - 1]]
    outside = [names[layer - 1] for layer in layers if not blocks[layer - 1]]
    if len(layers) <= 1 or not inside:
        in_a_row = list(layers) == list(range(layers[0], layers[0] + len(layers)))
        return listed([names[layer - 1] for layer in layers], in_a_row=in_a_row)
    hit = list(dict.fromkeys(blocks[layer - 1] for layer in inside))
    of_hit = {roles[k] for k, block in enumerate(blocks) if block in hit}
    shared = list(dict.fromkeys(roles[layer - 1] for layer in inside))
    where = _blocks_listed(hit, len(set(blocks) - {""}))
    if len(hit) == 1:
        told = hit[0] if set(shared) == of_hit else listed([names[k - 1] for k in inside])
    elif set(shared) == of_hit and len(shared) > 1:
        told = where
    elif len(shared) <= NAMED:
        told = f"{_and(shared)} in {where}"
    else:
        told = f"{len(shared)} layers each in {where}"
    return _and([told, listed(outside)]) if outside else told


def _blocks_listed(hit: Sequence[str], total: int) -> str:
    if len(hit) == total:
        return f"all {total} blocks"
    span = span_of_blocks(hit)
    if span:
        return span
    return _and(hit) if len(hit) <= SOME else f"{len(hit)} of {total} blocks"


def span_of_blocks(blocks: Sequence[str]) -> str:
    """Name one block, or three neighbours and more as a span; "" for others.

    Examples
    --------
    >>> span_of_blocks(["blocks.0", "blocks.1", "blocks.2"])
    'blocks.0 to blocks.2'
    """
    if len(blocks) == 1:
        return blocks[0]
    stems = {block.rpartition(".")[0] for block in blocks}
    numbers = [block.rpartition(".")[2] for block in blocks]
    if len(blocks) <= SOME or len(stems) > 1 or not all(map(str.isdigit, numbers)):
        return ""
    first = int(numbers[0])
    neighbours = [int(number) for number in numbers] == list(range(first, first + len(blocks)))
    return f"{blocks[0]} to {blocks[-1]}" if neighbours else ""


def listed(names: Sequence[str], *, in_a_row: bool = False) -> str:
    """List names of layers: up to three; more that follow each other as "conv1 to conv8".

    Parameters
    ----------
    names : sequence of str
    in_a_row : bool
        Whether they follow each other in the net.
    """
    words = [called(name) for name in names]
    if len(words) <= NAMED:
        return _and(words)
    if in_a_row:
        return f"{words[0]} to {words[-1]}"
    return f"{', '.join(words[:NAMED])} and {len(words) - NAMED} more"


def called(name: str) -> str:
    """Return a layer's name for a sentence: that of a Sequential's part is a bare number."""
    return f"model[{name}]" if name.isdigit() else name


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
