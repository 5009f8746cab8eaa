"""What is recorded of an iteration whose numbers stop being finite."""

from __future__ import annotations

import contextlib
import math
from typing import Any

from torch import nn

from gradlab.adapters.torch.iteration import Iteration
from gradlab.adapters.torch.ledger import Ledger, single
from gradlab.adapters.torch.modules import unwrapped
from gradlab.adapters.torch.observe.buffers import Buffers
from gradlab.adapters.torch.observe.hooks import Guard
from gradlab.adapters.torch.origin.answer import Origin
from gradlab.adapters.torch.origin.lookout import Lookout
from gradlab.adapters.torch.record import Record
from gradlab.errors import RunError

SKIPS_ENDURED = 8  # steps in a row that a GradScaler may skip while it looks for its scale
SKIPS_LOOKED_AT = 3


class Breakdown:
    """Notes where the first number came from that is not finite, and keeps its batch."""

    def __init__(
        self, outer: nn.Module, lookout: Lookout, record: Record, ledger: Ledger, guard: Guard
    ):
        self._lookout, self._record, self._ledger = lookout, record, ledger
        self._buffers, self._guard = Buffers(unwrapped(outer)), guard
        self._first = math.inf  # the iteration whose origin is noted
        self._begun = False
        self._skips, self._looks_left = 0, SKIPS_LOOKED_AT

    def begin(self) -> None:
        """Begin to look: what is infinite now is meant so."""
        self._lookout.begin()
        self._guard(self._buffers.look)(0)
        self._begun = True

    def over(self, iteration: Iteration) -> None:
        """Know that an iteration is over: look at the buffers, at the cadence of the costly."""
        self._lookout.forget()
        self._skips = 0
        if iteration.costly:
            self._guard(self._look)(iteration.number)

    def skipped(self, iteration: Iteration) -> None:
        """Know that a step was skipped, and look why if no smaller scale can help.

        That is so where the loss is not finite, and after many skipped steps in a row.
        """
        self._skips += 1
        after_many = self._skips % SKIPS_ENDURED == 0
        if self._lookout.sees_skip(after_many=after_many) and self._looks_left:
            self._looks_left -= 1
            self._guard(self._note_skipped)(iteration)
        self._lookout.forget()

    def _note_skipped(self, iteration: Iteration) -> None:
        origin = self._lookout.origin(iteration)
        if origin is None:
            return
        self._looks_left, self._lookout.skip_origin = 0, origin
        self._record.note(skipped_origin={"iteration": iteration.number, **origin.to_dict()})
        self._lookout.keep(iteration, origin)
        self.write_batches()

    def handed_over(self) -> None:
        """Know that rows were recorded: a device was waited for, and may be asked."""
        self._guard(self._tell)(waits=True)

    def leave(self, iteration: Iteration) -> None:
        """End the look, with a last one at the buffers."""
        if self._begun and iteration.number:
            self._guard(self._look)(iteration.number - 1, waits=True)
        self._begun = False
        self._lookout.leave()
        self._guard(self.write_batches)()

    def _look(self, iteration: int, *, waits: bool = False) -> None:
        count = self._buffers.look(iteration)
        if count is not None:
            self._ledger.put_of_net(iteration, "nonfinite_buffers", single("count", count))
        self._tell(waits=waits)

    def _tell(self, *, waits: bool) -> None:
        spoilt = self._buffers.spoilt(waits=waits)
        if spoilt is not None and spoilt.iteration < self._first:
            self._note_origin(spoilt.iteration, spoilt.origin.to_dict())

    def _note_origin(self, iteration: int, origin: dict[str, Any]) -> None:
        self._first = iteration
        self._record.note(nonfinite_origin={"iteration": iteration, **origin})

    def note(self, iteration: Iteration) -> None:
        """Note operation, place and rows, as far as they were found."""
        origin = self._lookout.origin(iteration)
        facts = self._lookout.facts(iteration.number)
        if origin is not None and iteration.number <= self._first:
            self._note_origin(iteration.number, _with_what_is_unknown(origin, facts))
            if origin.place is not None:
                facts.pop("nonfinite_unknown", None)
        if origin is not None and origin.phase == "forward":
            self._ledger.put_of_net(iteration.number, "broke_forward", 1.0)
        rows = self._lookout.keep(iteration, origin)
        if rows:
            facts["nonfinite_rows"] = rows
        self._record.note(**facts)
        self.write_batches()

    def write_batches(self) -> None:
        """Write batches that were kept just now beside the record, where that was asked for."""
        if self._record.writes and self._lookout.batches.all:
            with contextlib.suppress(RunError):  # no step was taken yet: there is no folder
                self._lookout.write(self._record.recorder.folder)


def _with_what_is_unknown(origin: Origin, facts: dict[str, Any]) -> dict[str, Any]:
    """Return an origin as plain data; where its line is not known, with the reason."""
    told = origin.to_dict()
    why = facts.get("nonfinite_unknown")
    return told | ({"unknown": why} if why and "line" not in told else {})
