"""Why an operation made NaN or infinity: in words, with its numbers and the limits of its format.

Each reason has a key, by which a rule chooses what to do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from gradlab.adapters.torch.origin.seen import Seen


@dataclass(frozen=True)
class Reason:
    """Why.

    Attributes
    ----------
    key : str
        "log", "exp", "root", "quotient", "power", "arc", "masked row", "mask times infinity",
        "empty", "spread", "overflow", "half overflow", "norm", "other".
    words : str
    """

    key: str
    words: str


Inputs = Sequence[Seen]


def short(operation: str) -> str:
    """Return an operation's bare name: "aten.log_.default" and "LogBackward0" are "log"."""
    name = operation.split(".")[1] if operation.startswith("aten.") else operation
    name = re.sub(r"Backward\d*$", "", name.rpartition("::")[2])
    if name[:1].isupper():
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return name.strip("_")


def of_result(operation: str, given: Inputs, made: Seen, *, masked: bool = False) -> Reason:
    """Say why an operation made what is not finite of finite numbers, or of deliberate infinities.

    Parameters
    ----------
    operation : str
        PyTorch's name of it.
    given : sequence of Seen
    made : Seen
        Its result.
    masked : bool
        Whether infinities on purpose, such as a mask's, are among what it was given.
    """
    name = short(operation)
    if masked:
        return _masked(name)
    if not given and name not in ("mean", "nanmean"):
        return _of_result_alone(name, made)
    known = _BY_NAME.get(name)
    reason = known(given, made) if known is not None else None
    return reason or _overflow(name, given, made)


def _of_result_alone(name: str, made: Seen) -> Reason:
    """Say what can be said where nobody has kept what an operation was given."""
    if name in ("exp", "expm1", "exp2"):
        limit = math.log(torch.finfo(made.dtype).max)
        return Reason("exp", f"exp of numbers above {limit:.4g}, where {made.kind} overflows")
    if name == "sqrt":
        return Reason("root", "the root of a negative number is NaN")
    if name in ("reciprocal", "rsqrt"):
        return Reason("quotient", "1 divided by 0 is infinite")
    if name in ("softmax", "log_softmax", "safe_softmax"):
        return _masked(name)
    return Reason("other", "")


def of_derivative(operation: str, given: Inputs, gradient: Seen | None) -> Reason:
    """Say why the derivative of an operation is not finite where the gradient that came was."""
    name = short(operation)
    known = _DERIVATIVES.get(name)
    came = "" if gradient is None else f", and the gradient that came was {gradient}"
    if known is not None:
        key, words = known
        return Reason(key, f"{words}{came}")
    if name in ("to_copy", "half", "bfloat16") and gradient is not None:
        kind = "float16"
        return Reason(
            "half overflow",
            f"a gradient of {gradient.most:.3g} does not fit into {kind}, whose largest number is "
            f"{torch.finfo(torch.float16).max:.6g}",
        )
    return Reason("other", f"its derivative is not finite there{came}")


def _masked(name: str) -> Reason:
    if name in ("softmax", "log_softmax", "safe_softmax", "logsumexp"):
        return Reason("masked row", "a row is masked whole: softmax of nothing but -inf is 0 / 0")
    if name in ("sub", "add", "sub_", "add_", "rsub"):
        return Reason(
            "masked row",
            "infinity minus infinity: a row is masked whole, or two masks are added",
        )
    if name in ("mul", "mul_"):
        return Reason(
            "mask times infinity",
            "0 times infinity: a mask is multiplied by infinity where it is 0",
        )
    return Reason("masked row", "it met nothing but the infinities of a mask")


def _log(given: Inputs, made: Seen) -> Reason | None:
    x = given[0]
    limit = -1.0 if made.nan and x.low < -1 else 0.0
    if x.low < limit and made.nan:
        return Reason("log", f"the logarithm of a negative number ({x.low:.3g}) is NaN")
    if x.zeros or x.low <= 0:
        return Reason("log", "the logarithm of 0 is -inf")
    return None


def _log1p(given: Inputs, made: Seen) -> Reason:
    return Reason(
        "log", f"log1p of numbers down to {given[0].low:.6g}: at -1 it is -inf, below NaN"
    )


def _exp(given: Inputs, made: Seen) -> Reason:
    limit = math.log(torch.finfo(made.dtype).max)
    return Reason(
        "exp",
        f"exp of numbers up to {given[0].high:.4g}; {made.kind} overflows at {limit:.4g}",
    )


def _root(given: Inputs, made: Seen) -> Reason | None:
    if made.nan:
        return Reason("root", f"the root of a negative number ({given[0].low:.3g}) is NaN")
    return None


def _reciprocal(given: Inputs, made: Seen) -> Reason | None:
    return Reason("quotient", "1 divided by 0 is infinite") if given[0].zeros else None


def _quotient(given: Inputs, made: Seen) -> Reason | None:
    if len(given) > 1 and given[1].zeros:
        words = "0 divided by 0 is NaN" if made.nan else "a number divided by 0 is infinite"
        return Reason("quotient", words)
    return None


def of_divisor() -> Reason:
    """Say why a quotient is not finite of which the divisor alone is known, and holds a 0."""
    return Reason("quotient", "it divides by 0")


