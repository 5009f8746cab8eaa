"""Options with hyperparameters of their own, written `NAME[:KEY=VALUE ...]`.

Such as `adam:beta1=0.8:epsilon=1e-6` for an optimizer or `cosine:warmup=50` for a schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradlab.errors import ArgumentError, one_of, shown, suggest
from gradlab.ranges import Range


@dataclass(frozen=True)
class Hyperparameter:
    """One number of an option.

    Attributes
    ----------
    default : float, optional
        None: it has to be given, unless it is `optional`.
    range : Range
        What it may be.
    optional : bool
        Whether None, "not given", is a value of its own.
    """

    default: float | None
    range: Range
    optional: bool = False


Choices = Mapping[str, Mapping[str, Hyperparameter]]


def parse(argument: str, text: str, choices: Choices) -> tuple[str, dict[str, float | None]]:
    """Read `NAME[:KEY=VALUE ...]`.

    Parameters
    ----------
    argument : str
        What messages call the option.
    text : str
    choices : mapping of str to mapping of str to Hyperparameter
        The names that may be chosen, and the hyperparameters of each.

    Returns
    -------
    str
        The name.
    dict of str to (float or None)
        All of its hyperparameters; those that were not given have their defaults.

    Raises
    ------
    ArgumentError
        An unknown name or key, a value outside its range, or a hyperparameter that has to be given
        and is not.
    """
    name, *parts = text.split(":") if isinstance(text, str) else (text,)
    one_of(argument, name, choices)
    known = choices[name]
    values = {key: each.default for key, each in known.items()}
    for part in parts:
        key, _, written = part.partition("=")
        if key not in known:
            choice = suggest(key, known) if known else f"{name} has none"
            raise ArgumentError(
                f"{argument}={shown(text)} has no hyperparameter {shown(key)}; {choice}"
            )
        values[key] = known[key].range.read(f"{argument}={shown(text)}: {key}", written)
    for key, each in known.items():
        if values[key] is None and not each.optional:
            raise ArgumentError(
                f"{argument}={shown(text)} needs {key}, {each.range.words}; write {name}:{key}=..."
            )
    return name, values
