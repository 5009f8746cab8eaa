"""Assertions on a recorded statistic: between bounds in every layer, or first against last."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.diagnosis import diagnose
from gradlab.errors import ArgumentError
from gradlab.testing.message import Row, apart, reasons, table
from gradlab.testing.mistakes import at_the_callers_line
from gradlab.testing.select import (
    GradientError,
    Iterations,
    Layers,
    Part,
    as_run,
    check_bounds,
    check_number,
    choose_layers,
    names_of,
    part_of,
)

Array = np.ndarray


@dataclass(frozen=True)
class _Extreme:
    """The value of one layer that decides, where it stands, and what is wrong with it.

    Attributes
    ----------
    wrong : str
        "below", "above", "not finite" or nothing.
    by : float
        How far outside, in powers of ten where that is defined.
    """

    layer: int
    value: float
    iteration: int
    replicate: int
    wrong: str
    by: float


@at_the_callers_line
def assert_gradient_bounds(
    run: Any,
    minimum: float | None = None,
    maximum: float | None = None,
    *,
    statistic: str = "grad_norm",
    layers: Layers = None,
    iterations: Iterations = None,
    quantile: float = 1.0,
) -> None:
    """Assert that a statistic stays within bounds in each layer, at every iteration and replicate.

    Parameters
    ----------
    run : Run, path or recorder
    minimum, maximum : float, optional
        At least one; a value equal to its bound passes. NaN and infinity never do.
    statistic : str
        Any column of a Run; "grad_norm" is ||dLoss/dW_l||_F.
    layers : str, re.Pattern, int or sequence, optional
        A pattern of names such as "hidden*", a regular expression, or numbers from 1, nearest the
        input. Default: all.
    iterations : slice, range, int or sequence of int, optional
        From 0, such as `slice(10, None)`. Default: all.
    quantile : float
        The share of a layer's values, above 0 and at most 1, that has to lie within the bounds.

    Raises
    ------
    GradientError
        A layer is outside (an AssertionError).
    ArgumentError
        A bound that is NaN, minimum above maximum, a choice that holds no value.
    """
    __tracebackhide__ = True
    minimum, maximum = check_bounds(minimum, maximum)
    quantile = check_number("quantile", quantile, least=0, most=1)
    record = as_run(run)
    part = part_of(record, statistic, layers, iterations)
    found = [_extreme(part, k, minimum, maximum, quantile) for k in range(len(part.layers))]
    outside = [each for each in found if each.wrong]
    if outside:
        raise GradientError(_bounds_message(part, found, outside, (minimum, maximum), quantile))


def _extreme(
    part: Part, k: int, minimum: float | None, maximum: float | None, quantile: float
) -> _Extreme:
    """Find the value of the k-th layer that decides.

    What is not finite decides whatever the quantile.
    """
    at = np.argwhere(part.recorded[:, :, k])
    values = part.values[at[:, 0], at[:, 1], k]
    known: list[float] = values.tolist()
    unfinite = np.flatnonzero(~np.isfinite(values)).tolist()
    if unfinite:
        return _placed(part, k, at[unfinite[0]], known[unfinite[0]], "not finite", math.inf)
    order, from_top = (
        np.argsort(each, kind="stable") for each in (values, -values)
    )  # of equals the earliest
    spared = math.floor((1 - quantile) * len(known) + 1e-9)  # values that may lie outside
    spared = min(spared, len(known) - 1)
    low, high = int(order[spared]), int(from_top[spared])
    below = (
        0.0 if minimum is None else _distance(known[low], minimum) if known[low] < minimum else 0.0
    )
    above = (
        0.0
        if maximum is None
        else _distance(maximum, known[high])
        if known[high] > maximum
        else 0.0
    )
    if above > below:
        return _placed(part, k, at[high], known[high], "above", above)
    lowest = minimum is not None
    chosen = low if lowest else high
    return _placed(part, k, at[chosen], known[chosen], "below" if below else "", below)


def _placed(part: Part, k: int, at: Array, value: float, wrong: str, by: float) -> _Extreme:
    return _Extreme(part.layers[k], value, part.iterations[at[0]], int(at[1]), wrong, by)


def _distance(low: float, high: float) -> float:
    """How far apart two values are: in powers of ten between positive ones.

    More than any of these from 0 on.
    """
    return (
        float(math.log10(high / low))
        if low > 0 and high / low < math.inf
        else 1e3 + float(high - low)
    )


def _bounds_message(
    part: Part,
    found: list[_Extreme],
    outside: list[_Extreme],
    bounds: tuple[float | None, float | None],
    quantile: float,
) -> str:
    names = names_of(part.run)
    worst = max(outside, key=lambda each: each.by)
    broken = {
        "below": f"below the minimum {_exact(bounds[0])}",
        "above": f"above the maximum {_exact(bounds[1])}",
        "not finite": "which is not finite",
    }[worst.wrong]
    share = ""
    if quantile < 1 and worst.wrong != "not finite":
        share = f", as more than {100 * (1 - quantile):g} % of its values are"
    others = (
        f"{len(outside)} of {len(found)} layers are outside"
        if len(outside) > 1
        else "the other layers are within"
    )
    head = (
        f"run {part.run.name!r}: {part.statistic} of layer {worst.layer} "
        f"({names[worst.layer - 1]}) is "
        f"{_crossing(worst, bounds)} at iteration {worst.iteration}, replicate {worst.replicate}, "
        f"{broken}{share}"
        f"{'; ' + others if len(found) > 1 else ''}."
    )
    kind = "lowest" if bounds[0] is not None else "highest"
    rows = [Row(each.layer, names[each.layer - 1], each.value, each.wrong) for each in found]
    heading = f"{kind} {part.statistic}" + (" (highest where above)" if None not in bounds else "")
    body = table(heading, rows, worst.layer, bounds)
    return "\n".join([head, *body, *reasons(diagnose(part.run), worst.wrong)])


def _crossing(worst: _Extreme, bounds: tuple[float | None, float | None]) -> str:
    bound = bounds[0] if worst.wrong == "below" else bounds[1]
    return apart(worst.value, math.nan if bound is None else bound)


def _exact(bound: float | None) -> str:
    return "" if bound is None else f"{bound:g}"


@at_the_callers_line
def assert_ratio(
    run: Any,
    first_to_last: float | tuple[float | None, float | None],
    *,
    statistic: str = "grad_norm",
    layers: Layers = None,
    iterations: Iterations = None,
    quantile: float = 1.0,
) -> None:
    """Assert that the first layer's gradient is in proportion to the last one's, at all times.

    Parameters
    ----------
    run : Run, path or recorder
    first_to_last : float or (float or None, float or None)
        The least that the ratio first / last may be, or the least and the most.
    statistic : str
        What is divided; "delta_norm" is the backward signal itself.
    layers, iterations, quantile
        As for `assert_gradient_bounds`; the first and the last of these layers are compared.

    Raises
    ------
    GradientError
        The ratio is outside, or is no number (an AssertionError).
    ArgumentError
        A bound that is NaN, the least above the most, fewer than two layers.
    """
    __tracebackhide__ = True
    least, most = _pair(first_to_last)
    least, most = check_bounds(least, most, ("first_to_last's least", "first_to_last's most"))
    quantile = check_number("quantile", quantile, least=0, most=1)
    record = as_run(run)
    chosen = choose_layers(record, layers)
    if len(chosen) < 2:
        raise ArgumentError(
            f"a ratio needs two layers, and run {record.name!r} gives {len(chosen)}; choose more"
        )
    part = part_of(record, statistic, [chosen[0], chosen[-1]], iterations)
    both = part.recorded[:, :, :1] & part.recorded[:, :, 1:]
    if not both.any():
        raise ArgumentError(
            f"{statistic} of the two layers was never recorded at the same iteration; use every=1"
        )
    with np.errstate(all="ignore"):
        divided = part.values[:, :, :1] / part.values[:, :, 1:]
    ratio = Part(record, statistic, part.iterations, [chosen[0]], divided, both)
    worst = _extreme(ratio, 0, least, most, quantile)
    if worst.wrong:
        raise GradientError(
            _ratio_message(record, statistic, chosen, worst, (least, most), quantile)
        )


def _pair(given: Any) -> tuple[Any, Any]:
    if isinstance(given, (tuple, list)):
        if len(given) != 2:
            raise ArgumentError(
                f"first_to_last={given!r} must be one number, the least, or a pair (least, most)"
            )
        return given[0], given[1]
    return given, None


def _ratio_message(
    run: Any,
    statistic: str,
    chosen: list[int],
    worst: _Extreme,
    bounds: tuple[float | None, float | None],
    quantile: float,
) -> str:
    names = names_of(run)
    first, last = chosen[0], chosen[-1]
    broken = {
        "below": f"below the least allowed, {_exact(bounds[0])}",
        "above": f"above the most allowed, {_exact(bounds[1])}",
        "not finite": "which is not finite",
    }[worst.wrong]
    share = f", as more than {100 * (1 - quantile):g} % of its values are" if quantile < 1 else ""
    head = (
        f"run {run.name!r}: {statistic} of layer {first} ({names[first - 1]}) is "
        f"{_crossing(worst, bounds)} times that "
        f"of layer {last} ({names[last - 1]}) at iteration {worst.iteration}, replicate "
        f"{worst.replicate}, {broken}"
        f"{share}."
    )
    values = run[statistic][worst.iteration, worst.replicate]
    rows = [
        Row(
            layer, names[layer - 1], float(values[layer - 1]), worst.wrong if layer == first else ""
        )
        for layer in chosen
        if run.recorded(statistic)[worst.iteration, worst.replicate, layer - 1]
    ]
    body = table(f"{statistic} there", rows, first)
    return "\n".join([head, *body, *reasons(diagnose(run), worst.wrong)])
