"""A forward pass is run again, then its backward pass: which operation made the first number that
is not finite.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import checkpoint

from gradlab.adapters.torch.observe.eager import compiled_inside
from gradlab.adapters.torch.observe.module_state import Refused
from gradlab.adapters.torch.origin import births, derivative, looking, places, seen
from gradlab.adapters.torch.origin.answer import Origin
from gradlab.adapters.torch.origin.frames import Frames
from gradlab.adapters.torch.origin.looking import Looking, Modules
from gradlab.adapters.torch.origin.places import Frame
from gradlab.adapters.torch.origin.together import Together
from gradlab.adapters.torch.origin.untouched import states_of_generators, untouched

GRADIENT_BYTES = 64 << 20  # of the gradients at a model's outputs, kept until the next pass
FREE = "it cannot be run again"


class Forward:
    """A forward pass that may be asked for again: its arguments, and the precision it ran in.

    Parameters
    ----------
    model : nn.Module
    arguments, keywords
        What it was called with.
    devices : sequence of torch.device, optional
        Those that the model lies on, where that is known.

    Attributes
    ----------
    frames : tuple of Frame
        Where the user's code called the model.
    gradients : list of (Tensor or None)
        Of the loss with respect to each output, once `backward` has gone by.
    versions : list of int
        How often each argument had been written to.
    """

    def __init__(
        self,
        model: nn.Module,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        devices: Sequence[torch.device] | None = None,
    ):
        self.model, self.arguments, self.keywords = model, arguments, keywords
        devices = devices_of(model) if devices is None else devices
        self._kind = devices[0].type
        self._autocast = torch.is_autocast_enabled(self._kind)
        self._dtype = torch.get_autocast_dtype(self._kind) if self._autocast else None
        self.generators = states_of_generators(devices)
        self.frames: tuple[Frame, ...] = places.frames_above(most=4)
        self.gradients: list[Tensor | None] = []
        self.versions = _versions(arguments, keywords)

    def __call__(self) -> Any:
        """Run it."""
        return self.again(self.arguments, self.keywords)

    def again(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Run the model with other arguments in the same precision."""
        with torch.autocast(self._kind, dtype=self._dtype, enabled=self._autocast):
            return self.model(*arguments, **keywords)

    def returned(self, outputs: Sequence[Tensor]) -> None:
        """Keep the gradient of each output, when it comes."""
        self.gradients = [None] * len(outputs)
        for number, output in enumerate(outputs):
            if output.numel() * output.element_size() <= GRADIENT_BYTES:
                output.register_hook(_Keep(self.gradients, number))

    @property
    def changed(self) -> bool:
        """Whether its arguments were written to since."""
        return _versions(self.arguments, self.keywords) != self.versions

    @property
    def names(self) -> list[str]:
        """The names of the arguments that were given by position."""
        return names_of_arguments(self.model)


