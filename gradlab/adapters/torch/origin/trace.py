"""Which operation made the first NaN or infinity.

A forward pass is run again and every operation looked at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gradlab.adapters.torch.modules import class_name, clean, tensors_of

INPUT = "input"


@dataclass(frozen=True)
class Origin:
    """Where a number stopped being finite.

    Attributes
    ----------
    operation : str
        PyTorch's name of it, such as "aten.log"; "input" where the model was given the number.
    module : str
        The innermost module that was running; "" for the loss, or whatever runs outside the model.
    phase : str
        "forward" or "backward".
    inputs : str
        The range of what the operation was given, all of it finite.
    after : str
        The last module with weights that had begun by then: the layer it happened in, or behind.
    """

    operation: str
    module: str
    phase: str
    inputs: str
    after: str = ""

    def __str__(self) -> str:
        if self.operation == INPUT:
            return f"in what the model was given: {self.inputs}"
        where = f"in module {self.module}" if self.module else "outside the model (the loss)"
        return f"{self.operation} {where}, in the {self.phase} pass, given {self.inputs}"

    def to_dict(self) -> dict[str, str]:
        """Return plain data."""
        return asdict(self)


@dataclass
class _Running:
    """The modules that are running, innermost last, and the last one with weights that began."""

    stack: list[str] = field(default_factory=list)
    last: str = ""

    def begin(self, name: str, weighs: bool) -> None:
        self.stack.append(name)
        if weighs:
            self.last = name

    def end(self) -> None:
        self.stack.pop()


class _Looking(TorchDispatchMode):
    """Looks at what every operation returns.

    The first one to make a non-finite number of finite ones is the origin.
    """

    def __init__(self, running: _Running):
        super().__init__()
        self.origin: Origin | None = None
        self.backward = False
        self._running = running

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.origin is None and not _makes_uninitialized(func) and _broken(result):
            given = [tensor for tensor in tensors_of((args, kwargs or {}))]
            if not any(_broken(tensor) for tensor in given if not _same(tensor, result)):
                name = str(func).removesuffix(".default")
                module = self._running.stack[-1] if self._running.stack else ""
                phase = "backward" if self.backward else "forward"
                self.origin = Origin(name, module, phase, _ranges(given), self._running.last)
        return result


class Forward:
    """A forward pass that may be asked for again: its arguments, and the precision it ran in."""

    def __init__(self, model: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]):
        self.model, self.arguments, self.keywords = model, arguments, keywords
        self._kind = next(model.parameters()).device.type
        self._autocast = torch.is_autocast_enabled(self._kind)
        self._dtype = torch.get_autocast_dtype(self._kind) if self._autocast else None

    def __call__(self) -> Any:
        """Run it."""
        with torch.autocast(self._kind, dtype=self._dtype, enabled=self._autocast):
            return self.model(*self.arguments, **self.keywords)


def of_forward(call: Forward) -> Origin | None:
    """Run a forward pass again, without a trace in the model, and return where it broke; None where it did not.

    Random numbers are drawn from a copy of the generators, and buffers (BatchNorm's running
    statistics) are put back.
    """
    given = [
        int((~torch.isfinite(tensor)).sum())
        for tensor in tensors_of((call.arguments, call.keywords))
    ]
    with (
        _unchanged(call.model),
        torch.no_grad(),
        _running_modules(call.model) as running,
        _Looking(running) as look,
        contextlib.suppress(Exception),  # a model that cannot be run twice keeps its secret
    ):
        call()
    if sum(given):  # only now: a pass through a sharded model takes all processes
        return Origin(INPUT, "", "forward", f"{sum(given)} of its numbers are NaN or infinite")
    return look.origin


def of_call(model: nn.Module, function: Callable[[], Any]) -> Origin | None:
    """Call `function`, which returns a loss, and its backward pass; return where it broke.

    Gradients are put back.
    """
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    try:
        for parameter, _ in gradients:
            parameter.grad = None
        with _unchanged(model), _running_modules(model) as running, _Looking(running) as look:
            loss = function()
            look.backward = True
            if look.origin is None and isinstance(loss, Tensor) and loss.requires_grad:
                loss.sum().backward()
    finally:
        for parameter, gradient in gradients:
            parameter.grad = gradient
    return look.origin


@contextlib.contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Put buffers back, those too that a pass replaces by others, and draw random numbers from copies."""
    devices = [device for device in {p.device for p in model.parameters()} if device.type == "cuda"]
    buffers = [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        with torch.no_grad():
            for module, name, buffer, kept in buffers:
                buffer.copy_(kept)
                module._buffers[name] = buffer


@contextlib.contextmanager
def _running_modules(model: nn.Module) -> Iterator[_Running]:
    """Keep the names of the modules that are running."""
    running = _Running()
    handles = []
    for name, module in model.named_modules():
        label = clean(name) or class_name(module)
        weighs = any(parameter.ndim > 1 for parameter in module.parameters(recurse=False))
        handles.append(
            module.register_forward_pre_hook(lambda *_, at=(label, weighs): running.begin(*at))
        )
        handles.append(module.register_forward_hook(lambda *_: running.end(), always_call=True))
    try:
        yield running
    finally:
        for handle in handles:
            handle.remove()


def _broken(value: Any) -> bool:
    return any(
        not bool(torch.isfinite(tensor).all()) for tensor in tensors_of(value) if tensor.numel()
    )


def _same(tensor: Tensor, result: Any) -> bool:
    """Whether an operation wrote into what it was given."""
    return any(tensor is other for other in tensors_of(result))


def _makes_uninitialized(func: Any) -> bool:
    # Messages between processes compute nothing, and the room that is made for them holds anything.
    return (
        "empty" in str(func)
        or "new_" in str(func)
        or func.namespace in ("c10d", "_c10d_functional", "fsdp")
    )


def _ranges(tensors: list[Tensor]) -> str:
    """Word what an operation was given: "numbers from -0.3 to 12"."""
    filled = [tensor.detach().float() for tensor in tensors if tensor.numel()]
    finite = [tensor[torch.isfinite(tensor)] for tensor in filled]
    spans = [
        f"numbers from {float(t.min()):.3g} to {float(t.max()):.3g}" for t in finite if t.numel()
    ]
    return " and ".join(spans[:3]) or "nothing"
