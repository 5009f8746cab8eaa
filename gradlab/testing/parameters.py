"""A function and its parameters, in whichever way it takes them, in NumPy or PyTorch."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradlab.errors import ArgumentError
from gradlab.testing.select import GradientError

Array = np.ndarray

NOISE = 16  # roundings that a loss may be off by


class CheckedFunction:
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
        """Return a parameter as an array that shares its memory."""
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
        """Return the slopes on both sides of one entry, and how far rounding may put them off."""
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
    """Return the module torch if the parameters are tensors: it has been imported then."""
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
