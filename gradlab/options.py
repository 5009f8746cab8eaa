"""Options as data: what an option is called, may be and means, written once and read by everyone.

A set of options is a frozen dataclass whose fields are made by `option`. `takes` gives a function
their keyword arguments and documentation, and the command line makes its own options of them.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar, get_type_hints

from gradlab.errors import ArgumentError, flag, one_of, suggest
from gradlab.kinds import is_listed
from gradlab.ranges import ABOVE_0, AT_LEAST_0, COUNT, COUNT_OR_0, FRACTION, Range

Function = TypeVar("Function", bound=Callable[..., Any])

PLACE = "{options}"  # where `takes` puts the documentation into a docstring


@dataclass(frozen=True)
class Option:
    """What is known of an option besides its name, type and default.

    Attributes
    ----------
    help : str
        One or two sentences, for docstrings and the command line alike.
    allowed : Range, tuple of str or None
        The numbers or the names that it may be. None: whoever uses the option checks it. A tuple
        names what may stand before the first colon of `NAME[:KEY=VALUE ...]`.
    metavar : str, optional
        What the command line's help shows in the place of a value.
    read : callable, optional
        Makes the value of what was typed on the command line, where the type alone does not tell.
    """

    help: str
    allowed: Range | tuple[str, ...] | None = None
    metavar: str | None = None
    read: Callable[[str], Any] | None = None


def option(
    default: Any,
    help: str,
    *,
    allowed: Range | tuple[str, ...] | None = None,
    metavar: str | None = None,
    read: Callable[[str], Any] | None = None,
) -> Any:
    """Return a dataclass field that is an option; see `Option`."""
    return field(default=default, metadata={"option": Option(help, allowed, metavar, read)})


def option_of(each: Field) -> Option:
    """Return what is known of the option that a field is."""
    return each.metadata["option"]


def checked(name: str, value: Any, allowed: Range | tuple[str, ...] | None) -> Any:
    """Return `value` as the option takes it; raise ArgumentError where it is not allowed."""
    if isinstance(allowed, Range):
        return allowed.check(name, value)
    if allowed is not None:
        one_of(name, value.partition(":")[0] if isinstance(value, str) else value, allowed)
    return value


def given(kind: type, values: dict[str, Any], whose: str) -> Any:
    """Return the options of `kind` with these values; ArgumentError for an unknown name."""
    known = [each.name for each in fields(kind)]
    for name in values:
        if name not in known:
            raise ArgumentError(f"{name} is no option of {whose}; {suggest(name, known)}")
    return kind(**values)


def takes(kind: type) -> Callable[[Function], Function]:
    """Give a function that ends in `**options` the keyword arguments of a set of options.

    They appear in its signature, and in its docstring at `PLACE`, in numpydoc style.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        parameters = list(signature.parameters.values())
        if parameters[-1].kind is not inspect.Parameter.VAR_KEYWORD:
            raise TypeError(f"{function.__name__} must end in **options")
        hints = get_type_hints(kind)
        added = [
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=each.default,
                annotation=hints[each.name],
            )
            for each in fields(kind)
        ]

        shown = signature.replace(parameters=parameters[:-1] + added)
        function.__signature__ = shown  # type: ignore[attr-defined]
        if function.__doc__:
            function.__doc__ = function.__doc__.replace(PLACE, documentation(kind).lstrip())
        return function

    return decorate


def documentation(kind: type, indent: str = "    ") -> str:
    """Return the options as the lines of a "Parameters" section."""
    lines = []
    for each in fields(kind):
        about = option_of(each)
        written = getattr(each.type, "__name__", each.type)
        lines.append(f"{indent}{each.name} : {written}, default {each.default!r}")
        allowed = (
            f" {about.allowed.words.capitalize()}." if isinstance(about.allowed, Range) else ""
        )
        wide = indent + "    "
        lines += textwrap.wrap(
            about.help + allowed, 100, initial_indent=wide, subsequent_indent=wide
        )
    return "\n".join(lines)


