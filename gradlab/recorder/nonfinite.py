"""Where the arrays of an iteration hold NaN or infinity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradlab import measures
from gradlab.layerstack import LayerStack
from gradlab.recorder.inputs import StepTensors
from gradlab.recorder.layer_axis import LayerAxis
from gradlab.statistics import PHASES

Array = np.ndarray


class NonFinite:
    """Counts NaN and infinity in one iteration after the other.

    A finite norm proves that an array holds none, so that hardly any array is read for this.
    """

    def __init__(self, axis: LayerAxis):
        self._axis = axis
        self._counts: dict[str, Array] = {}  # of the newest iteration, by the arrays' name

    def none(self) -> None:
        """Know that all arrays of this iteration are finite."""
        self._counts = {}

    def count(self, tensors: StepTensors, row: Mapping[str, Any]) -> Array:
        """Count NaN and infinity in z, delta, G and W_after, (S, L).

        Parameters
        ----------
        row : mapping of str to ndarray (S, L)
            The norms of this iteration.
        """
        clean = {
            "gradients": np.isfinite(row["grad_norm"]),
            "weights_after": np.isfinite(row["update_norm"]) & np.isfinite(row["weight_norm"]),
        }
        if tensors.deltas is not None:
            clean["deltas"] = np.isfinite(row["delta_norm"])
        if tensors.preactivations is not None and not self._bounded(tensors, row):
            clean["preactivations"] = np.isfinite(
                self._axis.each(measures.norm, tensors.preactivations)
            )
        zero = np.zeros(self._axis.shape)
        self._counts = {
            name: zero
            if finite.all()
            else self._axis.each(measures.nonfinite_count, getattr(tensors, name))
            for name, finite in clean.items()
        }
        return np.sum(list(self._counts.values()), axis=0)

    def phases(self, loss: Array) -> list[str | None]:
        """Say for each replicate where the first non-finite number of this iteration appeared."""
        replicates = self._axis.shape[0]
        finite = np.isfinite(loss)
        if not self._counts and finite.all():
            return [None] * replicates
        counts = {name: array.sum(axis=1) for name, array in self._counts.items()}
        none = np.zeros(replicates)
        found = (
            counts.get("preactivations", none) > 0,
            ~finite,
            counts.get("deltas", none) + counts.get("gradients", none) > 0,
            counts.get("weights_after", none) > 0,
        )
        return [
            next((phase for phase, hit in zip(PHASES, found, strict=True) if hit[k]), None)
            for k in range(replicates)
        ]

    def _bounded(self, tensors: StepTensors, row: Mapping[str, Any]) -> bool:
        """Whether |z_l| <= ||h_{l-1}|| ||W_l|| + ||b_l|| proves that every z is finite."""
        batch, activations, biases = tensors.batch, tensors.activations, tensors.biases
        if batch is None or activations is None or biases is None:
            return False
        if not isinstance(tensors.preactivations, LayerStack):
            return False  # only the engine vouches for z = h W + b
        roots = [
            batch.shape[-2] * batch.shape[-1],
            *(h.shape[-2] * h.shape[-1] for h in activations[:-1]),
        ]
        first = self._axis.joined([measures.norm(batch[None])])
        norms = np.concatenate([first, row["activation_rms"][:, :-1]], axis=1)
        norms[:, 1:] *= np.sqrt(roots[1:])
        bound = norms * row["weight_norm"] + self._axis.each(measures.norm, biases)
        return bool((bound < np.finfo(batch.dtype).max / 16).all())  # NaN compares as False
