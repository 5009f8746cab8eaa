"""What is recorded of an iteration whose numbers stop being finite."""

from __future__ import annotations

import numpy as np

from gradlab.adapters.torch.iteration import Iteration
from gradlab.adapters.torch.ledger import Ledger
from gradlab.adapters.torch.origin.lookout import Lookout
from gradlab.adapters.torch.record import Record


class Breakdown:
    """Notes where the first number came from that is not finite, and keeps its batch."""

    def __init__(self, lookout: Lookout, record: Record, ledger: Ledger):
        self._lookout, self._record, self._ledger = lookout, record, ledger

    def note(self, iteration: Iteration) -> None:
        """Note operation, place and rows, as far as they were found."""
        origin = self._lookout.origin(iteration)
        facts = self._lookout.facts(iteration.number)
        if origin is not None:
            facts["nonfinite_origin"] = {"iteration": iteration.number, **origin.to_dict()}
            if origin.phase == "forward":
                self._ledger.put_of_net(iteration.number, "broke_forward", np.ones(1))
        rows = self._lookout.keep(iteration, origin)
        if rows:
            facts["nonfinite_rows"] = rows
        self._record.note(**facts)
        self.write_batch()

    def write_batch(self) -> None:
        """Write the batch that was kept just now beside the record, where that was asked for."""
        if self._record.writes:
            self._lookout.write(self._record.recorder.folder)
