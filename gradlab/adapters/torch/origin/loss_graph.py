"""The operations between the model's outputs and the loss, which only the user's code can repeat.

Where the same graph has come by before, the line of each of its operations is known: PyTorch's
anomaly mode has written them down while that loss was computed. Of a loss that is not finite,
autograd's graph still holds what its operations were given when `backward` begins; of one whose
derivative is not finite, the gradients on the way are kept until the optimizer has stepped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.modules import clean
from gradlab.adapters.torch.observe import functions
from gradlab.adapters.torch.observe.loss_side import looked_at
from gradlab.adapters.torch.observe.nodes import is_leaf
from gradlab.adapters.torch.observe.stage_graph import SHAPES
from gradlab.adapters.torch.origin import lines, places, reasons, seen
from gradlab.adapters.torch.origin.answer import TARGET, Origin
from gradlab.adapters.torch.origin.places import Frame
from gradlab.adapters.torch.origin.saved import SAVED, Evaluated, evaluate, saved_by

MARK = "gradlab.origin"  # in the metadata of the nodes that made the model's outputs
NODES_SEEN = 128  # of a loss; a larger one is given up
KEPT_BYTES = 32 << 20  # of gradients and saved tensors, until the optimizer has stepped
ANSWERS_KEPT = 32  # of the model, to know whether a loss was given NaN
GRAPHS_KNOWN = 64  # different losses whose lines are known

# What passes a finite gradient on as a finite one.
HARMLESS = SHAPES | {
    "AddBackward0", "SubBackward0", "NegBackward0", "MeanBackward0", "MeanBackward1",
    "SumBackward0", "SumBackward1", "NllLossBackward0", "LogSoftmaxBackward0", "GatherBackward0",
    "IndexBackward0", "IndexSelectBackward0", "ReluBackward0", "ExpandBackward0", "StackBackward0",
}  # fmt: skip
_PASSES_ON = SHAPES | {"ExpandBackward0"}


@dataclass(eq=False)
class Kept:
    """What is kept of a node: its gradients, and what it was given."""

    node: Any
    nodes: Sequence[Any]  # of the whole loss
    saved: dict[str, Tensor]
    left: Sequence[Tensor | None] = ()
    came: Sequence[Tensor | None] = ()

    def __call__(self, left: Sequence[Tensor | None], came: Sequence[Tensor | None]) -> None:
        """Keep what autograd has passed on."""
        self.left, self.came = left, came


@dataclass
class _Iteration:
    kept: list[Kept] = field(default_factory=list)
    origin: Origin | None = None
    broken: bool = False
    trouble: str = ""


class LossGraph:
    """Follows the graph from the loss to the model's outputs.

    Parameters
    ----------
    model : nn.Module
    waits : bool
        Whether a loss on a device is looked at too, which waits for it.

    """

    def __init__(self, model: nn.Module, *, waits: bool = False):
        self._model, self._waits = model, waits
        self._lines: dict[tuple[str, ...], list[tuple[Frame, ...]]] = {}
        self._learns = True  # whether lines are to be written down for the next loss
        self._now = _Iteration()
        self._answers: deque[Tensor] = deque(maxlen=ANSWERS_KEPT)  # until `backward` begins

    def listen(self, listener: Any) -> None:
        """Tell `listener` of every `backward`."""
        functions.listen(listener, criteria=False)

    def leave(self, listener: Any) -> None:
        """Tell it no more, and forget the iteration."""
        lines.want_no_more(self)
        functions.leave(listener)
        self._now = _Iteration()

    @property
    def broken(self) -> bool:
        """Whether the loss of the iteration is not finite."""
        return self._now.broken

    def pass_begins(self) -> None:
        """Know that a forward pass begins: what follows is no loss."""
        lines.want_no_more(self)

    def returned(self, outputs: Sequence[Tensor]) -> None:
        """Know the model's outputs: what follows, up to `backward`, is the loss."""
        for output in outputs:
            node: Any = output.grad_fn
            node.metadata[MARK] = True
        self._answers += [each for each in outputs if each.nbytes <= KEPT_BYTES]
        if self._learns and outputs and not looked_at():
            lines.want(self)

    def forget(self) -> None:
        """Forget the iteration."""
        self._now = _Iteration()
        self._answers.clear()

    def backward(self, roots: Sequence[Tensor]) -> None:
        """Look at the graph before autograd goes through it."""
        learned = lines.wants(self)
        lines.want_no_more(self)
        if looked_at():
            return
        answers = list(self._answers)
        self._answers.clear()
        nodes, of_model = self._nodes([root.grad_fn for root in roots])
        if not of_model:
            return
        names = tuple(node.name() for node in nodes)
        if learned and len(self._lines) < GRAPHS_KNOWN:
            self._lines[names] = [_frames(node) for node in nodes]
        self._learns = names not in self._lines and len(self._lines) < GRAPHS_KNOWN
        looked = [root for root in roots if self._waits or root.device.type == "cpu"]
        if all(seen.is_finite(root) for root in looked):
            self._keep(nodes)
            return
        if not self._now.broken:
            self._now.broken = True
            if any(bool(each.detach().isnan().any()) for each in answers):
                self._now.trouble = "what the model answers is NaN already"
            else:
                self._now.origin = self._of_result(nodes)

    @property
    def trouble(self) -> str:
        """What is not known of the loss of the iteration, and why."""
        return self._now.trouble

    def origin(self) -> Origin | None:
        """Return where the loss or its derivative was not finite first; None where it was."""
        return self._now.origin or self._of_derivative()

    def _nodes(self, tops: Sequence[Any]) -> tuple[list[Any], bool]:
        """Return the nodes between the loss and the model's outputs, in forward order.

        And whether the loss is one of this model: it leads to its outputs or its parameters.
        """
        found: dict[Any, None] = {}
        leaves: list[Any] = []
        of_model = False
        queue = [top for top in tops if top is not None]
        while queue and len(found) <= NODES_SEEN:
            node = queue.pop()
            if node in found:
                continue
            if MARK in node.metadata:
                of_model = True
            elif is_leaf(node):
                leaves.append(node)
            else:
                found[node] = None
                queue += [below for below, _ in node.next_functions if below is not None]
        of_model = of_model or self._owns_one(leaves)
        if len(found) > NODES_SEEN:
            if of_model:
                self._now.trouble = f"the loss has more than {NODES_SEEN} operations"
            return [], of_model
        return sorted(found, key=lambda node: node._sequence_nr()), of_model

    def _owns_one(self, leaves: Sequence[Any]) -> bool:
        """Whether a parameter of the model is among the leaves of a graph."""
        if not leaves:
            return False
        own = {id(each) for each in self._model.parameters()}
        return any(id(leaf.variable) in own for leaf in leaves)

    def _keep(self, nodes: Sequence[Any]) -> None:
        """Have gradients kept where a derivative may not be finite."""
        left = KEPT_BYTES
        for node in nodes:
            if node.name() in HARMLESS:
                continue
            saved = saved_by(node)
            left -= sum(each.numel() * each.element_size() for each in saved.values())
            if left < 0:
                break
            kept = Kept(node, nodes, saved)
            node.register_hook(kept)
            self._now.kept.append(kept)

    # -- a loss that is not finite

    def _of_result(self, nodes: Sequence[Any]) -> Origin | None:
        """Return the first operation whose result is not finite, or the number it was given so."""
        with torch.no_grad():
            for node in nodes:
                found = evaluate(node)
                brought = self._brought(node, found, nodes)
                if brought is not None:
                    return brought
                finite = all(each.finite for each in found.given.values())
                if finite and found.made is not None and not found.made.finite:
                    return self._origin(node, found, nodes)
        return None

    def _brought(self, node: Any, found: Evaluated, nodes: Sequence[Any]) -> Origin | None:
        """Return what a loss was given that is not finite and comes from no operation."""
        edges = [below for below, _ in node.next_functions]
        for name, values in found.given.items():
            if values.finite:
                continue
            edge = int(name == "other")
            alone = name in ("self", "other") and len(edges) > edge and edges[edge] is None
            if name not in ("target", "weight") and not alone:
                continue
            tensor = getattr(node, SAVED + name)
            place, caller = self._line(node, nodes)
            what = "the target" if name in ("target", "self") else f"what it was given as {name}"
            return Origin(
                TARGET, "", "loss", str(values), place=place, caller=caller, key="input",
                index=seen.first_bad(tensor) or (), rows=tuple(seen.bad_rows(tensor)[:64]),
                why=f"{what} is not finite: it comes with the data",
            )  # fmt: skip
        return None

    def _origin(self, node: Any, found: Evaluated, nodes: Sequence[Any]) -> Origin:
        given = list(found.given.values())
        assert found.made is not None
        name = reasons.short(node.name())
        divisor = found.given.get("other") if list(found.given) == ["other"] else None
        if divisor is not None and divisor.zeros:
            reason = reasons.of_divisor()
        else:
            reason = reasons.of_result(f"aten.{name}", given, found.made)
        place, caller = self._line(node, nodes)
        return Origin(
            f"aten.{name}", "", "loss",
            " and ".join(str(each) for each in given) or "no number at all",
            place=place, caller=caller, why=reason.words, key=reason.key,
            parameter=self._parameter_below(node),
        )  # fmt: skip

    # -- a loss whose derivative is not finite

    @torch.no_grad()
    def _of_derivative(self) -> Origin | None:
        # From the loss down: the order of the gradients.
        for kept in sorted(self._now.kept, key=lambda each: -each.node._sequence_nr()):
            came = [each for each in kept.came if each is not None]
            left = [each for each in kept.left if each is not None]
            if not left or not all(seen.is_finite(each) for each in came):
                continue
            wrong = next((each for each in left if not seen.is_finite(each)), None)
            if wrong is not None:
                return self._of_kept(kept, came, wrong)
        return None

    def _of_kept(self, kept: Kept, came: list[Tensor], wrong: Tensor) -> Origin:
        given = [seen.look(each) for name, each in kept.saved.items() if name != "result"]
        given = given or [seen.look(each) for each in kept.saved.values()]
        node = kept.node
        if not all(each.finite for each in given):  # its input was infinite, behind a `where`
            first = next((each for each in self._now.kept if _is_source(each)), None)
            if first is not None:
                node = first.node
                given = [seen.look(each) for name, each in first.saved.items() if name != "result"]
        name = reasons.short(node.name())
        reason = reasons.of_derivative(node.name(), given, seen.look(came[0]) if came else None)
        place, caller = self._line(node, kept.nodes)
        return Origin(
            f"aten.{name}", "", "backward",
            " and ".join(str(each) for each in given) or "what it keeps to itself",
            place=place, caller=caller, why=reason.words, key=reason.key,
            index=seen.first_bad(wrong) or (), rows=tuple(seen.bad_rows(wrong)[:64]),
            parameter=self._parameter_below(node),
        )  # fmt: skip

    # -- lines

    def _line(self, node: Any, nodes: Sequence[Any]) -> tuple[Any, Any]:
        """Return line and caller of a node of the broken graph, if its like has come by before."""
        known = self._lines.get(tuple(each.name() for each in nodes))
        if known is None:
            self._now.trouble = (
                "its line is not known, since this loss has other operations than those before; "
                "recorder.trace(lambda: loss) names it"
            )
            return None, None
        frames = known[list(nodes).index(node)]
        return places.place(frames), places.caller(frames)

    def _parameter_below(self, node: Any) -> str:
        """Return the name of the parameter that an operation reads, if nothing stands between."""
        names = {id(each): clean(name) for name, each in self._model.named_parameters()}
        for below, _ in node.next_functions:
            while below is not None and below.name() in _PASSES_ON and below.next_functions:
                below = below.next_functions[0][0]
            if below is not None and is_leaf(below):
                name = names.get(id(below.variable))
                if name is not None:
                    return name
        return ""


def _frames(node: Any) -> tuple[Frame, ...]:
    return places.frames_in(node.metadata.get("traceback_", ()))


def _is_source(kept: Kept) -> bool:
    """Whether an operation made what is not finite out of what was."""
    found = evaluate(kept.node, kept.saved)
    return (
        all(each.finite for each in found.given.values())
        and found.made is not None
        and not found.made.finite
    )
