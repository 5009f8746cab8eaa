"""`assert_gradients_match`: a backward pass against differences of the function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.errors import ArgumentError
from gradlab.ranges import COUNT
from gradlab.rules.wording import number
from gradlab.testing.message import Row, table
from gradlab.testing.mistakes import at_the_callers_line
from gradlab.testing.parameters import CheckedFunction
from gradlab.testing.select import GradientError, check_number

Array = np.ndarray


@at_the_callers_line
def assert_gradients_match(
    function: Callable[..., Any],
    parameters: Any,
    *,
    tolerance: float | None = None,
    step: float | None = None,
    entries: int | None = 1000,
    seed: int = 0,
) -> None:
    """Assert that the gradients of a function are those that finite differences of its value give.

    Each entry x of a parameter is moved by +h and -h. A gradient g fits where it lies between the
    slopes on the two sides, (f(x+h) - f(x)) / h and (f(x) - f(x-h)) / h, give or take `tolerance`
    times its size and the rounding of f: so a kink, such as relu's at 0, may have any slope between
    them.

    Parameters
    ----------
    function : callable
        Takes the parameters, one argument each, all of them as one argument, or none where it reads
        them itself (they are then moved in place, and put back). NumPy: returns (value, gradients),
        one gradient a parameter. PyTorch: returns the value, and autograd is asked for the
        gradients; or (value, gradients) as well.
    parameters : array, sequence or mapping of arrays or tensors
        Floating-point; float64 is better, as float32 leaves differences about three digits.
        `model.parameters()` and
        `model.named_parameters()` will do.
    tolerance : float, optional
        Relative; default 1e-5 in float64, 1e-2 in float32.
    step : float, optional
        h, as a share of max(1, |x|); default 6e-6 in float64, 5e-3 in float32.
    entries : int, optional
        How many entries of a parameter are checked: a seeded sample where it has more. None: all.
    seed : int
        Of that sample.

    Raises
    ------
    GradientError
        A gradient is missing, not finite, of another shape, or wrong (an AssertionError).
    ArgumentError
        There is nothing to check, or the function gives different values for the same parameters.
    """
    __tracebackhide__ = True
    if entries is not None:
        entries = int(COUNT.check("entries", entries))
    tolerance = None if tolerance is None else check_number("tolerance", tolerance, least=0)
    step = None if step is None else check_number("step", step, least=0)
    checked = CheckedFunction(function, parameters)
    value, gradients = checked.evaluate()
    if not np.isfinite(value):
        raise GradientError(
            f"the function gives {number(value)}, so it has no gradient there; start at finite "
            f"values"
        )
    again, _ = checked.evaluate()
    if again != value:
        raise ArgumentError(
            f"the function gives {value!r} and then {again!r} for the same parameters; fix what is "
            f"random in it (a "
            "seed, dropout off)"
        )
    rng = np.random.default_rng(seed)
    results = [
        _check(checked, k, gradient, value, tolerance, step, entries, rng)
        for k, gradient in enumerate(gradients)
    ]
    worst = max(results, key=lambda each: each.excess)
    if worst.excess > 0:
        raise GradientError(_message(results, worst))


@dataclass(frozen=True)
class _Result:
    """What came of one parameter: its worst entry, and how far that is outside what is allowed.

    Attributes
    ----------
    error : float
        Largest distance from the slopes on both sides, relative to the gradient.
    excess : float
        Above 0 where the gradient is wrong.
    """

    name: str
    index: tuple[int, ...]
    gradient: float
    expected: float
    error: float
    excess: float
    wrong: int
    count: int
    size: int
    tolerance: float


def _check(checked, k, gradient, value, tolerance, step, entries, rng) -> _Result:
    """Compare the gradient of the k-th parameter with differences, entry by entry."""
    array = checked.arrays[k]
    single = array.dtype.itemsize < 8
    tolerance = (1e-2 if single else 1e-5) if tolerance is None else tolerance
    share = (5e-3 if single else 6e-6) if step is None else step
    flat = np.arange(array.size)
    if entries is not None and array.size > entries:
        flat = np.sort(rng.choice(array.size, entries, replace=False))
    worst, wrong = None, 0
    for position in flat:
        index = tuple(int(i) for i in np.unravel_index(position, array.shape))
        slopes, noise = checked.slopes(k, index, value, share)
        g = float(gradient[index])
        size = max(abs(g), *map(abs, slopes)) if np.isfinite(g) else 1.0
        distance = (
            max(min(slopes) - g, g - max(slopes), 0.0)
            if np.isfinite([g, *slopes]).all()
            else np.inf
        )
        excess = distance - tolerance * size - noise
        wrong += excess > 0
        ratio = excess / (size or 1.0)
        if worst is None or ratio > worst.excess:
            error = distance / (size or 1.0)
            worst = _Result(
                checked.names[k],
                index,
                g,
                float(np.mean(slopes)),
                error,
                ratio,
                0,
                len(flat),
                array.size,
                tolerance,
            )
    assert worst is not None
    return _Result(**{**vars(worst), "wrong": int(wrong)})


def _message(results: Sequence[_Result], worst: _Result) -> str:
    place = f"[{', '.join(map(str, worst.index))}]" if worst.index else ""
    sampled = (
        f" ({worst.count} of its {worst.size} entries checked)" if worst.count < worst.size else ""
    )
    head = (
        f"the gradient of {worst.name}{place} is {number(worst.gradient)}, but differences of the "
        f"function give "
        f"{number(worst.expected)}: off by {number(worst.error)} of its size, more than the "
        f"tolerance "
        f"{worst.tolerance:g}; {worst.wrong} of {worst.count} entries are wrong{sampled}."
    )
    rows = [
        Row(k, each.name, each.error, f"{each.wrong} of {each.count} wrong" if each.wrong else "")
        for k, each in enumerate(results, 1)
    ]
    number_of_worst = 1 + results.index(worst)
    body = table(
        "largest relative error", rows, number_of_worst, (None, worst.tolerance), of="parameter"
    )
    return "\n".join([head, *body, *_hint(worst)])


def _hint(worst: _Result) -> list[str]:
    """Name the mistake where the numbers give it away."""
    if not np.isfinite(worst.gradient) or not worst.expected:
        return []
    factor = worst.gradient / worst.expected
    if abs(factor + 1) < 1e-3:
        return ["  try: turn its sign: it is exactly the opposite"]
    if factor and abs(factor - round(factor)) < 1e-3 and abs(round(factor)) > 1:
        return [
            f"  try: divide it by {round(factor)}: a mean taken as a sum, or a term counted twice"
        ]
    if factor and abs(1 / factor - round(1 / factor)) < 1e-3 and abs(round(1 / factor)) > 1:
        return [
            f"  try: multiply it by {round(1 / factor)}: a sum taken as a mean, or a term left out"
        ]
    return []