def _versions(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> list[int]:
    """Return how often each tensor that a model was given has been written to."""
    given = (*arguments, *keywords.values())
    if all([type(each) is Tensor for each in given]):  # as most are: nothing to look into
        return [each._version for each in given]
    return [each._version for each in seen.floating((arguments, keywords))]


@dataclass(eq=False)
class _Keep:
    gradients: list[Tensor | None]
    number: int

    def __call__(self, gradient: Tensor) -> None:
        self.gradients[self.number] = gradient.detach()


@dataclass
class Told:
    """What a pass that was run again has told.

    Attributes
    ----------
    origin : Origin or None
    trouble : str
        Why nothing is known, if that is so.
    frames : list of dict
        Smallest and largest absolute numbers by module.
    """

    origin: Origin | None = None
    trouble: str = ""
    frames: list[dict[str, Any]] = field(default_factory=list)


def names_of_arguments(model: nn.Module) -> list[str]:
    """Return the names of what a model takes; none where that cannot be told."""
    with contextlib.suppress(TypeError, ValueError):
        return list(inspect.signature(model.forward).parameters)
    return []


def devices_of(model: nn.Module) -> list[torch.device]:
    """Return the devices that a model lies on; main memory where it has no parameters."""
    return list({each.device: None for each in model.parameters()}) or [torch.device("cpu")]


def outputs_of(value: Any) -> list[Tensor]:
    """Return the outputs of a model that a loss can be made of."""
    tensors = [value] if type(value) is Tensor else seen.floating(value)
    return [each for each in tensors if each.requires_grad and each.grad_fn is not None]


def of_pass(call: Forward, together: Together) -> Told:
    """Run a forward pass again, and its backward pass if it is finite; return where it broke.

    Nothing is left of it: see `untouched`.

    Parameters
    ----------
    together : Together
        The processes among which the parameters lie in shards: all of them call this.
    """
    known = looking.known_tensors(call.model, call.arguments, call.keywords, call.names)
    modules, frames = Modules(), Frames(call.model)
    look = Looking(modules, known, protected=together.alone, until=of_pass.__code__)
    knows = None if together.alone else look.know
    told = Told()
    try:
        with untouched(call.model, call.generators), _eager(call.model):
            with modules.follow(call.model, knows), frames.follow(), look:
                output = call()
                birth = look.birth_of(output)
            told.frames = frames.rows()
            if birth is not None:
                told.origin = births.origin_of(birth)
            else:
                told.origin = _backward(call, output, look, together)
    except Refused as refused:
        told.trouble = f"{FREE}: {refused}"
    except Exception as error:  # a model that cannot be run twice keeps its secret
        told.trouble = f"{FREE}: {type(error).__name__}: {str(error)[:200]}"
    together.part(call.model)
    told.trouble = told.trouble or together.trouble
    if told.origin is not None:
        told.origin = _placed(told.origin, call)
    elif call.changed and not told.trouble:
        told.trouble = "the batch was written over after the forward pass"
    return told


def _backward(call: Forward, output: Any, look: Looking, together: Together) -> Origin | None:
    """Go backward from the gradients that came to the model's outputs, where they are finite."""
    outputs = outputs_of(output)
    known = call.gradients if len(outputs) == len(call.gradients) else []
    pairs = [
        (number, each, gradient)
        for number, (each, gradient) in enumerate(zip(outputs, known, strict=False))
        if gradient is not None and gradient.shape == each.shape
    ]
    finite = bool(pairs) and all(seen.is_finite(gradient) for *_, gradient in pairs)
    if not together.go([number for number, *_ in pairs], finite):
        return None
    ends = [each for _, each, _ in pairs]
    found = derivative.of_backward(
        ends,
        [gradient for *_, gradient in pairs],
        together.leaves(call.model, ends),
        look.by_node,
        unpacks=together.alone,
    )
    return found if finite else None  # where another process has to be kept company


def _placed(origin: Origin, call: Forward) -> Origin:
    """Return an origin with the line that called the model, where no line of the model is known."""
    if origin.place is not None:
        return origin
    own = places.outermost(call.frames)
    return origin.with_details(place=None if own is None else places.place([own]))


def of_call(model: nn.Module, function: Callable[[], Any], together: Together) -> Told:
    """Call `function`, which returns a loss, and its backward pass; return where it broke.

    Gradients, buffers and generators are put back. Of a model in shards, all processes call this.
    """
    modules, told = Modules(), Told()
    known = looking.known_tensors(model, (), {}, [])
    look = Looking(modules, known, protected=together.alone, until=of_call.__code__)
    knows = None if together.alone else look.know
    try:
        with untouched(model), _eager(model):
            with modules.follow(model, knows), _given(model, look), look:
                loss = function()
                birth = look.birth_of(loss)
            if birth is not None:
                told.origin = births.origin_of(birth)
            elif isinstance(loss, Tensor) and loss.requires_grad and together.go([0], True):
                whole = [loss.sum()]
                leaves = together.leaves(model, whole)
                told.origin = derivative.of_backward(
                    whole, [None], leaves, look.by_node, unpacks=together.alone
                )
    finally:
        together.part(model)
    told.trouble = together.trouble
    return told


@contextlib.contextmanager
def _given(model: nn.Module, look: Looking) -> Iterator[None]:
    """Let `look` know what the model is given."""
    names = names_of_arguments(model)

    def hook(_: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        look.know_given(looking.given_tensors(arguments, keywords, names))

    handle = model.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextlib.contextmanager
def _eager(model: nn.Module) -> Iterator[None]:
    """Run compiled parts uncompiled, and what reentrant checkpointing hides in the open."""
    hiding = checkpoint.CheckpointFunction
    stance = torch.compiler.set_stance("force_eager") if compiled_inside(model) else None
    try:
        checkpoint.CheckpointFunction = _Open  # pyright: ignore[reportAttributeAccessIssue]
        with stance or contextlib.nullcontext():
            yield
    finally:
        checkpoint.CheckpointFunction = hiding


class _Open:
    """Reentrant checkpointing that keeps what it would compute again."""

    @staticmethod
    def apply(function: Callable[..., Any], preserve: bool, *arguments: Any) -> Any:
        """Run the function."""
        return function(*arguments)
