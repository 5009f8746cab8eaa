"""Wrong arguments of assertions, told at the caller's line."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from gradlab.errors import ArgumentError, GradlabError, suggest

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def at_the_callers_line(
    function: Callable[Parameters, Result],
) -> Callable[Parameters, Result]:
    """Let a function's complaints about its arguments end at the line that called it.

    A traceback into gradlab helps nobody who misspelt a layer. An argument that the function does
    not take is such a complaint, too, with the nearest name that it takes.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*given: Parameters.args, **named: Parameters.kwargs) -> Result:
        __tracebackhide__ = True
        mistake: Exception
        try:
            _check_names(function.__name__, signature, named)
            return function(*given, **named)
        except GradlabError as error:
            mistake = error
        # Outside of the `except`: else the frames would come back as the error's context.
        raise mistake.with_traceback(None) from None

    return called


def _check_names(function: str, signature: inspect.Signature, named: dict[str, object]) -> None:
    """Raise ArgumentError for a name that the function does not take."""
    known = [name for name in signature.parameters if name != "self"]
    kinds = {each.kind for each in signature.parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return
    for name in named:
        if name not in known:
            raise ArgumentError(f"{function} takes no argument {name!r}; {suggest(name, known)}")
