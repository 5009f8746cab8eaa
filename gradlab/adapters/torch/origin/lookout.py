"""At the first number that is not finite, before the optimizer steps: where it came from."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from gradlab.adapters.torch.distributed import Ranks
from gradlab.adapters.torch.iteration import Iteration
from gradlab.adapters.torch.measure.parameters import Norms
from gradlab.adapters.torch.observe.hooks import Guard
from gradlab.adapters.torch.origin import trace
from gradlab.adapters.torch.origin.answer import Origin
from gradlab.adapters.torch.origin.batch import NONFINITE, Batch, Batches, rows_at_fault
from gradlab.adapters.torch.origin.frames import bounded
from gradlab.adapters.torch.origin.last_frames import LastFrames
from gradlab.adapters.torch.origin.loss_graph import LossGraph
from gradlab.adapters.torch.origin.spikes import Spikes
from gradlab.adapters.torch.origin.together import Together
from gradlab.adapters.torch.origin.trace import Forward, Told
from gradlab.adapters.torch.origin.update import Updates

Array = np.ndarray


class Lookout:
    """Looks for the first NaN or infinity, and finds the operation that made it.

    Parameters
    ----------
    model : nn.Module
    ranks : Ranks
    mode : str
        `on_nonfinite` of `watch`.
    on_cpu : bool
        Whether parameters lie in main memory: elsewhere, to look would synchronise in every step.
    guard : Guard
        Is told of faults.
    keep_batch : bool, optional
        Whether batches that break or spike are written beside the record; False: none is kept.

    Attributes
    ----------
    stops : bool
        Whether the training is to be stopped.
    found : bool
        Whether it has seen one, and looks no more.
    skips : int
        How many steps were skipped.
    skip_origin : Origin or None
        Where a number in one of them was not finite.
    told : Told
        What the passes that were run again have told.
    """

    def __init__(
        self,
        model: nn.Module,
        ranks: Ranks,
        mode: str,
        on_cpu: bool,
        guard: Guard,
        keep_batch: bool | None = None,
    ):
        self._model, self._ranks = model, ranks
        self._devices = trace.devices_of(model)
        self.stops = mode == "stop"
        self._looks = self.stops or (mode == "trace" and on_cpu)
        self.found = False
        self.skips = 0
        self.skip_origin: Origin | None = None
        self.told = Told()
        self._loss = LossGraph(model, waits=self.stops)
        self._updates = Updates(model)
        self._before_backward = guard(self._loss.backward)
        self.frames = LastFrames(model, guard, self._looks)
        self._writes = keep_batch is True
        self.batches = Batches(keep=keep_batch is not False)
        kinds = {device.type for device in self._devices}  # of others, no arrival is told
        keeps = mode != "record" and keep_batch is not False
        self._late = keeps and not on_cpu and kinds <= {"cuda", "cpu"}
        self.spikes = Spikes(self.batches, late=self._late)

    # -- every step: only what costs the same for any model

    def remember(
        self, iteration: Iteration, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        """Keep a forward pass, to run it again if need be."""
        if self._looks and not self.found:
            iteration.calls.append(Forward(self._model, arguments, keywords, self._devices))
            self._loss.pass_begins()
        elif self._late and not self.spikes.over:
            iteration.calls.append(Forward(self._model, arguments, keywords, self._devices))

    def returned(self, iteration: Iteration, output: Any) -> None:
        """Know what the newest forward pass returned."""
        if self._looks and not self.found and iteration.calls:
            self.frames.flush()
            outputs = trace.outputs_of(output)
            iteration.calls[-1].returned(outputs)
            self._loss.returned(outputs)
        elif self._late and not self.spikes.over and iteration.calls:
            iteration.calls[-1].returned(trace.outputs_of(output))

    def backward(self, roots: Sequence[Tensor]) -> Callable[[], None]:
        """Know that `backward` begins; return what to call when it has ended."""
        if self._looks and not self.found:
            self._before_backward(roots)
        return _nothing

    def forget(self) -> None:
        """Forget the iteration: it has ended."""
        self._loss.forget()

    def stepped(self, optimizer: Any) -> None:
        """Know by which settings an optimizer has just stepped, and from which line."""
        if self._looks and not self.found:
            self._updates.stepped(optimizer)

    def begin(self) -> None:
        """Begin to listen."""
        if self._looks:
            self._loss.listen(self)

    def leave(self) -> None:
        """Listen no more, and forget the iteration."""
        self._loss.leave(self)
        if self._late and not self.found:
            with contextlib.suppress(RuntimeError):  # the device may be what ended the training
                self.spikes.arrived(waits=True)

    def together(self, *, called: bool = False) -> Together:
        """Let the processes of a model in shards run one pass; `called`: by the user, in each."""
        if not self._ranks.sharded:
            return Together()
        return Together(self._ranks.called if called else self._ranks.gathered)

    # -- when it happens

    def sees(self, norms: Norms) -> bool:
        """Whether these gradients, or the loss, are the first that are not finite.

        To be asked after `spiked`.
        """
        if not self._looks or self.found:
            return False
        alone = not (self.stops or self._ranks.sharded)
        if alone and self.spikes.finite and not self._loss.broken:
            return False  # as in nearly every step, and `spiked` has looked already
        looked_at = [each for _, each in norms if self.stops or isinstance(each, np.ndarray)]
        # All processes look, or none does: one whose shards are all empty too.
        if looked_at or self._ranks.sharded:
            self.found = self._broken(looked_at)
        return self.found

    def sees_skip(self, *, after_many: bool) -> bool:
        """Whether to look at a step that is skipped: its loss is not finite, or many were before.

        Not at a model in shards, since its processes would have to agree on it.
        """
        self.skips += 1
        looks = self._looks and not self.found and not self._ranks.sharded
        return looks and (self._loss.broken or after_many)

    def spiked(self, iteration: Iteration, optimizer: int, norms: Norms) -> bool:
        """Whether gradients were far larger than those before, so that a batch is kept.

        These gradients; on a GPU, those of a step before, whose norms have arrived.
        """
        if self.found or not (self._looks or self._late):
            return False
        squares = [each for _, each in norms]
        spiked = self.spikes.take(iteration.number, optimizer, iteration.calls, squares)
        self.frames.calm = self.spikes.calm
        return spiked

    def keep(self, iteration: Iteration, origin: Origin | None) -> list[int]:
        """Keep the batch that broke; return its rows at fault, as far as they can be told."""
        rows = [] if origin is None else list(origin.rows)
        rows = rows or rows_at_fault(iteration.calls)
        self.batches.add(Batch(iteration.number, NONFINITE, tuple(iteration.calls), tuple(rows)))
        return rows

    def write(self, folder: Path) -> None:
        """Write the batches that are new, if that was asked for."""
        if self._writes:
            self.batches.write(folder)

    def _broken(self, norms: Sequence[Array | Tensor]) -> bool:
        broken = self._loss.broken or not all(math.isfinite(float(each.sum())) for each in norms)
        if self.stops or self._ranks.sharded:  # all see it in whole gradients, not in their shards
            return self._ranks.any(broken)
        return broken

    def origin(self, iteration: Iteration) -> Origin | None:
        """Run the passes of the iteration again and return where a number first was not finite."""
        try:
            return self._origin(iteration)
        except Exception as error:  # the record goes on without it
            self.told = Told(trouble=f"{type(error).__name__}: {str(error)[:200]}")
            return None

    def _origin(self, iteration: Iteration) -> Origin | None:
        updated = self._updates.origin()
        found = updated is not None
        if self._ranks.sharded:  # one alone may see it; what follows, all do or none
            found = self._ranks.any(found)
        if found:
            return updated
        told = [trace.of_pass(call, self.together()) for call in iteration.calls]
        self.told = next((each for each in told if each.origin is not None), None) or (
            told[-1] if told else Told()
        )
        found = [each.origin for each in told if each.origin is not None]
        forward = next((each for each in found if each.phase == "forward"), None)
        if forward is not None:
            return self._updates.explained(forward)
        in_loss = self._loss.origin()
        if in_loss is not None:
            return self._updates.explained(in_loss)
        return self._updates.explained(found[0]) if found else None

    def facts(self, number: int) -> dict[str, Any]:
        """Return what else the record is to hold: the way there, and what is not known."""
        facts: dict[str, Any] = {}
        earlier = self.frames.rows(number)
        if self.told.frames or earlier:
            now = [{"iteration": number, "rows": self.told.frames}] if self.told.frames else []
            facts["nonfinite_frames"] = bounded([*earlier, *now])
        trouble = [each for each in (self.told.trouble, self._loss.trouble) if each]
        if trouble:
            facts["nonfinite_unknown"] = "; ".join(trouble)
        return facts


def _nothing() -> None:
    """Do nothing."""
