"""From the arrays that `Recorder.record` is given to the row that is kept of an iteration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.recorder.cadence import Cadence
from gradlab.recorder.inputs import Inputs, StepTensors
from gradlab.recorder.measurer import Measurer
from gradlab.recorder.rows import LayerRow, Row
from gradlab.recorder.trajectories import Trajectories

Array = np.ndarray


@dataclass(frozen=True)
class Extras:
    """What is recorded of an iteration besides its arrays: checked, and (S, ...) each."""

    step: Mapping[str, Array]
    block_signals: Mapping[str, Array]
    output_stage: Sequence[tuple[str, Array]]


class StepReader:
    """Checks and measures the arrays of one iteration after the other; keeps none of them.

    Parameters
    ----------
    inputs : Inputs
        Checks arrays.
    measurer : Measurer
    trajectories : Trajectories
        The weights that are followed.
    cadence : Cadence
        Of the costly statistics.
    """

    def __init__(
        self,
        inputs: Inputs,
        measurer: Measurer,
        trajectories: Trajectories,
        cadence: Cadence,
    ):
        self._inputs, self._measurer, self._trajectories = inputs, measurer, trajectories
        self._cadence = cadence
        self._broken: Array | bool = False  # which replicates have met a non-finite number (S,)

    def checked(self, given: Mapping[str, Any]) -> StepTensors:
        """Return the arrays that are given; raise ArgumentError where one does not fit."""
        return self._inputs.tensors(given)

    def row(self, tensors: StepTensors, extras: Extras, number: int, costly: bool) -> Row:
        """Measure iteration `number`, with the costly statistics if it is `costly`."""
        with np.errstate(all="ignore"):
            wanted = self._cadence.is_costly(number + 1)
            layers = self._measurer.norms(tensors, keep=wanted)
            if costly:
                layers = layers.completed(self._measurer.costly(tensors))
            step = {**self._measurer.steps(tensors, layers), **extras.step}
            phases = self._measurer.phases(step["loss"])
        return Row(
            layers,
            step,
            phases,
            extras.block_signals,
            extras.output_stage,
            *self._followed(tensors, costly),
        )

    def _followed(self, tensors: StepTensors, costly: bool) -> tuple[Array | None, Array | None]:
        """Return the weights that are followed before and after the update, where they are due."""
        if not len(self._trajectories):
            return None, None
        due = self._trajectories.due(costly)
        before = self._trajectories.values(tensors.weights) if due else None
        return before, self._trajectories.values(tensors.weights_after)

    def breaks(self, phases: Sequence[str | None], number: int) -> bool:
        """Note which replicates broke in iteration `number`.

        Returns
        -------
        bool
            Whether one broke now and the iteration before lacks its costly statistics.
        """
        broken = np.array([phase is not None for phase in phases])
        newly = broken & ~np.asarray(self._broken)
        self._broken = broken | self._broken
        return bool(newly.any()) and number > 0 and not self._cadence.is_costly(number - 1)

    def completion(self, tensors: StepTensors) -> LayerRow:
        """Return the costly statistics of the iteration before the newest."""
        with np.errstate(all="ignore"):
            return self._measurer.costly(tensors, revisited=True)

    def forget(self) -> None:
        """Let go of all arrays."""
        self._inputs.forget()
