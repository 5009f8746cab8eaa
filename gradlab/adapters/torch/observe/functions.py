"""Calls of PyTorch's criteria and of `backward` are reported while somebody listens.

The functions stay the objects that they are; only their code is exchanged for a few lines that
report the call and run the code that was there. So a function that somebody holds under another
name (`loss_fn = F.cross_entropy`, a default argument, a pickle, a compiled graph) is seen too, and
nobody holds a wrapper once the last listener has left.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from gradlab.adapters.torch.observe.hooks import untouchable

CRITERIA = (
    "cross_entropy",
    "nll_loss",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "kl_div",
    "gaussian_nll_loss",
    "poisson_nll_loss",
    "ctc_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "hinge_embedding_loss",
)
BACKWARD = "backward"


class Listener(Protocol):
    """What is told of the calls of its own thread."""

    def criterion(self, name: str, arguments: dict[str, Any], result: Tensor) -> None:
        """A criterion has answered; `arguments` by name, defaults included."""
        ...

    def backward(self, roots: Sequence[Tensor]) -> Callable[[], None]:
        """`backward` begins at `roots`; call what this returns when it has ended."""
        ...


class _Exchanged:
    """A function whose code reports its calls."""

    def __init__(self, name: str, function: FunctionType):
        self.function = function
        parameters = inspect.signature(function).parameters
        self._names = tuple(parameters)
        optional = [each for each in parameters.values() if each.default is not each.empty]
        self._defaults = {each.name: each.default for each in optional}
        self.code = function.__code__
        self.original = FunctionType(
            function.__code__,
            function.__globals__,
            function.__name__,
            function.__defaults__,
            function.__closure__,
        )
        self.original.__kwdefaults__ = function.__kwdefaults__
        self.reporting = _reporting(name, function.__code__)

    def by_name(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call that went well by name, defaults included."""
        return self._defaults | dict(zip(self._names, arguments, strict=False)) | keywords

    def exchange(self) -> None:
        """Report the calls from now on."""
        self.function.__code__ = self.reporting
        self.function.__dict__["__wrapped__"] = self.original  # its signature and source: torch.jit

    def restore(self) -> None:
        """Report them no more."""
        if self.function.__code__ is self.reporting:  # else somebody else has exchanged it since
            self.function.__code__ = self.code
            self.function.__dict__.pop("__wrapped__", None)


_lock = threading.Lock()
# And the thread in which each one listens, and whether it hears of criteria.
_listeners: dict[Any, tuple[int, bool]] = {}
_exchanged: dict[str, _Exchanged] = {}
_inside = threading.local()  # one criterion may call another: the outer one counts


def listen(listener: Any, *, criteria: bool = True) -> None:
    """Tell `listener` of the calls of this thread from now on.

    Parameters
    ----------
    listener : Listener
        One that hears of `backward` alone needs no `criterion`.
    criteria : bool
        Whether it hears of criteria.
    """
    with _lock:
        if not _listeners:
            _exchange([BACKWARD])
        if criteria and not _hear_of_criteria():
            _exchange(CRITERIA)
        _listeners[listener] = threading.get_ident(), criteria


def leave(listener: Listener) -> None:
    """Tell it no more; with the last one, every function gets its own code back."""
    with _lock:
        if _listeners.pop(listener, None) is None:
            return
        criteria = _hear_of_criteria()
        for name, each in _exchanged.items():
            if not (_listeners if name == BACKWARD else criteria):
                each.restore()


def original(name: str) -> FunctionType:
    """Return a criterion that reports nothing."""
    known = _exchanged.get(name)
    return getattr(F, name) if known is None else known.original


def outside() -> tuple[CodeType, int]:
    """Return the code and the line from which PyTorch was called."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_WITHIN):
        frame = frame.f_back
    return frame.f_code, frame.f_lineno


def begun(name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> _Begun:
    """Report that a function was called; the code of every exchanged function calls this."""
    exchanged = _exchanged[name]
    if untouchable() or getattr(_inside, "it", False):
        return _Begun(exchanged)
    here = threading.get_ident()
    listeners = [
        listener
        for listener, (thread, criteria) in tuple(_listeners.items())
        if thread == here and (criteria or name == BACKWARD)
    ]
    if name != BACKWARD:
        return _BegunCriterion(exchanged, name, listeners, arguments, keywords)
    if torch._C._current_graph_task_id() != -1:  # reentrant checkpointing: one inside another
        return _Begun(exchanged)
    return _BegunBackward(exchanged, listeners, arguments, keywords)


class _Begun:
    """A call on its way that nobody asks for."""

    def __init__(self, exchanged: _Exchanged):
        self.exchanged, self.original = exchanged, exchanged.original

    def ended(self, result: Any) -> Any:
        """Return the result: that of a call, or None where it failed."""
        return result


class _BegunCriterion(_Begun):
    def __init__(
        self,
        exchanged: _Exchanged,
        name: str,
        listeners: list[Listener],
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
    ):
        super().__init__(exchanged)
        self._name, self._listeners = name, listeners
        self._arguments, self._keywords = arguments, keywords
        _inside.it = True

    def ended(self, result: Any) -> Any:
        _inside.it = False
        if not self._listeners or type(result) is not Tensor:  # a subclass has ways of its own
            return result
        arguments = self.exchanged.by_name(self._arguments, self._keywords)
        for listener in self._listeners:
            listener.criterion(self._name, arguments, result)
        return result


class _BegunBackward(_Begun):
    def __init__(
        self,
        exchanged: _Exchanged,
        listeners: list[Listener],
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
    ):
        super().__init__(exchanged)
        given = arguments[0] if arguments else keywords.get("tensors")
        tensors = [given] if isinstance(given, Tensor) else list(given or ())
        roots = [each for each in tensors if type(each) is Tensor and each.grad_fn is not None]
        self._finish = [listener.backward(roots) for listener in listeners] if roots else []

    def ended(self, result: Any) -> Any:
        for finish in self._finish:
            finish()
        return result


def _hear_of_criteria() -> bool:
    return any(criteria for _, criteria in _listeners.values())


def _exchange(names: Iterable[str]) -> None:
    for name in names:
        function = torch.autograd.backward if name == BACKWARD else getattr(F, name, None)
        # Somebody's own function in its place may be of any kind; a closure takes no other code.
        if not isinstance(function, FunctionType) or function.__code__.co_freevars:
            continue
        known = _exchanged.get(name)
        if known is None or known.function is not function or known.code is not function.__code__:
            _exchanged[name] = _Exchanged(name, function)
        _exchanged[name].exchange()


def _code(*arguments: Any, **keywords: Any) -> Any:
    # The names of this module are not known where this code will run.
    from gradlab.adapters.torch.observe.functions import begun

    call = begun("NAME", arguments, keywords)
    result = None
    try:
        result = call.original(*arguments, **keywords)
    finally:
        result = call.ended(result)
    return result


def _reporting(name: str, code: CodeType) -> CodeType:
    """Return the code that reports calls; it says that it lies where `code` does, for warnings."""
    constants = tuple(name if each == "NAME" else each for each in _code.__code__.co_consts)
    return _code.__code__.replace(
        co_consts=constants,
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_filename=code.co_filename,
        co_firstlineno=code.co_firstlineno,
    )


_WITHIN = (str(Path(torch.__file__).parent), str(Path(__file__).parent))
