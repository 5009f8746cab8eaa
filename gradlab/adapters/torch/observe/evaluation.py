"""The last training batch once more in evaluation mode.

Before the optimizer steps, model and criterion are run again on their last arguments. Only where a
module behaves differently in evaluation mode, and the pass leaves no trace (see `replay`). To
BatchNorm's running averages the batch is one that they have not seen, as held-out data are: they
are those from before the iteration's first forward pass.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from gradlab.adapters.torch.modules import tensors_of
from gradlab.adapters.torch.observe import functions, replay
from gradlab.adapters.torch.observe.criterion import Call
from gradlab.adapters.torch.observe.modes import behaves_differently, knows_two_modes
from gradlab.adapters.torch.observe.module_state import Refused, every_tensor

FIRST = 9  # BatchNorm's running averages need some batches
# Iterations between two evaluations: at least 10, then half of those so far, at most 500.
APART, SHARE, APART_AT_MOST = 10, 2, 500

Number = Tensor | float
Losses = tuple[Number, Number]  # in evaluation mode, and in training mode


@dataclass(frozen=True)
class Alias:
    """What a criterion was given, as a view of what a model answered."""

    number: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    like: tuple[tuple[int, ...], tuple[int, ...]]

    def of(self, tensors: list[Tensor]) -> Tensor:
        """Return the same view of another answer.

        Raises
        ------
        Refused
            That answer is laid out otherwise.
        """
        tensor = tensors[self.number]
        if (tuple(tensor.size()), tensor.stride()) != self.like:
            raise Refused("the model answers in another form in evaluation mode")
        return tensor.as_strided(self.size, self.stride, tensor.storage_offset() + self.offset)


@dataclass(eq=False)
class _Pass:
    """The last forward pass: what it was given, and what followed from it."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    autocast: tuple[str, bool, torch.dtype]
    written: int
    versions: list[tuple[Tensor, int]]
    ended: bool = False
    tensors: list[weakref.ref[Tensor]] = field(default_factory=list)
    # The number and the value of a loss among what was returned.
    own: tuple[int, Tensor] | None = None
    calls: list[tuple[Call, Alias | None]] = field(default_factory=list)  # None: within the model


