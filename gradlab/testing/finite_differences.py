"""`assert_gradients_match`: a backward pass against differences of the function itself, entry by
entry.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.errors import ArgumentError, whole
from gradlab.rules.wording import number
from gradlab.testing.message import Row, table
from gradlab.testing.select import GradientError, check_number

Array = np.ndarray

NOISE = 16  # roundings that a loss may be off by


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
        whole("entries", entries, 1)
    for name, value in (("tolerance", tolerance), ("step", step)):
        if value is not None:
            check_number(name, value, least=0)
    checked = _Checked(function, parameters)
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


class _Checked:
    """A function and its parameters, whichever way it takes them, in NumPy or PyTorch."""

    def __init__(self, function: Callable[..., Any], parameters: Any):
        self._function = function
        self.names, originals, self._collection = _listed(parameters)
        self._torch = _torch_of(originals)
        self._call = _way_to_call(function, len(originals))
        self._in_place = self._call == "none"
        self._originals = originals
        for name, each in zip(self.names, originals, strict=True):
            _check_parameter(name, each, self._torch)
        self._given = originals if self._in_place else [self._copy(each) for each in originals]
        self.arrays = [self._array(each) for each in self._given]

    def _copy(self, parameter: Any) -> Any:
        return parameter.detach().clone().requires_grad_() if self._torch else np.array(parameter)

    def _array(self, parameter: Any) -> Array:
        """Look at a parameter as an array that shares its memory, so that writing to one moves the
        other.
        """
        return parameter.detach().cpu().numpy() if self._torch else parameter

    def evaluate(self) -> tuple[float, list[Array]]:
        """Return the value and the gradients, each of its parameter's shape."""
        result = self._result()
        gradients: Any
        if isinstance(result, tuple):
            if len(result) != 2:
                raise ArgumentError(
                    f"the function returns {len(result)} things; return (value, gradients)"
                )
            value, gradients = result
            gradients = list(gradients.values()) if isinstance(gradients, Mapping) else gradients
            single = len(self.arrays) == 1 and np.shape(gradients) == self.arrays[0].shape
            gradients = [gradients] if single else list(gradients)
        elif self._torch:
            value, gradients = result, self._autograd(result)
        else:
            raise ArgumentError(
                "the function returns a value alone; with NumPy arrays return (value, gradients)"
            )
        return _scalar(value), self._checked(gradients)

    def _autograd(self, value: Any) -> list[Any]:
        if not getattr(value, "requires_grad", False):
            raise GradientError(
                "the function's value does not depend on the parameters, as autograd sees it: a "
                "detach?"
            )
        return list(self._torch.autograd.grad(value, self._given, allow_unused=True))

    def _checked(self, gradients: list[Any]) -> list[Array]:
        if len(gradients) != len(self.arrays):
            raise ArgumentError(
                f"the function returns {len(gradients)} gradients for {len(self.arrays)} parameters"
            )
        arrays = []
        for name, array, gradient in zip(self.names, self.arrays, gradients, strict=True):
            if gradient is None:
                raise GradientError(
                    f"{name} gets no gradient: the function's value does not depend on it, or a "
                    f"detach"
                )
            found = np.asarray(gradient.detach().cpu() if hasattr(gradient, "detach") else gradient)
            if found.shape != array.shape:
                raise GradientError(
                    f"the gradient of {name} has shape {found.shape}, but {name} has {array.shape}"
                )
            arrays.append(found)
        return arrays

    def _result(self) -> Any:
        if self._call == "each":
            return self._function(*self._given)
        return self._function() if self._in_place else self._function(self._collected())

    def _collected(self) -> Any:
        given = dict(zip(self.names, self._given, strict=True))
        return given if isinstance(self._collection, Mapping) else list(self._given)

    def slopes(
        self, k: int, index: tuple[int, ...], value: float, share: float
    ) -> tuple[tuple[float, float], float]:
        """Return the slopes on both sides of one entry, and how far rounding alone may put them
        off.
        """
        array = self.arrays[k]
        kept = array[index].copy()
        step = share * max(1.0, abs(float(kept)))
        try:
            array[index] = kept + step
            above, up = self._value(), float(array[index]) - float(kept)
            array[index] = kept - step
            below, down = self._value(), float(kept) - float(array[index])
        finally:
            array[index] = kept
        size = max(abs(value), abs(above), abs(below))
        noise = NOISE * float(np.finfo(array.dtype).eps) * size / min(up, down)
        return ((above - value) / up, (value - below) / down), noise

    def _value(self) -> float:
        result = self._result()
        return _scalar(result[0] if isinstance(result, tuple) else result)


def _listed(parameters: Any) -> tuple[list[str], list[Any], Any]:
    """Return names, the parameters, and the collection they came in."""
    if isinstance(parameters, Mapping):
        return [str(name) for name in parameters], list(parameters.values()), parameters
    if hasattr(parameters, "dtype"):
        return ["the parameter"], [parameters], None
    listed = list(parameters)
    if listed and all(
        isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], str) for each in listed
    ):
        return [name for name, _ in listed], [each for _, each in listed], dict(listed)
    return [f"parameter {number}" for number in range(1, len(listed) + 1)], listed, listed


def _torch_of(parameters: Sequence[Any]) -> Any:
    """Return the module torch where the parameters are its tensors: whoever has one has imported
    it.
    """
    if not parameters:
        raise ArgumentError(
            "parameters is empty, so there is no gradient to check; give at least one array"
        )
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(parameters[0], torch.Tensor) else None


def _check_parameter(name: str, parameter: Any, torch: Any) -> None:
    kind = "tensor" if torch else "array"
    if not isinstance(parameter, torch.Tensor if torch else np.ndarray):
        raise ArgumentError(
            f"{name} is {type(parameter).__name__}; give floating-point {kind}s alone"
        )
    floating = parameter.is_floating_point() if torch else parameter.dtype.kind == "f"
    size = parameter.numel() if torch else parameter.size
    if not floating or not size:
        raise ArgumentError(
            f"{name} holds {size} numbers of {parameter.dtype}; give a floating-point {kind}, not "
            f"empty"
        )
    if torch and parameter.device.type != "cpu":
        raise ArgumentError(f"{name} lies on {parameter.device}; move it to the CPU for this check")
    if torch and parameter.dtype not in (torch.float32, torch.float64):
        raise ArgumentError(f"{name} is {parameter.dtype}, too coarse for differences; use float64")


def _way_to_call(function: Callable[..., Any], count: int) -> str:
    """Choose how the function takes its parameters: "each" an argument, all in "one", or "none"."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return "each"
    for way, arguments in (("each", count), ("one", 1), ("none", 0)):
        try:
            signature.bind(*range(arguments))
        except TypeError:
            continue
        return way
    raise ArgumentError(
        f"the function takes neither {count} arguments, one for each parameter, nor one for all of "
        f"them, nor none"
    )


def _scalar(value: Any) -> float:
    detached = value.detach().cpu() if hasattr(value, "detach") else value
    array = np.asarray(detached)
    if array.size != 1:
        raise ArgumentError(
            f"the function's value has shape {array.shape}; return one number, such as the mean "
            f"loss"
        )
    return float(array.reshape(()))
