"""Learning-rate schedules: the factor on the learning rate at each iteration.

Written `NAME[:KEY=VALUE ...]`, such as "cosine:end=0.01:warmup=50". t counts from the end of the
warm-up, n is the number of iterations from there to the end of the run.

    constant      1
    step          factor^floor(t / every)
    exponential   factor^t
    cosine        end + (1 - end) (1 + cos(pi t / length)) / 2, then `end` (Loshchilov & Hutter
    2017, eq. 5)

Each may begin with a linear warm-up: (t + 1) / warmup at its iterations t = 0 .. warmup - 1 (Goyal
et al. 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from gradlab.errors import ArgumentError
from gradlab.nn import hyperparameters
from gradlab.nn.hyperparameters import Hyperparameter
from gradlab.ranges import COUNT, COUNT_OR_0, Range

Schedule = Callable[[int], float]

_FALLING = Range(0, 1, open_least=True)
_WARMUP = {"warmup": Hyperparameter(0, COUNT_OR_0)}
HYPERPARAMETERS: dict[str, dict[str, Hyperparameter]] = {
    "constant": _WARMUP,
    "step": {
        "every": Hyperparameter(None, COUNT),
        "factor": Hyperparameter(0.1, _FALLING),
        **_WARMUP,
    },
    "exponential": {"factor": Hyperparameter(None, _FALLING), **_WARMUP},
    "cosine": {
        "end": Hyperparameter(None, Range(0, 1), optional=True),
        "length": Hyperparameter(None, COUNT, optional=True),
        **_WARMUP,
    },
}


def create(text: str, iterations: int) -> Schedule:
    """Return the schedule that `text` names: iteration -> factor on the learning rate.

    Parameters
    ----------
    text : str
        A name with its hyperparameters: "constant:warmup=50", "step:every=100:factor=0.5",
        "exponential:factor=0.999", "cosine:end=0.01". A cosine falls to `end` (0) over `length`
        iterations (all that are left).
    iterations : int
        Of the whole run.

    Raises
    ------
    ArgumentError
        An unknown name or hyperparameter, a value outside its range, a warm-up as long as the run,
        or a cosine longer than the run that does not say where it ends.
    """
    name, values = hyperparameters.parse("schedule", text, HYPERPARAMETERS)
    warmup = int(values["warmup"] or 0)
    if warmup and warmup >= iterations:
        raise ArgumentError(
            f"schedule={text!r} warms up for {warmup} iterations, but the run has {iterations}; "
            "make it shorter"
        )
    after = _after(name, text, values, max(iterations - warmup, 1))
    return lambda iteration: (
        (iteration + 1) / warmup if iteration < warmup else after(iteration - warmup)
    )


def _after(name: str, text: str, values: dict[str, float | None], left: int) -> Schedule:
    """Return the schedule behind the warm-up, `left` iterations before the end of the run."""
    if name == "step":
        every, factor = values["every"] or 1, values["factor"] or 1
        return lambda t: factor ** (t // every)
    if name == "exponential":
        factor = values["factor"] or 1
        return lambda t: factor**t
    if name == "cosine":
        length, end = values["length"] or left, values["end"]
        if length > left and end is None:
            raise ArgumentError(
                f"schedule={text!r} falls over {length:g} iterations, but only {left} are left, so "
                "it never reaches its end; make length smaller, or give end=0"
            )
        low = end or 0.0
        return lambda t: low + (1 - low) * (1 + math.cos(math.pi * min(t, length) / length)) / 2
    return lambda t: 1.0