class Evaluation:
    """Evaluates the last batch at a thinned cadence.

    Attributes
    ----------
    reason : str or None
        Why the model is not evaluated any more.
    """

    def __init__(self, model: nn.Module):
        self._model = model
        # Looked for once: a model has many modules, and few that know two modes.
        self._candidates = [module for module in model.modules() if knows_two_modes(module)]
        self._pass: _Pass | None = None
        self._averages: list[tuple[nn.Module, str, Tensor]] | None = None
        self._next = FIRST
        self._due = False
        self._iteration = 0
        self._replayed: list[tuple[str, Tensor]] | None = None
        self.reason: str | None = None

    @property
    def replaying(self) -> bool:
        """Whether the model is being run again now."""
        return self._replayed is not None

    def attach(self, iteration: int) -> None:
        """Begin an iteration."""
        self._iteration, self._pass, self._averages = iteration, None, None
        self._due = iteration >= self._next and self.reason is None
        self._due = self._due and any(behaves_differently(module) for module in self._candidates)

    def detach(self) -> None:
        """Let go of the batch."""
        self._pass, self._averages, self._due = None, None, False

    def before_forward(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """See what the model is given."""
        if self._due and self._pass_counts():
            if self._averages is None:
                self._averages = list(_averages(self._candidates))
            given = list(every_tensor((arguments, keywords)))
            self._pass = _Pass(
                arguments,
                keywords,
                _autocast(self._model),
                self._written(),
                [(tensor, tensor._version) for tensor in given],
            )

    def after_forward(self, output: Any) -> None:
        """See what it answers."""
        if self._pass is None or self._pass.ended or self.replaying:
            return
        tensors = list(tensors_in(output))
        self._pass.ended = True
        self._pass.tensors = [weakref.ref(tensor) for tensor in tensors]
        losses = [
            n for n, tensor in enumerate(tensors) if tensor.ndim == 0 and tensor.requires_grad
        ]
        if len(losses) == 1:
            self._pass.own = losses[0], tensors[losses[0]].detach().clone()

    def called(self, call: Call, answer: Tensor) -> None:
        """See that a criterion was called on the last answer, or within the model."""
        if self._pass is None:
            return
        if not self._pass.ended:
            self._pass.calls.append((call, None))
            return
        alias = _alias(answer, self._pass.tensors)
        if alias is not None:
            self._pass.calls.append((call, alias))

    def replayed(self, name: str, result: Tensor) -> None:
        """See a criterion's answer while the model is run again."""
        if self._replayed is not None:
            self._replayed.append((name, result.detach()))

    def measure(self, last: Call | None, own_loss: bool) -> dict[str, Number]:
        """Evaluate, before the optimizer steps.

        Parameters
        ----------
        last : Call or None
            The criterion's last call that `backward` went through.
        own_loss : bool
            Whether it went through a loss that the model returned.

        Returns
        -------
        dict of str to Tensor or float
            `evaluation_loss`, and `evaluation_train_loss`, of the same batch and weights in
            training mode; empty where nothing is to be evaluated.
        """
        seen, self._pass = self._pass, None
        if not self._due or seen is None or not seen.ended:
            return {}
        self._due = False
        if seen.written != self._written() or any(t._version != v for t, v in seen.versions):
            return {}  # the weights or the batch are others by now
        evaluate = self._way(seen, last, own_loss)
        if evaluate is None:
            return {}
        self._next = self._iteration + max(APART, min(self._iteration // SHARE, APART_AT_MOST))
        self.reason = replay.reason_against(self._model)
        if self.reason is not None:
            return {}
        return self._guarded(seen, evaluate, last)

    def _guarded(
        self, seen: _Pass, evaluate: Callable[[], Losses | None], last: Call | None
    ) -> dict[str, Number]:
        given = [seen.arguments, seen.keywords, {} if last is None else last.arguments]
        try:
            with replay.without_trace(self._model, given, self._averages or ()):
                losses = evaluate()
        except Refused as refused:
            self.reason = str(refused)
            return {}
        except Exception as error:  # a model that cannot be run twice is trained all the same
            self.reason = f"{type(error).__name__}: {error}"
            return {}
        finally:
            self._replayed = self._averages = None
        return (
            {}
            if losses is None
            else {"evaluation_loss": losses[0], "evaluation_train_loss": losses[1]}
        )

    def _way(
        self, seen: _Pass, last: Call | None, own_loss: bool
    ) -> Callable[[], Losses | None] | None:
        """Return what evaluates; None where the loss does not follow from this pass alone."""
        if (
            last is not None
            and len(seen.calls) == 1
            and seen.calls[0][0] is last
            and last.total is not None
        ):
            alias = seen.calls[0][1]
            return lambda: self._with_criterion(seen, last, alias)
        if last is None and own_loss and not seen.calls and seen.own is not None:
            return lambda: self._with_own_loss(seen)
        return None

    def _with_criterion(self, seen: _Pass, call: Call, alias: Alias | None) -> Losses | None:
        self._replayed = []
        output = self._run(seen)
        if alias is None:
            results = [result for name, result in self._replayed if name == call.name]
            if len(results) != 1:
                return None
            result = results[0]
        else:
            answer = alias.of(list(tensors_in(output)))
            with _precision(call.autocast):
                result = functions.original(call.name)(
                    **{call.answer_name: answer}, **call.arguments
                )
        total = call.total_of(result)
        assert total is not None
        assert call.total is not None
        return total / call.count, call.total / call.count

    def _with_own_loss(self, seen: _Pass) -> Losses:
        self._replayed = []
        number, value = seen.own or (0, torch.zeros(()))
        return list(tensors_in(self._run(seen)))[number].double(), value.double()

    def _run(self, seen: _Pass) -> Any:
        with _precision(seen.autocast):
            return self._model(*seen.arguments, **seen.keywords)

    def _pass_counts(self) -> bool:
        return self._model.training and torch.is_grad_enabled() and not self.replaying

    def _written(self) -> int:
        """Return how often the weights were written to."""
        return sum(parameter._version for parameter in self._model.parameters())


def _averages(modules: list[nn.Module]) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """Yield copies of the running averages that a forward pass in training mode moves."""
    for module in modules:
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training:
            for name, buffer in module._buffers.items():
                if buffer is not None and not is_lazy(buffer) and buffer.is_floating_point():
                    yield module, name, buffer.detach().clone()


def tensors_in(output: Any) -> Iterator[Tensor]:
    """Yield the floating-point tensors of what a model answered.

    Those in an object's attributes too: of a dataclass, a distribution.
    """
    plain = isinstance(output, (Tensor, dict, tuple, list, nn.Module, type))
    yield from tensors_of(output if plain else getattr(output, "__dict__", None))


def _alias(answer: Tensor, tensors: list[weakref.ref[Tensor]]) -> Alias | None:
    for number, reference in enumerate(tensors):
        tensor = reference()
        if tensor is None or tensor.untyped_storage()._cdata != answer.untyped_storage()._cdata:
            continue
        if tensor.dtype == answer.dtype and tensor._version == answer._version:
            offset = int(answer.storage_offset()) - int(tensor.storage_offset())
            like = tuple(tensor.size()), tensor.stride()
            return Alias(number, tuple(answer.size()), answer.stride(), offset, like)
    return None


def _autocast(model: nn.Module) -> tuple[str, bool, torch.dtype]:
    return autocast_on(next(model.parameters()).device.type)


def autocast_on(kind: str) -> tuple[str, bool, torch.dtype]:
    """Return the precision that is in force on a kind of device."""
    return kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)


def _precision(autocast: tuple[str, bool, torch.dtype]) -> contextlib.AbstractContextManager[Any]:
    kind, enabled, dtype = autocast
    return torch.autocast(kind, dtype=dtype, enabled=enabled)
