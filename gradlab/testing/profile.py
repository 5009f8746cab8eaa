"""`assert_profile`: every layer's gradient against a text file beside the test."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gradlab.diagnosis import diagnose
from gradlab.errors import RunError
from gradlab.files import is_file
from gradlab.kinds import FLAG, PATH, TEXT, of_kinds
from gradlab.rules.wording import number
from gradlab.run import Run
from gradlab.testing.message import Row, reasons, table
from gradlab.testing.mistakes import at_the_callers_line
from gradlab.testing.select import GradientError, as_run, check_number, names_of, part_of

SCHEMA, DIGITS = 1, 3  # digits behind the point of a decade: 0.001 is a change of 0.2 %

Profile = dict[str, float]


@at_the_callers_line
@of_kinds(path=PATH, statistic=TEXT, update=FLAG)
def assert_profile(
    run: Any,
    path: str | Path,
    *,
    decades: float = 0.5,
    statistic: str = "grad_norm",
    update: bool = False,
    command: str = "assert_profile(..., update=True)",
) -> None:
    """Assert that no layer's gradient has moved more than `decades` from the stored one.

    A profile is the logarithm of each layer's median gradient over all iterations and replicates,
    in a TOML file of one line a layer.

    Parameters
    ----------
    run : Run, path or recorder
    path : path
        The file; `update` writes it.
    decades : float
        Above 0; 0.5 is a factor of about 3. A change of exactly so much passes.
    statistic : str
        A column of a Run that is above 0; "grad_norm" is ||dLoss/dW_l||_F.
    update : bool
        Write the run's profile to `path` in place of judging it.
    command : str
        What the message tells a reader to type to make the file.

    Raises
    ------
    GradientError
        A layer moved, the layers are others, or there is no file (an AssertionError).
    ArgumentError, RunError
        `decades` is no number above 0, or the file cannot be read or written.
    """
    __tracebackhide__ = True
    decades = check_number("decades", decades, least=0)
    record, path = as_run(run), Path(path)
    now = profile_of(record, statistic)
    if update:
        _write(path, now, record, statistic)
        return
    if not is_file(path):
        raise GradientError(
            f"there is no profile {path} to compare run {record.name!r} with; make it by: {command}"
        )
    then, measured = _read(path)
    if measured != statistic:
        raise GradientError(
            f"profile {path} is of {measured}, not of {statistic}; make it anew by: {command}"
        )
    _compare(record, path, then, now, decades, command)


def profile_of(run: Run, statistic: str = "grad_norm") -> Profile:
    """Return log10 of the median of a statistic by layer; -inf for 0.

    Layers without a value are left out; one that holds NaN or infinity is an error: no profile of a
    broken run is one.
    """
    part = part_of(run, statistic, None, None)
    names = _unique(names_of(run))
    profile: Profile = {}
    for k, layer in enumerate(part.layers):
        values = part.values[:, :, k][part.recorded[:, :, k]]
        if not np.isfinite(values).all() or (values < 0).any():
            wrong = values[~(np.isfinite(values) & (values >= 0))][0]
            raise GradientError(
                f"run {run.name!r}: {statistic} of layer {layer} ({names[layer - 1]}) holds "
                f"{number(float(wrong))}, "
                "and a profile is made of finite numbers of at least 0; see what assert_healthy "
                "says of this run"
            )
        median = float(np.median(values))
        profile[names[layer - 1]] = round(math.log10(median), DIGITS) if median > 0 else -math.inf
    return profile


def _unique(names: list[str]) -> list[str]:
    """Tell layers of the same name apart by their number."""
    return [
        name if names.count(name) == 1 else f"{name} {number}"
        for number, name in enumerate(names, 1)
    ]


def _write(path: Path, profile: Mapping[str, float], run: Run, statistic: str) -> None:
    iterations, replicates, _ = run.shape
    width = max(len(_quoted(name)) for name in profile)
    lines = [
        f"# gradlab: log10 of each layer's median {statistic} over {iterations} iterations x "
        f"{replicates} replicates",
        f"schema = {SCHEMA}",
        f'statistic = "{statistic}"',
        "",
        "[layers]",
        *(f"{_quoted(name):<{width}} = {value:.{DIGITS}f}" for name, value in profile.items()),
        "",
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines), encoding="utf-8")
    except OSError as error:
        raise RunError(
            f"profile {path} cannot be written: {error.strerror}; choose another folder"
        ) from None


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False).replace(
        "\x7f", "?"
    )  # a JSON string is a TOML one, but for DEL


def _read(path: Path) -> tuple[Profile, str]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RunError(f"profile {path} cannot be read: {error}; make it anew") from None
    layers = document.get("layers")
    if document.get("schema") != SCHEMA or not isinstance(layers, dict) or not _are_decades(layers):
        raise RunError(
            f"profile {path} is no profile of schema {SCHEMA}, with numbers by layer; make it anew"
        )
    return {name: float(value) for name, value in layers.items()}, str(document.get("statistic"))


def _are_decades(layers: dict[str, Any]) -> bool:
    return bool(layers) and all(
        type(each) in (int, float) and not math.isnan(each) for each in layers.values()
    )


def _compare(
    run: Run, path: Path, then: Profile, now: Profile, decades: float, command: str
) -> None:
    __tracebackhide__ = True
    if list(then) != list(now):
        gone, new = [n for n in then if n not in now], [n for n in now if n not in then]
        parts = [
            f"{', '.join(names)} {word}" for names, word in ((gone, "gone"), (new, "new")) if names
        ]
        said = " and ".join(parts) or "their order is another"
        raise GradientError(
            f"run {run.name!r} has other layers than profile {path}: {said}; if that is meant, "
            f"rewrite it by: {command}"
        )
    moved = {name: _moved(then[name], now[name]) for name in now}
    worst = max(moved, key=lambda name: abs(moved[name]))
    if abs(moved[worst]) <= decades:
        return
    numbers = {name: layer for layer, name in enumerate(_unique(names_of(run)), 1)}
    rows = [
        Row(numbers[name], name, _value(now[name]), _note(moved[name], then[name], decades))
        for name in now
    ]
    count = sum(abs(each) > decades for each in moved.values())
    head = (
        f"run {run.name!r}: the gradient of layer {numbers[worst]} ({worst}) moved by "
        f"{moved[worst]:+.3g} decades, "
        f"from {number(_value(then[worst]))} in {path.name} to {number(_value(now[worst]))}, more "
        f"than the {decades:g} "
        f"allowed; {count} of {len(now)} layers moved."
    )
    body = table("median now", rows, numbers[worst])
    seen = "below" if moved[worst] < 0 else "above"
    tail = f"  if that is meant, rewrite the profile by: {command}"
    raise GradientError("\n".join([head, *body, *reasons(diagnose(run), seen), tail]))


def _note(moved: float, then: float, decades: float) -> str:
    return f"{moved:+.3g} decades, was {number(_value(then))}" if abs(moved) > decades else ""


def _moved(then: float, now: float) -> float:
    """Return now - then in decades, as exactly as the file holds it.

    0 where both are 0 gradients.
    """
    return 0.0 if then == now else round(now - then, DIGITS)


def _value(decade: float) -> float:
    return 10.0**decade if abs(decade) < 300 else (0.0 if decade < 0 else math.inf)
