"""The arguments of a Recorder, checked at the call that brings them: one sentence each."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradlab import measures
from gradlab._version import __version__
from gradlab.errors import ArgumentError, flag, is_number, shown, suggest
from gradlab.kinds import is_path
from gradlab.ranges import COUNT, COUNT_OR_0, SIZE, Range
from gradlab.recorder.inputs import masked_numbers, per_replicate
from gradlab.recorder.rows import Operations, Partial
from gradlab.run import storage
from gradlab.run.arrays import as_array
from gradlab.run.describing import describe_layers
from gradlab.run.tables import BLOCK_STATISTICS, STATISTICS, STEP_STATISTICS, VECTOR, WORDS
from gradlab.statistics import PHASES

Array = np.ndarray


UNITS = Range(1, (1 << 31) - 1, whole=True)  # the place of a weight is stored in 32 bits


@dataclass(frozen=True)
class Options:
    """The plain options of a Recorder, which has checked them."""

    every: int | None
    weights: int
    seed: int
    replicates: int | None


def options(
    *, every: Any, weights: Any, seed: Any, replicates: Any, overwrite: Any, histograms: Any
) -> Options:
    """Check the plain options of a Recorder."""
    for argument, value in (("overwrite", overwrite), ("histograms", histograms)):
        flag(argument, value.item() if isinstance(value, np.bool_) else value)
    return Options(
        None if every is None else int(COUNT.check("every", every)),
        int(COUNT_OR_0.check("weights", weights)),
        int(COUNT_OR_0.check("seed", seed)),
        None if replicates is None else int(SIZE.check("replicates", replicates)),
    )


def _is_scalar(value: Any) -> bool:
    """Whether a value is one finite number, an array without axes that holds one, or None."""
    held = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
    return held is None or is_number(held)


def mapping(argument: str, value: Any) -> dict[str, Any]:
    """Return a dict whose keys are texts; of None, an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ArgumentError(f"{argument}={shown(value)} must be a dict whose keys are texts")
    return dict(value)


def config(value: Any) -> dict[str, Any]:
    """Return the configuration of the training; its baseline must be a number."""
    checked = mapping("config", value)
    baseline = checked.get("baseline_loss")
    if not _is_scalar(baseline):
        raise ArgumentError(
            f"config['baseline_loss']={shown(baseline)} must be a finite number, the loss of the "
            f"best constant "
            "prediction, or None"
        )
    return checked


def path(value: Any) -> Path:
    """Return the folder that is written to."""
    if not is_path(value):
        raise ArgumentError(f"out={shown(value)} must be the path of a folder, or None")
    return Path(value)


def layers(given: Any, replicates: int) -> list[dict[str, Any]]:
    """Return the descriptions of layers, completed; each needs fan_in and fan_out."""
    if isinstance(given, Sequence) and not len(given):
        raise ArgumentError(
            "layers is empty; describe each layer, such as {'fan_in': 4, 'fan_out': 3}"
        )
    described = describe_layers(given)
    if replicates * len(described) > storage.MOST_PLACES:
        raise ArgumentError(
            f"replicates={replicates} with {len(described)} layers are too many: a record holds at "
            f"most {storage.MOST_PLACES:,} of both multiplied"
        )
    for number, layer in enumerate(given):
        for key in ("fan_in", "fan_out"):
            if not UNITS.fits(layer.get(key)):
                raise ArgumentError(
                    f"layers[{number}] needs {key!r}, {UNITS.words}; got {shown(layer.get(key))}"
                )
        bound = layer.get("slope_bound")
        if not _is_scalar(bound):
            raise ArgumentError(
                f"layers[{number}] has slope_bound={shown(bound)}, which must be a number, or None"
            )
        known, fans = described[number], int(layer["fan_in"]) * int(layer["fan_out"])
        biases = 0 if layer.get("kind") == VECTOR else int(layer["fan_out"])
        known["activation"] = layer.get("activation")
        known["parameters"] = layer.get("parameters", fans + biases)
    return described


