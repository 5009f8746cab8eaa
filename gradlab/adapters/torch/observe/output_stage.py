"""What becomes of the gradient between the loss and the last trainable map: operation by operation.

At `backward`, the graph is walked from the loss to the answers (see `heads`), and from there to the
nearest operations that use a trainable parameter. The norms of the gradients at these places and
wherever all ways meet between them are taken while autograd goes by; nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradlab.adapters.torch.observe.criterion import Call
from gradlab.adapters.torch.observe.gradient_norms import GradientNorms, ratio
from gradlab.adapters.torch.observe.heads import MARK, Head, Mark, Place, find_heads, find_marks
from gradlab.adapters.torch.observe.hooks import Guard
from gradlab.adapters.torch.observe.stage_graph import Maps


@dataclass
class Stage:
    """What was measured of an iteration.

    Attributes
    ----------
    gain : Tensor or None
        ||dL/d(last trainable map's output)|| / ||dL/d(what the criterion was given)||; NaN where no
        gradient came to the criterion.
    factors : list of (int, str, Tensor)
        Position, from the last trainable map on, operation, and factor of each; NaN where none is
        known.
    """

    gain: Tensor | None = None
    factors: list[tuple[int, str, Tensor]] = field(default_factory=list)


class OutputStage:
    """Measures the stage between the last trainable map and the loss.

    Parameters
    ----------
    owned : callable
        Returns the ids of the trainable parameters that are watched; of none, all count.
    guard : Guard
        Keeps faults out of `backward`.
    """

    def __init__(self, owned: Callable[[], set[int]], guard: Guard):
        self._owned, self._guard, self._maps = owned, guard, Maps()
        self.forget()

    def attach(self, iteration: int) -> None:
        """Begin an iteration."""
        self.forget()

    def detach(self) -> None:
        """Forget what was not measured."""
        self.forget()

    def forget(self) -> None:
        """Forget the iteration."""
        self._sums: dict[tuple[Any, int, str], tuple[Tensor, Tensor]] = {}
        self._gain: tuple[Tensor, Tensor] | None = None
        self._clear = True  # whether every head has shown its last map
        self._called = False

    def mark(self, tensor: Tensor, what: str, call: Call | None = None) -> None:
        """Remember what a tensor is."""
        node: Any = tensor.grad_fn
        if node is not None:
            marks = node.metadata.setdefault(MARK, [])
            marks.append(Mark(self, what, tensor.output_nr, call))
            self._called = self._called or call is not None

    def backward(
        self, roots: Sequence[Tensor], confirm: Callable[[Call | None], None]
    ) -> Callable[[], None]:
        """Look at the graph before autograd goes through it; return what to call afterwards.

        `confirm` is told of every call that the gradient goes through; None: of a loss that the
        model returned.
        """
        tops = [root.grad_fn for root in roots]
        marks = find_marks(tops, self, past_returned=self._called)
        heads = find_heads(tops, marks, self._owned(), self._maps)
        for head in heads:
            if head.call is not None:
                confirm(head.call)
        if any(mark.what == "loss" for _, mark in marks):
            confirm(None)
        nodes = [node for head in heads for node in head.nodes()]
        norms = GradientNorms(dict.fromkeys([*tops, *nodes]) if heads else (), self._guard)

        def finish() -> None:
            norms.close()
            self._add(heads, norms)

        return finish

    def measure(self) -> Stage:
        """Return the numbers of the iteration so far."""
        result = Stage()
        if self._gain is not None and self._clear:
            result.gain = ratio(*self._gain)
        heads = list(dict.fromkeys(key for key, _, _ in self._sums))
        for (key, _, operation), (below, above) in self._sums.items():
            name = operation if len(heads) == 1 else f"head {heads.index(key) + 1}: {operation}"
            result.factors.append((len(result.factors), name, ratio(below, above)))
        return result

    @torch.no_grad()
    def _add(self, heads: list[Head], norms: GradientNorms) -> None:
        """Add up what one `backward` has shown."""
        maps: dict[Any, None] = {}
        answers: dict[Place, None] = {}
        for head in heads:
            if all(norms.of(*answer) is None for answer in head.answers):
                continue  # backward(inputs=...) went elsewhere
            self._clear = self._clear and bool(head.maps)
            answers.update(dict.fromkeys(head.answers))
            maps.update(dict.fromkeys(head.maps))
            for position, (operation, below, above) in enumerate(head.rows(norms)):
                key = head.key, position, operation
                self._sums[key] = _joined(self._sums.get(key), (below, above))
        if answers:
            here = norms.total((node, None) for node in maps), norms.total(answers)
            self._gain = _joined(self._gain, here)


def _joined(
    total: tuple[Tensor, Tensor] | None, new: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    return new if total is None else (total[0] + new[0], total[1] + new[1])
