"""Many iterations at once, as `Recorder.add_block` is given them: checked, and copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradlab import measures
from gradlab.errors import ArgumentError, shown, suggest
from gradlab.kinds import MAPPING, Kind
from gradlab.recorder.checks import is_phase, output_stage
from gradlab.recorder.inputs import masked_numbers
from gradlab.recorder.rows import Batch, Operations
from gradlab.run.arrays import as_array
from gradlab.run.tables import BLOCK_STATISTICS
from gradlab.statistics import PHASES

Array = np.ndarray

PAIR = Kind(
    "(iterations, values)", lambda value: isinstance(value, (tuple, list)) and len(value) == 2
)


@dataclass(frozen=True)
class Sizes:
    """How many there are: iterations of a batch, layers, blocks, and weights that are followed."""

    iterations: int
    layers: int
    blocks: int
    followed: int


def checked(given: Batch, sizes: Sizes) -> Batch:
    """Return many iterations, checked; arrays are copied, for they wait until they are written."""
    count = sizes.iterations
    if isinstance(given.phases, str) or not all(map(is_phase, given.phases)):
        raise ArgumentError(f"phases={shown(given.phases)} must hold {', '.join(PHASES)}, or None")
    MAPPING.check("block_signals", given.block_signals)
    for name in given.block_signals:
        if name not in BLOCK_STATISTICS:
            raise ArgumentError(f"block_signals got {name!r}; {suggest(name, BLOCK_STATISTICS)}")
    return replace(
        given,
        phases=list(given.phases),
        columns=_all("", given.columns, (count, sizes.layers)),
        steps=_all("", given.steps, (count,)),
        followed=_placed("followed", given.followed, count, (sizes.followed,)),
        block_signals=_all("block_signals", given.block_signals, (count, sizes.blocks)),
        output_stage=by_iteration("output_stage", given.output_stage, count),
        histograms=_placed("histograms", given.histograms, count, (sizes.layers, measures.BINS)),
    )


def stages(given: Any) -> dict[int, Operations]:
    """Return the operations behind the last layer by iteration, for one net."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ArgumentError(f"output_stage={shown(given)} must be a dict by iteration")
    return {number: output_stage(stage, 1) for number, stage in given.items()}


def by_iteration(argument: str, given: Any, count: int) -> dict[int, Any]:
    """Return a dict by the numbers of iterations, 0 to `count` - 1."""
    result = {}
    for number, value in given.items():
        if not isinstance(number, (int, np.integer)) or not 0 <= number < count:
            raise ArgumentError(
                f"{argument} has the iteration {shown(number)}; there are {count}, counted from 0"
            )
        result[int(number)] = value
    return result


def _all(argument: str, given: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Array]:
    result = {}
    for name, values in given.items():
        named = f"{argument}[{name!r}]" if argument else name
        found = as_array(named, values).shape
        if found != shape:
            raise ArgumentError(f"{named} has shape {found}; with these phases it needs {shape}")
        result[name] = masked_numbers(named, values, shape).copy()
    return result


def _placed(
    argument: str, given: tuple[Any, Any] | None, count: int, shape: tuple[int, ...]
) -> tuple[Array, Array] | None:
    """Return the iterations, ascending, and the values that belong to them."""
    if given is None:
        return None
    PAIR.check(argument, given)
    numbers, values = map(as_array, (argument, argument), given)
    whole_numbers = numbers.ndim == 1 and (not numbers.size or numbers.dtype.kind in "iu")
    inside = whole_numbers and (not numbers.size or (numbers.min() >= 0 and numbers.max() < count))
    if not inside or (np.diff(numbers) <= 0).any():
        raise ArgumentError(
            f"{argument} names iterations {shown(given[0])}; they must ascend, from 0 to "
            f"{count - 1}"
        )
    if values.dtype.kind not in "fiu" or values.shape != (len(numbers), *shape):
        raise ArgumentError(
            f"{argument} is {values.dtype} of shape {values.shape}; it needs numbers of "
            f"{(len(numbers), *shape)}"
        )
    return numbers.astype(int), values.astype(np.int64 if len(shape) == 2 else np.float64)