def environment() -> dict[str, Any]:
    """Return where and with what a record was made."""
    return {
        "gradlab": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def names(method: str, columns: Any, steps: Any) -> None:
    """Check the names of statistics and of columns of `steps`."""
    for argument, given, known in (
        ("columns", columns, STATISTICS),
        ("steps", steps, STEP_STATISTICS),
    ):
        if not isinstance(given, Mapping):
            raise ArgumentError(f"{argument}={shown(given)} must be a dict of arrays by name")
        unknown = sorted(str(name) for name in given if name not in known)
        if unknown:
            raise ArgumentError(
                f"{method} got unknown columns {', '.join(unknown)}; {suggest(unknown[0], known)}"
            )
        if set(given) & set(WORDS):
            raise ArgumentError(f"{method} got nonfinite_phase; give it as phase=, or phases=")


def validation(value: Any) -> dict[str, Any]:
    """Return held-out loss and accuracy by their names."""
    if value is None:
        return {}
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) > 2:
        raise ArgumentError(
            f"validation={shown(value)} must be (loss, accuracy), each a number or None"
        )
    return dict(zip(("validation_loss", "validation_accuracy"), value, strict=False))


def steps(columns: Mapping[str, Any], replicates: int) -> dict[str, Array]:
    """Return columns of `steps`, (S,) each; what is None is left out."""
    if "nonfinite_phase" in columns:
        raise ArgumentError(
            "nonfinite_phase is found out by `record`, and given to `add` as phase="
        )
    return {
        name: per_replicate(name, value, replicates)
        for name, value in columns.items()
        if value is not None
    }


def columns(given: Mapping[str, Any], shape: tuple[int, int]) -> dict[str, Array | Partial]:
    """Return statistics, (S, L) each, with where they are defined."""
    result: dict[str, Array | Partial] = {}
    for name, values in given.items():
        checked = masked_numbers(name, values, shape)
        result[name] = Partial(np.ma.getdata(checked), ~np.ma.getmaskarray(checked))
    return result


def is_phase(value: Any) -> bool:
    """Whether a value names where a number that is not finite appeared, or is None."""
    return value is None or (isinstance(value, str) and value in PHASES)


def phases(given: Any, replicates: int) -> list[str | None]:
    """Return for each replicate where a number that is not finite appeared first."""
    listed = [given] * replicates if given is None or isinstance(given, str) else given
    fitting = isinstance(listed, Sequence) and len(listed) == replicates
    if not fitting or not all(map(is_phase, listed)):
        raise ArgumentError(
            f"phase={shown(given)} must be one of {', '.join(PHASES)}, or None, for each replicate"
        )
    return list(listed)


def block_signals(given: Any, replicates: int, blocks: int) -> dict[str, Array]:
    """Return statistics of blocks, (S, B) each, masked where not recorded."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ArgumentError(f"block_signals={shown(given)} must be a dict of arrays by name")
    for name in given:
        if name not in BLOCK_STATISTICS:
            raise ArgumentError(f"block_signals got {name!r}; {suggest(name, BLOCK_STATISTICS)}")
    shape = replicates, blocks
    return {
        name: masked_numbers(f"block_signals[{name!r}]", values, shape)
        for name, values in given.items()
    }


def output_stage(given: Any, replicates: int) -> Operations:
    """Return the operations behind the last layer, with a factor for each replicate."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ArgumentError(
            f"output_stage={shown(given)} must be a list of (name of the operation, factor)"
        )
    result = []
    for position, pair in enumerate(given):
        if (
            isinstance(pair, str)
            or not isinstance(pair, Sequence)
            or len(pair) != 2
            or not isinstance(pair[0], str)
        ):
            raise ArgumentError(
                f"output_stage[{position}]={shown(pair)} must be (name of the operation, factor)"
            )
        result.append((pair[0], per_replicate(f"output_stage[{position}]", pair[1], replicates)))
    return result


def followed(given: Any, shape: tuple[int, int]) -> Array | None:
    """Return the values of the weights that are followed, (S, W)."""
    if given is None:
        return None
    return np.ma.getdata(masked_numbers("followed", given, shape)).copy()


def histogram(given: Any, shape: tuple[int, int]) -> Array | None:
    """Return counts by powers of two, (S, L, bins)."""
    if given is None:
        return None
    return counts("histogram", as_array("histogram", given), (*shape, measures.BINS))


def counts(argument: str, given: Array, shape: tuple[int, ...]) -> Array:
    """Return whole numbers of this shape; a leading axis of replicates may be left out."""
    if given.dtype.kind not in "iu" or given.shape not in (shape, shape[1:]) or (given < 0).any():
        raise ArgumentError(
            f"{argument} is {given.dtype} of shape {given.shape}; give counts of shape {shape[1:]} "
            f"or {shape}"
        )
    return np.broadcast_to(given, shape).astype(np.int64)
