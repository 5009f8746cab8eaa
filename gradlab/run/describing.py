"""What a run says of its layers and blocks, completed and checked; and what of it JSON can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradlab.errors import ArgumentError, is_number, shown
from gradlab.kinds import is_listed
from gradlab.ranges import STORED
from gradlab.run.tables import BLOCK_COLUMNS, LAYER_COLUMNS, LAYER_WORDS, VECTOR


def describe_layers(layers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Complete the descriptions of layers, keys as in `Run.layers`.

    Raises
    ------
    ArgumentError
        One is no dict or holds a word where a number belongs, or a vector stands before a matrix:
        layers keep their numbers whether or not vectors are recorded.
    """
    if isinstance(layers, (str, bytes, Mapping)) or not isinstance(layers, Sequence):
        raise ArgumentError(
            f"layers is {shown(layers)}; give a list of dicts such as {{'fan_in': 4, 'fan_out': 3}}"
        )
    for number, layer in enumerate(layers):
        if not isinstance(layer, Mapping):
            raise ArgumentError(
                f"layers[{number}] is {shown(layer)}; give a dict such as "
                "{'fan_in': 4, 'fan_out': 3}"
            )
        _check_layer(f"layers[{number}]", layer)
    matrices = sum(layer.get("kind") != VECTOR for layer in layers)
    for number, layer in enumerate(layers, 1):
        if (layer.get("kind") == VECTOR) != (number > matrices):
            raise ArgumentError(
                f"layers[{number - 1}] is a vector with matrices after it; list all matrices first"
            )
    return [_layer(number, layer, matrices) for number, layer in enumerate(layers, 1)]


def _check_layer(argument: str, layer: Mapping[str, Any]) -> None:
    for name in LAYER_COLUMNS:
        value = layer.get(name)
        if name in LAYER_WORDS:
            wanted, right = "a text", value is None or isinstance(value, str)
        else:
            wanted, right = STORED.words, value is None or STORED.fits(value)
        if not right:
            raise ArgumentError(
                f"{argument} has {name}={shown(value)}, which must be {wanted}, or None"
            )


def _layer(number: int, given: Mapping[str, Any], matrices: int) -> dict[str, Any]:
    usual = f"hidden{number}" if number < matrices else "output"
    name = given.get("name") or (usual if number <= matrices else f"vector{number - matrices}")
    blank: dict[str, Any] = dict.fromkeys(LAYER_COLUMNS)
    blank |= {"kind": "linear", "activation": "identity"}
    blank |= {"path": name, "block": "", "role": name, "owner": ""}
    known = {key: value for key, value in given.items() if key in LAYER_COLUMNS}
    return blank | known | {"layer": number, "name": name}


def describe_blocks(blocks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Complete the descriptions of blocks, keys as in `Run.blocks`.

    Raises
    ------
    ArgumentError
        One has no name, or two have the same.
    """
    if isinstance(blocks, (str, bytes, Mapping)) or not isinstance(blocks, Sequence):
        raise ArgumentError(
            f"blocks is {shown(blocks)}; give a list of dicts such as {{'block': 'blocks.0'}}"
        )
    names = [block.get("block") if isinstance(block, Mapping) else None for block in blocks]
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name or name in names[:number]:
            raise ArgumentError(
                f"blocks[{number}] needs 'block', a name of its own such as 'blocks.0'; got "
                f"{shown(name)}"
            )
        _check_block(f"blocks[{number}]", blocks[number])
    blank = {"kind": "", "layers": [], "norm": ""}
    return [
        {"block": block["block"], "path": block["block"], **blank}
        | {key: value for key, value in block.items() if key in BLOCK_COLUMNS}
        for block in blocks
    ]


def _check_block(argument: str, block: Mapping[str, Any]) -> None:
    layers = block.get("layers", [])
    if not is_listed(layers) or not all(map(STORED.fits, layers)):
        raise ArgumentError(
            f"{argument} has layers={shown(layers)}, which must be a list of layers' numbers"
        )
    for name in ("path", "kind", "norm"):
        if not isinstance(block.get(name, ""), str):
            raise ArgumentError(f"{argument} has {name}={shown(block[name])}, which must be a text")


def is_baseline(value: Any) -> bool:
    """Whether a value may be `config["baseline_loss"]`: a finite number, or None."""
    return value is None or is_number(value)


def as_json(argument: str, value: Any) -> Any:
    """Return `value` as it comes back from run.json, so that a saved Run equals the live one.

    Raises
    ------
    ArgumentError
        It holds something that JSON cannot: NaN, infinity, an integer that no float holds, or an
        object.
    """
    try:
        text = json.dumps(value, allow_nan=False, default=_as_python, ensure_ascii=False)
        return json.loads(text.encode(), parse_int=read_integer)
    except (TypeError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200]
        raise ArgumentError(
            f"{argument} cannot be stored: {reason}; it takes finite numbers, texts, lists and "
            f"dicts"
        ) from None


def read_integer(digits: str) -> int:
    """Read an integer of JSON; ValueError where no float holds it."""
    number = int(digits)
    if not is_number(number):
        raise ValueError(
            f"an integer of {len(digits)} digits is no number that can be computed with"
        )
    return number


def _as_python(value: object) -> object:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"it holds a {type(value).__name__}")