def _power(given: Inputs, made: Seen) -> Reason | None:
    if made.nan and given[0].low < 0:
        return Reason(
            "power", f"a fractional power of a negative number ({given[0].low:.3g}) is NaN"
        )
    if given[0].zeros and made.infinite and given[0].most < 1e3:
        return Reason("power", "a negative power of 0 is infinite")
    return None


def _arc(given: Inputs, made: Seen) -> Reason:
    x = given[0]
    return Reason(
        "arc", f"it is defined from -1 to 1; it was given numbers from {x.low:.4g} to {x.high:.4g}"
    )


def _mean(given: Inputs, made: Seen) -> Reason | None:
    if not given or not given[0].count:
        return Reason("empty", "the mean of no number at all is NaN: nothing was chosen")
    return None


def _spread(given: Inputs, made: Seen) -> Reason | None:
    if given[0].count <= 1 or 1 in given[0].shape:
        return Reason(
            "spread", "the deviation of a single number is 0 / 0: it divides by the number minus 1"
        )
    return None


def _norm(given: Inputs, made: Seen) -> Reason:
    return Reason("norm", "it divides by a deviation of 0, and its eps is 0")


def _copy(given: Inputs, made: Seen) -> Reason | None:
    x = given[0]
    largest = torch.finfo(made.dtype).max if made.dtype.is_floating_point else math.inf
    if x.dtype != made.dtype and x.most > largest:
        return Reason(
            "half overflow",
            f"numbers up to {x.most:.3g} do not fit into {made.kind}, whose largest is "
            f"{largest:.6g}",
        )
    return None


def _softmax(given: Inputs, made: Seen) -> Reason | None:
    return _masked("softmax") if given and given[0].infinite else None


def _overflow(name: str, given: Inputs, made: Seen) -> Reason:
    if not made.dtype.is_floating_point:
        return Reason("other", "")
    largest = torch.finfo(made.dtype).max
    most = max((each.most for each in given), default=0.0)
    key = "half overflow" if made.dtype == torch.float16 else "overflow"
    if made.infinite or most > largest**0.5:
        return Reason(
            key,
            f"numbers up to {most:.3g} went in, and {made.kind} ends at {largest:.4g}",
        )
    return Reason("other", "")


_BY_NAME: dict[str, Callable[[Inputs, Seen], Reason | None]] = {
    "log": _log, "log2": _log, "log10": _log, "log1p": _log1p, "exp": _exp, "exp2": _exp,
    "expm1": _exp, "sinh": _exp, "cosh": _exp, "sqrt": _root, "rsqrt": _reciprocal,
    "reciprocal": _reciprocal, "div": _quotient, "true_divide": _quotient, "pow": _power,
    "acos": _arc, "asin": _arc, "atanh": _arc, "mean": _mean, "nanmean": _mean, "std": _spread,
    "var": _spread, "var_mean": _spread, "std_mean": _spread, "native_layer_norm": _norm,
    "native_batch_norm": _norm, "native_group_norm": _norm, "to_copy": _copy, "copy": _copy,
    "softmax": _softmax, "log_softmax": _softmax, "safe_softmax": _softmax,
}  # fmt: skip

_DERIVATIVES: dict[str, tuple[str, str]] = {
    "sqrt": ("root", "the slope of the root, 1 / (2 sqrt x), is infinite at 0"),
    "rsqrt": ("root", "the slope of 1 / sqrt x is infinite at 0"),
    "pow": ("power", "the slope of a power below 1 is infinite at 0"),
    "log": ("log", "the slope of the logarithm, 1 / x, is infinite at 0"),
    "log2": ("log", "the slope of the logarithm is infinite at 0"),
    "log10": ("log", "the slope of the logarithm is infinite at 0"),
    "log1p": ("log", "the slope of log1p, 1 / (1 + x), is infinite at -1"),
    "xlogy": ("log", "the slope of x log y is infinite where y is 0"),
    "logit": ("log", "the slope of the logit is infinite at 0 and at 1"),
    "div": ("quotient", "the slope of a quotient, 1 / x, is infinite where the divisor is 0"),
    "reciprocal": ("quotient", "the slope of 1 / x is infinite at 0"),
    "acos": ("arc", "the slope of acos is infinite at -1 and at 1"),
    "asin": ("arc", "the slope of asin is infinite at -1 and at 1"),
    "acosh": ("arc", "the slope of acosh is infinite at 1"),
    "atan2": ("arc", "the slope of atan2 is 0 / 0 where both arguments are 0"),
    "hypot": ("root", "the slope of hypot is 0 / 0 where both arguments are 0"),
    "norm": ("root", "the slope of a norm is 0 / 0 at 0"),
    "linalg_vector_norm": ("root", "the slope of a norm is 0 / 0 at 0"),
    "linalg_eigh": (
        "eigenvalues",
        "the slope of eigenvectors is infinite where two eigenvalues are equal",
    ),
    "linalg_svd": (
        "eigenvalues",
        "the slope of singular vectors is infinite where two singular values are equal",
    ),
    "std": ("spread", "the slope of the deviation is 0 / 0 where all numbers are equal"),
    "softmax": ("masked row", "a row is masked whole: softmax of nothing but -inf is 0 / 0"),
    "exp": ("exp", "exp overflows there, and its slope, which is exp itself, with it"),
}  # fmt: skip
