"""`Call`: one call of one module, from its input to the gradients that come back."""

from __future__ import annotations

from torch import Tensor

from gradlab.adapters.torch.observe import graph


class Call:
    """One call of one module.

    Attributes
    ----------
    module : int
    begun : int
        The forward pass it belongs to.
    read, z : Tensor or None
        What the module reads and answers, without their graphs.
    delta, back : Tensor or None
        The gradients that arrive at z and at what was read, once they have come.
    applied : dict of int to Applied
        What was applied to the outputs of the modules that `read` comes from.
    awaits : bool
        Whether the gradient of what it read will come too.
    shown : bool
        Whether it was measured already.
    """

    __slots__ = ("applied", "awaits", "back", "begun", "delta", "module", "read", "shown", "z")

    def __init__(self, module: int, read: Tensor | None, begun: int):
        self.module, self.read, self.begun = module, read, begun
        self.z: Tensor | None = None
        self.delta: Tensor | None = None
        self.back: Tensor | None = None
        self.applied: dict[int, graph.Applied] = {}
        self.awaits = self.shown = False

    def done(self) -> None:
        """Let go of all tensors: it was measured."""
        self.read = self.z = self.delta = self.back = None
        self.applied, self.shown = {}, True

    def let_go(self) -> None:
        """Let go of all tensors; gradients that come later are nobody's."""
        self.done()
        self.begun = -1