def class_weights(text: str) -> str | tuple[float, ...]:
    """Read "balanced" or one number a class, such as "1,2.5"."""
    if text == "balanced":
        return text
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(
            f"class_weights={text!r} must be balanced or one number a class, such as 1,2.5"
        ) from None


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained: what `train`, `compare` and the command line have in common.

    To add an option, add a field here, and use it in `gradlab.training`.

    Raises
    ------
    ArgumentError
        A value that is not allowed.
    """

    loss: str | None = option(
        None,
        "For class numbers cross_entropy (one output a class), binary_cross_entropy or perceptron "
        "(two classes, one output); for real targets squared_error, mean_absolute_error or huber. "
        "Default: what fits the data, cross_entropy or squared_error.",
        allowed=(
            "cross_entropy",
            "binary_cross_entropy",
            "perceptron",
            "squared_error",
            "mean_absolute_error",
            "huber",
        ),
        metavar="NAME",
    )
    optimizer: str = option(
        "sgd",
        "How weights are updated: sgd, momentum, nesterov, adagrad, rmsprop, adam or adamw, with "
        "hyperparameters where they are to differ from PyTorch's defaults, such as "
        "momentum:momentum=0.95, adam:beta1=0.8:epsilon=1e-6 or adamw:weight_decay=0.1.",
        allowed=("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"),
        metavar="NAME[:KEY=VALUE]",
    )
    learning_rate: float = option(
        0.03,
        "Step size: an update of plain sgd is this times the gradient.",
        allowed=ABOVE_0,
    )
    batch_size: int = option(
        64,
        "Examples an update sees. As many as there are to train on make it gradient descent.",
        allowed=COUNT,
    )
    iterations: int = option(500, "Updates to train for.", allowed=COUNT_OR_0)
    schedule: str = option(
        "constant",
        "How the learning rate changes: constant, step:every=N (times 0.1 every N updates, or "
        "times factor=X), exponential:factor=X (times X at every update) or cosine (falls to 0 at "
        "the end, or to a share end=X). Each may begin with a warm-up, a rise from 0 over N "
        "updates, such as cosine:warmup=50.",
        allowed=("constant", "step", "exponential", "cosine"),
        metavar="NAME[:KEY=VALUE]",
    )
    clip: str | None = option(
        None,
        "Before each update, norm:most=X shortens a gradient whose norm is above X, and "
        "value:most=X cuts its entries to -X .. X. The gradients of a seed are taken together; the "
        "gradients recorded are those before, and their norm afterwards is recorded too.",
        allowed=("norm", "value"),
        metavar="norm:most=X|value:most=X",
    )
    l1: float = option(
        0.0,
        "Weight of the penalty on the sum of |w|: makes some weights exactly 0. The loss and "
        "gradients recorded are the data's alone.",
        allowed=AT_LEAST_0,
    )
    l2: float = option(
        0.0,
        "Weight of the penalty on half the sum of w squared: keeps weights small. The loss and "
        "gradients recorded are the data's alone.",
        allowed=AT_LEAST_0,
    )
    class_weights: str | Sequence[float] | None = option(
        None,
        "Let rare classes count as much as frequent ones (balanced), or say how much each class "
        "counts; the weights are scaled to be 1 on average.",
        metavar="balanced|X,X,...",
        read=class_weights,
    )
    label_smoothing: float = option(
        0.0,
        "Share of each target that is spread over all classes, so that no answer has to be "
        "certain.",
        allowed=FRACTION,
    )
    histograms: bool = option(
        False,
        "Also count the entries of each gradient by powers of two, among the costly statistics; "
        "the report then draws them.",
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(each.default, bool):
                flag(each.name, value)
            if value is not None or each.default is not None:
                value = checked(each.name, value, option_of(each).allowed)
            if is_listed(value):
                value = tuple(value)  # so that options can be compared and hashed
            object.__setattr__(self, each.name, value)
