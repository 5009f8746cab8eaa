"""The largest feature that a linear map reads off the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradlab.errors import is_number
from gradlab.rules.config_numbers import LARGEST
from gradlab.run import Run


def largest_feature(run: Run) -> dict[str, Any]:
    """Return what is known of the largest feature that a linear map reads off the data.

    With its share of the square of all that is read; empty where nothing is known.
    """
    given = run.config.get("input_feature")
    if not isinstance(given, dict):
        return {}
    numbers: list[Any] = [given.get(each) for each in ("rms", "others_rms", "features", "feature")]
    if not all(is_number(each) and 0 <= each <= LARGEST for each in numbers):
        return {}
    rms, others, features, _ = numbers
    square, rest = float(rms) ** 2, max(0.0, float(features) - 1) * float(others) ** 2
    share = square / (square + rest) if square > 0 else 0.0
    return {**given, "layer": str(given.get("layer")), "share": share}


def reader(run: Run, feature: Mapping[str, Any]) -> str:
    """Name the layer that reads a feature, by its number where it has one."""
    names = list(run.layers["path"]) if "path" in run.layers else []
    found = feature["layer"] in names
    return f"layer {names.index(feature['layer']) + 1}" if found else "a layer"
