"""`Unheld`: weights that a forward pass uses, and that are no parameters of the model.

Layers in a plain list or dict, layers and parameters that forward makes anew, and tensors that are
no `nn.Parameter`: backward gives them gradients, and no optimizer made of `model.parameters()`
moves them.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from gradlab.adapters.torch.observe import stage_graph
from gradlab.adapters.torch.observe.nodes import is_leaf

NAMED = 8
DEEP = 3  # containers in containers
REGISTERED = ("_parameters", "_buffers", "_modules")
MOST = 50_000  # nodes of a graph: a tenth of a second


class Unheld:
    """Looks for them in two forward passes, from the answer down to what the model was given.

    What stands before the model's inputs and behind its answer belongs to others: another net, a
    loss that learns, a batch whose own gradient is wanted.
    """

    def __init__(self, model: nn.Module, *, sharded: bool = False):
        self._model, self._sharded = model, sharded
        self._parameters = tuple(model.parameters())  # kept, so that no other gets an id of theirs
        self._held = {id(parameter) for parameter in self._parameters}
        self._given: set[Any] = set()
        self._looks: list[list[weakref.ref[Tensor]]] = []
        self._sums: dict[int, float] = {}  # of the first look's tensors
        self._anew: list[tuple[tuple[int, ...], bool]] = []  # shape, and whether it is registered
        self._iteration = -1

    @property
    def done(self) -> bool:
        """Whether no further look is needed; of a model in shards none is: the graph leads to
        gathered copies.
        """
        return self._sharded or len(self._looks) == 2 or self._looks == [[]]

    def before(self, given: Iterable[Tensor]) -> None:
        """Know what a forward pass is given."""
        self._given = set()
        for tensor in given:
            self._given |= {id(tensor), *([] if tensor.grad_fn is None else [tensor.grad_fn])}

    def returned(self, iteration: int, answers: Iterable[Tensor]) -> None:
        """Look at the graph behind what a forward pass of an iteration has returned."""
        given, self._given = self._given, set()  # nodes that are kept would keep their graph
        if self.done or iteration == self._iteration:
            return
        self._iteration = iteration
        tops = [each.grad_fn for each in answers if each.grad_fn is not None]
        known = self._held | given
        found = [each for each in _leaves(tops, given) if id(each) not in known]
        # While a functional call lasts, other tensors stand in the parameters' places.
        standing = {id(parameter) for parameter in self._model.parameters()}
        if not self._looks:
            self._sums = {id(each): _sum(each) for each in found}
        else:
            before = {id(tensor) for ref in self._looks[0] if (tensor := ref()) is not None}
            made = [each for each in found if id(each) not in before]
            made = [each for each in made if isinstance(each, nn.Parameter)]
            self._anew = [(tuple(each.shape), id(each) in standing) for each in made]
        self._looks.append([weakref.ref(each) for each in found])

    def facts(self) -> dict[str, Any] | None:
        """Return how many they are, their sizes and where they stand; None where there are none."""
        if len(self._looks) < 2 or not all(self._looks):
            return None
        names = _unregistered(self._model)
        here = {id(parameter) for parameter in self._model.parameters()}
        before = {id(tensor) for ref in self._looks[0] if (tensor := ref()) is not None}
        kept = [tensor for ref in self._looks[1] if (tensor := ref()) is not None]
        kept = [each for each in kept if id(each) in before and id(each) not in here]
        still = [each for each in kept if self._stands_still(each, names)]
        if still:
            these = {id(each) for each in still}
            known = [name for key, name in names.items() if key in these]
            plain = not any(isinstance(each, nn.Parameter) for each in still)
            told = _told([tuple(each.shape) for each in still], known, anew=False)
            return {**told, "plain": plain}
        renewed = not here <= self._held
        anew = [shape for shape, registered in self._anew if renewed or not registered]
        return _told(anew, [], anew=True) if anew else None

    def _stands_still(self, tensor: Tensor, names: Mapping[int, str]) -> bool:
        """Whether a tensor is meant as a weight, gets a gradient, and nobody has moved it."""
        meant = isinstance(tensor, nn.Parameter) or id(tensor) in names
        return meant and tensor.grad is not None and _sum(tensor) == self._sums.get(id(tensor))


def _leaves(tops: Iterable[Any], stops: set[Any]) -> list[Tensor]:
    """Return the tensors that no operation made, below these nodes; none of too large a graph."""
    queue = list(dict.fromkeys(tops))
    seen, found = set(queue), []
    while queue:
        node = queue.pop()
        if is_leaf(node):
            found.append(node.variable)
        if node in stops:
            continue
        for parent in stage_graph.parents(node):
            if parent not in seen:
                seen.add(parent)
                queue.append(parent)
        if len(seen) > MOST:
            return []
    return found


def _sum(tensor: Tensor) -> float:
    return float(tensor.detach().double().abs().sum())


def _unregistered(model: nn.Module) -> dict[int, str]:
    """Return the names of the tensors in a model's plain attributes, lists and dicts, by id."""
    names: dict[int, str] = {}
    for path, module in model.named_modules():
        for attribute, value in vars(module).items():
            if attribute not in REGISTERED:
                for name, tensor in _inside(value, DEEP):
                    names.setdefault(id(tensor), f"{path}.{attribute}{name}".lstrip("."))
    return names


def _inside(value: Any, deep: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield "", value
    elif isinstance(value, nn.Module):
        yield from ((f".{name}", parameter) for name, parameter in value.named_parameters())
    elif isinstance(value, (list, tuple, dict)) and deep:
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from ((f"[{key!r}]{name}", tensor) for name, tensor in _inside(part, deep - 1))


def _told(shapes: list[tuple[int, ...]], names: list[str], *, anew: bool) -> dict[str, Any]:
    return {
        "tensors": len(shapes),
        "numbers": sum(math.prod(shape) for shape in shapes),
        "shapes": [list(shape) for shape in shapes[:NAMED]],
        "names": names[:NAMED],
        "anew": anew,
    }
