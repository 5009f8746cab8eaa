"""What an assertion looks at: which run, which of its layers and iterations, which bounds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from gradlab.errors import ArgumentError, is_number, nearest, shown
from gradlab.kinds import PATH, WHOLE, Kind, several
from gradlab.run import Run, load

Array = np.ndarray

Layers = str | re.Pattern[str] | int | Sequence[Any] | None
# A Run, the path of a run's folder, or what has a `snapshot`, a `recorder` or a `run`
Resolvable = Any
ANYTHING = Kind("anything", lambda value: True)
Iterations = slice | range | int | Sequence[int] | None


class GradientError(AssertionError):
    """A run does not pass an assertion.

    The message says where, by how much, why, and what to try.
    """


def as_run(subject: Any) -> Run:
    """Return the Run that `subject` stands for; one without iterations is an error."""
    run = resolve(subject)
    if run.iterations == 0:
        raise GradientError(
            f"run {run.name!r} holds no iteration, so nothing can be judged; train it for at least "
            f"one"
        )
    return run


def resolve(subject: Resolvable) -> Run:
    """Return the Run that `subject` is, holds so far, or names by its folder."""
    if isinstance(subject, Run):
        return subject
    if isinstance(subject, (str, os.PathLike)):
        PATH.check("run", subject)
        return load(Path(subject))
    if callable(
        snapshot := getattr(subject, "snapshot", None)
    ):  # a recorder, its newest iteration included
        return resolve(snapshot())
    for name in ("recorder", "run"):
        if (inner := getattr(subject, name, None)) is not None and not callable(inner):
            return resolve(inner)
    raise ArgumentError(
        f"run is {type(subject).__name__}; give a Run, the path of a run's folder, or the recorder "
        f"that records it"
    )


@dataclass(frozen=True)
class Part:
    """The values of one statistic that an assertion looks at.

    Attributes
    ----------
    run : Run
    statistic : str
    iterations : list of int
        From 0.
    layers : list of int
        From 1.
    values : ndarray (iteration, replicate, layer)
    recorded : ndarray of bool
        Where there is a value.
    """

    run: Run
    statistic: str
    iterations: list[int]
    layers: list[int]
    values: Array
    recorded: Array


def part_of(run: Run, statistic: str, layers: Layers, iterations: Iterations) -> Part:
    """Cut out what is to be judged; a choice that holds no value is an error, never a pass."""
    chosen, when = choose_layers(run, layers), choose_iterations(run, iterations)
    cut = np.ix_(when, range(run.replicates), [layer - 1 for layer in chosen])
    values, recorded = run[statistic][cut], run.recorded(statistic)[cut]
    known = np.atleast_1d(recorded.any(axis=(0, 1)))
    if not known.any() or (layers is not None and not known.all()):
        unknown = [layer for layer, has in zip(chosen, known, strict=True) if not has]
        where = "any layer" if not known.any() else f"layer {', '.join(map(str, unknown))}"
        held = ", ".join(run.columns) or "nothing"
        raise ArgumentError(
            f"statistic={statistic!r} was not recorded in {where} of run {run.name!r} at the "
            f"iterations chosen; it "
            f"holds {held} (costly statistics at iterations 0-9 and every 10th: every=1 records "
            f"them always)"
        )
    kept = [layer for layer, has in zip(chosen, known, strict=True) if has]
    return Part(run, statistic, when, kept, values[:, :, known], recorded[:, :, known])


def names_of(run: Run) -> list[str]:
    """Return the names of all rows: the layers, first one first, then the vectors."""
    return [str(name) for name in run.layer("name")]


def choose_layers(run: Run, layers: Layers) -> list[int]:
    """Return numbers of layers, from 1: all, those that a pattern fits, or those given.

    The vectors of a run (biases, scales of norms), which come after its layers, are chosen by
    their numbers, or by a pattern that fits no layer, such as "*.bias".

    Raises
    ------
    ArgumentError
        A pattern that fits nothing, or a number outside 1 to L.
    """
    names, matrices = names_of(run), run.matrices.shape[2]
    if layers is None:
        return list(range(1, matrices + 1))
    alone = isinstance(layers, (str, re.Pattern, int, np.integer))
    if not alone:
        several(ANYTHING, "a pattern, a number, a list of them, or None").check("layers", layers)
    given = [layers] if alone else list(layers)
    if not given:
        raise ArgumentError(
            f"layers={layers!r} names no layer; leave it out for all, or give {_choices(names)}"
        )
    chosen: set[int] = set()
    for each in given:
        chosen |= _numbers(each, names, matrices)
    return sorted(chosen)


def _numbers(given: Any, names: list[str], matrices: int) -> set[int]:
    if isinstance(given, (int, np.integer)) and not isinstance(given, bool):
        if not 1 <= given <= len(names):
            raise ArgumentError(
                f"layers={int(given)} is no layer of this run; give {_choices(names)}"
            )
        return {int(given)}
    if not isinstance(given, (str, re.Pattern)):
        raise ArgumentError(
            f"layers={shown(given)} is neither a pattern nor a number; give {_choices(names)}"
        )
    found = _fitting(given, names)
    if not found:
        wanted = given.pattern if isinstance(given, re.Pattern) else given
        near = nearest(wanted, names)
        meant = "" if near is None else f"did you mean {near!r}? "
        raise ArgumentError(f"layers={shown(wanted)} fits no layer; {meant}give {_choices(names)}")
    return {number for number in found if number <= matrices} or found


def _fitting(given: str | re.Pattern[str], names: list[str]) -> set[int]:
    """Return the numbers of the names that fit a pattern or a regular expression."""
    if isinstance(given, re.Pattern):
        return {number for number, name in enumerate(names, 1) if given.search(name)}
    found = {number for number, name in enumerate(names, 1) if fnmatchcase(name, given)}
    if found:
        return found
    try:
        return {number for number, name in enumerate(names, 1) if re.fullmatch(given, name)}
    except re.error as error:
        raise ArgumentError(
            f"layers={given!r} fits no layer as a pattern and is no regular expression ({error}); "
            f"give {_choices(names)}"
        ) from None


def _choices(names: list[str]) -> str:
    shown = names if len(names) <= 6 else [*names[:3], "...", *names[-2:]]
    return f"numbers from 1 to {len(names)}, or names such as {', '.join(shown)}"


def choose_iterations(run: Run, iterations: Iterations) -> list[int]:
    """Return numbers of iterations, from 0.

    A choice of none, or of one that is not there, is an error.
    """
    total = run.iterations
    if iterations is None:
        return list(range(total))
    if isinstance(iterations, slice):
        chosen = list(range(total))[iterations]
    else:
        given: Iterable[Any] = (
            [iterations] if isinstance(iterations, (int, np.integer)) else iterations
        )
        several(WHOLE, "a slice, a number or a list of them, or None").check("iterations", given)
        chosen = [int(each) for each in given]
        outside = [each for each in chosen if not 0 <= each < total]
        if outside:
            raise ArgumentError(
                f"iterations={outside[0]} is not in this run; give numbers from 0 to {total - 1}"
            )
    if not chosen:
        raise ArgumentError(
            f"iterations={iterations!r} chooses none of the run's {total} iterations; choose some"
        )
    return chosen


def check_bounds(
    minimum: float | None, maximum: float | None, names: tuple[str, str] = ("minimum", "maximum")
) -> tuple[float | None, float | None]:
    """Return bounds; ArgumentError unless one is given, and they are finite and in order."""
    if minimum is None and maximum is None:
        raise ArgumentError(
            f"neither {names[0]} nor {names[1]} is given, so nothing would be judged; give one or "
            f"both"
        )
    minimum = None if minimum is None else check_number(names[0], minimum)
    maximum = None if maximum is None else check_number(names[1], maximum)
    if minimum is not None and maximum is not None and minimum > maximum:
        raise ArgumentError(
            f"{names[0]}={minimum:g} is above {names[1]}={maximum:g}, which nothing passes; swap "
            f"them"
        )
    return minimum, maximum


def check_number(
    name: str, value: Any, *, least: float | None = None, most: float | None = None
) -> float:
    """Return a number; ArgumentError unless it is finite, above `least` and at most `most`."""
    number = is_number(value)
    allowed = " above " + f"{least:g}" if least is not None else ""
    allowed += f", at most {most:g}" if most is not None else ""
    outside = number and (
        (least is not None and value <= least) or (most is not None and value > most)
    )
    if not number or outside:
        raise ArgumentError(f"{name}={shown(value)} must be a finite number{allowed}")
    return float(value)
